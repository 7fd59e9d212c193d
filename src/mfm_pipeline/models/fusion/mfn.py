"""Memory Fusion Network (MFN; Zadeh et al. 2018), the paper's Q(Zy | X1:M)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from mfm_pipeline.models.dropout import Dropout, dropout_mask
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.per_modality import (
    DEFAULT,
    Probability,
    Size,
    SizePerModality,
    value_for,
)
from mfm_pipeline.models.pooling import last_state
from mfm_pipeline.models.recurrent.lstm import LSTM
from mfm_pipeline.models.recurrent.lstm_states import lstm_states
from mfm_pipeline.models.recurrent.memory_states import memory_states
from mfm_pipeline.models.spec import ModalitySpec
from mfm_pipeline.options import Options


class MemoryFusionNetwork(Encoder):
    """LSTMs over their own modality, attention over their cells, gated memory.

    With c_t the cell states of all modalities side by side and W the window,

    - attended: a_t = softmax(A1(w_t)) * w_t, w_t = [c_{t-W+1}, ..., c_t],
      zeros before the first step;
    - proposal: p_t = tanh(A2(a_t));
    - gates: g1, g2 = sigmoid(G1([a_t, m_{t-1}])), sigmoid(G2([a_t, m_{t-1}]));
    - memory: m_t = g1 * m_{t-1} + g2 * p_t, from zero.

    Only the gates depend on the memory: everything else is computed for all
    steps at once. The state is the last hidden state of every LSTM and the
    memory, each after the sample's own last step. States of an absent
    modality are zero.

    Parameters
    ----------
    lstms : mapping of str to LSTM
        One LSTM a modality, named by it.
    attention : Perceptron
        A1, from the window to as many scores.
    proposal : Perceptron
        A2, from the window to the memory's size.
    gates : GatedMemory
        G1 and G2.
    window : int
        Steps that are attended over at once.
    """

    def __init__(
        self,
        *,
        lstms: Mapping[str, LSTM],
        attention: Perceptron,
        proposal: Perceptron,
        gates: GatedMemory,
        window: int = 2,
    ) -> None:
        super().__init__()
        self.lstms = nn.ModuleDict(lstms)
        self.attention = attention
        self.proposal = proposal
        self.gates = gates
        self.window = window
        self.size = sum(lstm.size for lstm in lstms.values()) + gates.size

    def forward(self, inputs: Inputs) -> Tensor:
        """Return last hidden states and memory, ``(n, size)``."""
        lstms = cast("Mapping[str, LSTM]", self.lstms)
        runs = [lstm.run(inputs.values[name]) for name, lstm in lstms.items()]
        states_of = lstm_states(runs, steps=len(runs[0].inputs))
        last, cells = [], []
        for name, (hidden, cell) in zip(self.lstms, states_of, strict=True):
            present = inputs.present[name]
            last.append(last_state(hidden, inputs.lengths, present))
            cells.append(cell * present.to(cell.dtype)[:, None])
        states = self._windows(torch.cat(cells, dim=2))
        attended = torch.softmax(self.attention(states), dim=2) * states
        memories = self.gates(attended, torch.tanh(self.proposal(attended)))
        last.append(last_state(memories, inputs.lengths, inputs.lengths > 0))
        return torch.cat(last, dim=1)

    def _windows(self, cells: Tensor) -> Tensor:
        """Set each step's ``(T, n, c)`` cells behind those of the steps before it."""
        steps = len(cells)
        padded = functional.pad(cells, (0, 0, 0, 0, self.window - 1, 0))
        return torch.cat([padded[k : k + steps] for k in range(self.window)], dim=2)


class Perceptron(nn.Sequential):
    """One hidden layer: linear, ReLU, dropout, linear."""

    def __init__(self, *, inputs: int, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(inputs, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, outputs)
        )


class GatedMemory(nn.Module):
    """The memory and its two gates, each one hidden layer over [attended, memory].

    Both gates lie side by side in every parameter, the retaining one first, so
    that one product serves both. What does not depend on the memory is
    computed for all steps at once.

    Parameters
    ----------
    attended : int
        Size of the attended states.
    size : int
        Size of the memory.
    hidden : int
        Hidden layer of each gate.
    dropout : float
        Dropout on the hidden layers.
    """

    def __init__(self, *, attended: int, size: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attended_weight = nn.Parameter(torch.empty(2 * hidden, attended))
        self.memory_weight = nn.Parameter(torch.empty(2 * hidden, size))
        self.hidden_bias = nn.Parameter(torch.empty(2 * hidden))
        self.gate_weight = nn.Parameter(torch.empty(2, size, hidden))
        self.gate_bias = nn.Parameter(torch.empty(2, size))
        self.dropout = dropout
        self.size = size
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as `torch.nn.Linear` does for each gate's layers."""
        inputs = self.attended_weight.shape[1] + self.size
        for parameter in (self.attended_weight, self.memory_weight, self.hidden_bias):
            nn.init.uniform_(parameter, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))
        hidden = self.gate_weight.shape[2]
        for parameter in (self.gate_weight, self.gate_bias):
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))

    def forward(self, attended: Tensor, proposal: Tensor) -> Tensor:
        """Run the memory over all steps.

        Parameters
        ----------
        attended : Tensor, shape (T, n, a)
        proposal : Tensor, shape (T, n, m)

        Returns
        -------
        Tensor, shape (T, n, m)
            The memory after every step.
        """
        drive = functional.linear(attended, self.attended_weight, self.hidden_bias)
        masked = self.training and self.dropout > 0
        return memory_states(
            drive,
            proposal,
            self.memory_weight,
            self.gate_weight,
            self.gate_bias,
            dropout_mask(drive, self.dropout) if masked else None,
        )


class PerceptronOptions(Options):
    """Options of one hidden layer inside MFN."""

    hidden: Size = Field(default=128, description="Size of the hidden layer.")
    dropout: Probability = Field(default=0.5, description="Dropout on the hidden layer.")


class MemoryFusionOptions(FusionOptions):
    """Options of the Memory Fusion Network."""

    hidden: SizePerModality = Field(
        default={DEFAULT: 64}, description="Size of each modality's LSTM."
    )
    memory: Size = Field(default=64, description="Size of the memory.")
    window: Size = Field(default=2, description="Steps that are attended over at once.")
    attention: PerceptronOptions = Field(
        default=PerceptronOptions(), description="Hidden layer of the attention scores."
    )
    proposal: PerceptronOptions = Field(
        default=PerceptronOptions(), description="Hidden layer of what is offered to the memory."
    )
    gates: PerceptronOptions = Field(
        default=PerceptronOptions(), description="Hidden layer of each of the two gates."
    )

    def build(self, modalities: Mapping[str, ModalitySpec]) -> MemoryFusionNetwork:
        """Return the encoder for these modalities."""
        features = sequences_only(modalities, "mfn")
        hidden = {
            name: value_for(name, self.hidden, "fusion_options.mfn.hidden") for name in features
        }
        attended = self.window * sum(hidden.values())
        return MemoryFusionNetwork(
            lstms={name: LSTM(features=size, size=hidden[name]) for name, size in features.items()},
            attention=Perceptron(
                inputs=attended,
                hidden=self.attention.hidden,
                outputs=attended,
                dropout=self.attention.dropout,
            ),
            proposal=Perceptron(
                inputs=attended,
                hidden=self.proposal.hidden,
                outputs=self.memory,
                dropout=self.proposal.dropout,
            ),
            gates=GatedMemory(
                attended=attended,
                size=self.memory,
                hidden=self.gates.hidden,
                dropout=self.gates.dropout,
            ),
            window=self.window,
        )
