"""EF-LSTM: early fusion, one LSTM over the concatenated modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

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


class EarlyFusionLSTMOptions(FusionOptions):
    """Options of the early-fusion LSTM."""

    hidden: Size = Field(default=128, description="Size of the LSTM.")

    def build(self, modalities: Mapping[str, ModalitySpec]) -> EarlyFusionLSTM:
        """Return the encoder for these modalities."""
        return EarlyFusionLSTM(features=sequences_only(modalities, "ef_lstm"), hidden=self.hidden)
