"""EF-LSTM: early fusion, one LSTM, stacked or of two directions, over all modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.per_modality import Size
from mfm_pipeline.models.pooling import last_state
from mfm_pipeline.models.recurrent.lstm import LSTM
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
        self.directions = 2 if bidirectional else 1
        self.lstm = nn.LSTM(
            sum(features.values()), hidden, layers, batch_first=True, bidirectional=bidirectional
        )
        self.size = self.directions * hidden

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the last layer's states, ``(n, size)``."""
        values = torch.cat([inputs.values[name] for name in self.modalities], dim=2)
        # A sequence has a step at least; that of an empty one is taken away again.
        lengths = inputs.lengths.clamp(min=1).cpu()
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        state = torch.cat(list(last[-self.directions :]), dim=1)
        return state.masked_fill((inputs.lengths == 0)[:, None], 0)


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
