"""Multi-attention recurrent network (MARN; Zadeh et al. 2018)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.models.dropout import Dropout
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.fusion.mv_lstm import block_diagonal
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.per_modality import (
    DEFAULT,
    Probability,
    Size,
    SizePerModality,
    value_for,
)
from mfm_pipeline.models.pooling import last_state
from mfm_pipeline.models.spec import ModalitySpec


class MultiAttentionRecurrentNetwork(Encoder):
    """LSTMs with a common code of what several attentions found across modalities.

    With h^m_t the hidden states of each modality and h_t all of them side by side:

    - LSTHM: gates of modality m at t see x^m_t, h^m_{t-1} and the code z_{t-1};
    - attentions: a^k_t = softmax(A^k(h_t)) for k = 1 .. K, over the entries of h_t;
    - what each attends to, h~^k_t = a^k_t * h_t, is divided by modality, and all K parts of
      a modality are reduced by its own layer C^m (linear, ReLU);
    - code: z_t = G of the reduced parts side by side (linear, ReLU, dropout, linear, tanh).

    The tanh at the end, which keeps the code as bounded as hidden states are, is ours. The
    state is the last hidden state of every LSTHM and the code, each after the sample's own
    last step. Hidden states of an absent modality are zero.

    Parameters
    ----------
    features : mapping of str to int
        Features of each modality.
    hidden : mapping of str to int
        Size of each LSTHM.
    attentions : int
        K.
    reduced : int
        Size of each modality's reduced part.
    code : int
        Size of z.
    dropout : float
        Inside G.
    """

    def __init__(
        self,
        *,
        features: Mapping[str, int],
        hidden: Mapping[str, int],
        attentions: int,
        reduced: int,
        code: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.units, self.attentions, self.code = dict(hidden), attentions, code
        total = sum(hidden.values())
        self.inputs = nn.ModuleDict(
            {name: nn.Linear(size, 4 * hidden[name]) for name, size in features.items()}
        )
        self.hidden_weights = nn.ParameterDict(
            {name: nn.Parameter(torch.empty(4 * size, size)) for name, size in hidden.items()}
        )
        self.code_weights = nn.ParameterDict(
            {name: nn.Parameter(torch.empty(4 * size, code)) for name, size in hidden.items()}
        )
        self.attention = nn.Linear(total, attentions * total)
        self.reduce = nn.ModuleDict(
            {name: nn.Linear(attentions * size, reduced) for name, size in hidden.items()}
        )
        merged = len(features) * reduced
        self.merge = nn.Sequential(
            nn.Linear(merged, code), nn.ReLU(), Dropout(dropout), nn.Linear(code, code), nn.Tanh()
        )
        self.size = total + code
        for weights in (self.hidden_weights, self.code_weights):
            for name, weight in weights.items():
                bound = 1 / math.sqrt(hidden[name])
                nn.init.uniform_(weight, -bound, bound)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return last hidden states and code, ``(n, size)``."""
        names = list(self.units)
        sizes = list(self.units.values())
        # What comes from inputs is known for all steps at once.
        driven = [self.inputs[name](inputs.values[name].transpose(0, 1)) for name in names]
        drive = self._by_gate(driven)
        recurrent = self._recurrent_weight()
        present = torch.cat(
            [inputs.present[name][:, None].expand(-1, size) for name, size in self.units.items()],
            dim=1,
        ).to(drive.dtype)
        reduce_weight, reduce_bias = self._reduction()
        n, total = len(inputs), sum(sizes)
        hidden, cell = drive.new_zeros(n, total), drive.new_zeros(n, total)
        code = drive.new_zeros(n, self.code)
        states, codes = [], []
        for step in drive:
            gates = torch.addmm(step, torch.cat([hidden, code], dim=1), recurrent)
            # One call for the three of them.
            enter, forget, out = gates[:, : 3 * total].sigmoid().chunk(3, dim=1)
            cell = forget * cell + enter * gates[:, 3 * total :].tanh()
            hidden = out * cell.tanh() * present
            scores = self.attention(hidden).view(n, self.attentions, total)
            attended = torch.softmax(scores, dim=2) * hidden[:, None]
            reduced = torch.addmm(reduce_bias, attended.flatten(1), reduce_weight).relu()
            code = self.merge(reduced)
            states.append(hidden)
            codes.append(code)
        everything = torch.split(torch.stack(states), sizes, dim=2)
        last = [
            last_state(part, inputs.lengths, inputs.present[name])
            for name, part in zip(names, everything, strict=True)
        ]
        last.append(last_state(torch.stack(codes), inputs.lengths, inputs.lengths > 0))
        return torch.cat(last, dim=1)

    def _by_gate(self, driven: list[Tensor]) -> Tensor:
        """Set each gate of all modalities side by side: from a block a modality to one a gate."""
        gates = [part.chunk(4, dim=-1) for part in driven]
        return torch.cat([part[gate] for gate in range(4) for part in gates], dim=-1)

    def _recurrent_weight(self) -> Tensor:
        """Return the weight from [h, z] to all gates, ``(total + code, 4 total)``."""
        # In the order of the modalities, which a ParameterDict does not keep.
        own = [self.hidden_weights[name].chunk(4) for name in self.units]
        coded = [self.code_weights[name].chunk(4) for name in self.units]
        gates = []
        for gate in range(4):
            from_hidden = block_diagonal([part[gate] for part in own])
            from_code = torch.cat([part[gate] for part in coded])
            gates.append(torch.cat([from_hidden, from_code], dim=1))
        return torch.cat(gates).t()

    def _reduction(self) -> tuple[Tensor, Tensor]:
        """Return every C^m as one layer over what all attentions found, attention by attention."""
        layers = [cast("nn.Linear", layer) for layer in self.reduce.values()]
        columns = []
        for attention in range(self.attentions):
            blocks = [
                layer.weight[:, attention * size : (attention + 1) * size]
                for layer, size in zip(layers, self.units.values(), strict=True)
            ]
            columns.append(block_diagonal(blocks))
        bias = torch.cat([layer.bias for layer in layers])
        return torch.cat(columns, dim=1).t(), bias


class MultiAttentionOptions(FusionOptions):
    """Options of the multi-attention recurrent network."""

    hidden: SizePerModality = Field(default={DEFAULT: 32}, description="Size of each LSTHM.")
    attentions: Size = Field(default=4, description="Attentions K.")
    reduced: Size = Field(default=16, description="Size of each modality's reduced part.")
    code: Size = Field(default=32, description="Size of the code z.")
    dropout: Probability = Field(default=0.2, description="On the way to the code.")

    def build(self, modalities: Mapping[str, ModalitySpec]) -> MultiAttentionRecurrentNetwork:
        """Return the encoder for these modalities."""
        features = sequences_only(modalities, "marn")
        return MultiAttentionRecurrentNetwork(
            features=features,
            hidden={
                name: value_for(name, self.hidden, "fusion_options.marn.hidden")
                for name in features
            },
            attentions=self.attentions,
            reduced=self.reduced,
            code=self.code,
            dropout=self.dropout,
        )
