"""EF-LSTM: early fusion, one LSTM, stacked or of two directions, over all modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.per_modality import Size
from mfm_pipeline.models.pooling import last_state
from mfm_pipeline.models.recurrent.lstm import LSTM
from mfm_pipeline.models.recurrent.lstm_states import lstm_states
from mfm_pipeline.models.spec import ModalitySpec


class EarlyFusionLSTM(Encoder):
    """One LSTM over the features of all modalities side by side.

    The state is its hidden state after each sample's own last step. An absent
    modality enters as zeros.

    Parameters
    ----------
    features : mapping of str to int
        Features of each modality.
    hidden : int
        Size of the LSTM.
    """

    def __init__(self, *, features: Mapping[str, int], hidden: int) -> None:
        super().__init__()
        self.modalities = tuple(features)
        self.lstm = LSTM(features=sum(features.values()), size=hidden)
        self.size = hidden

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the last hidden states, ``(n, hidden)``."""
        values = torch.cat([inputs.values[name] for name in self.modalities], dim=2)
        hidden, _ = self.lstm(values)
        return last_state(hidden, inputs.lengths, inputs.lengths > 0)


class DeepEarlyFusionLSTM(Encoder):
    """Several LSTMs on top of each other, or in both directions (EF-SLSTM, EF-BLSTM, EF-SBLSTM).

    The state is that of the last layer: its hidden state after each sample's own last step,
    and of the backward direction (Schuster and Paliwal 1997) that at the first.

    Parameters
    ----------
    features : mapping of str to int
        Features of each modality.
    hidden : int
        Size of each LSTM.
    layers : int
    bidirectional : bool
    """

    def __init__(
        self, *, features: Mapping[str, int], hidden: int, layers: int, bidirectional: bool
    ) -> None:
        super().__init__()
        self.modalities = tuple(features)
        directions = 2 if bidirectional else 1
        self.size = directions * hidden
        sizes = [sum(features.values()), *[self.size] * (layers - 1)]
        self.layers = nn.ModuleList(
            nn.ModuleList(LSTM(features=size, size=hidden) for _ in range(directions))
            for size in sizes
        )

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the last layer's states, ``(n, size)``."""
        values = torch.cat([inputs.values[name] for name in self.modalities], dim=2)
        values = values.transpose(0, 1)
        for layer in self.layers:
            lstms = cast("list[LSTM]", layer)
            # One loop runs both directions.
            ways = [values, _backwards(values, inputs.lengths)][: len(lstms)]
            runs = [lstm.run(way.transpose(0, 1)) for lstm, way in zip(lstms, ways, strict=True)]
            hidden = [states.hidden for states in lstm_states(runs, steps=len(values))]
            ahead = [hidden[0], *(_backwards(back, inputs.lengths) for back in hidden[1:])]
            values = torch.cat(ahead, dim=2)
        some = inputs.lengths > 0
        return torch.cat([last_state(states, inputs.lengths, some) for states in hidden], dim=1)


def _backwards(values: Tensor, lengths: Tensor) -> Tensor:
    """Return ``(T, n, d)`` values from each sample's own last step to its first.

    What comes behind the first is of no meaning, as what comes behind the last.
    """
    step = torch.arange(len(values), device=values.device)[:, None]
    rows = torch.arange(values.shape[1], device=values.device)
    return values[(lengths - 1 - step).clamp(min=0), rows]


class EarlyFusionLSTMOptions(FusionOptions):
    """Options of the early-fusion LSTM."""

    hidden: Size = Field(default=128, description="Size of the LSTM.")
    layers: Size = Field(default=1, description="LSTMs on top of each other.")
    bidirectional: bool = Field(default=False, description="One more from the last step back.")

    def build(self, modalities: Mapping[str, ModalitySpec]) -> Encoder:
        """Return the encoder for these modalities."""
        features = sequences_only(modalities, "ef_lstm")
        if self.layers == 1 and not self.bidirectional:
            return EarlyFusionLSTM(features=features, hidden=self.hidden)
        return DeepEarlyFusionLSTM(
            features=features,
            hidden=self.hidden,
            layers=self.layers,
            bidirectional=self.bidirectional,
        )
