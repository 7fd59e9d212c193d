"""Statistics of every modality over its observed steps, for small corpora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.fusion.ef_lstm import EarlyFusionLSTM
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.per_modality import Probability, Size
from mfm_pipeline.models.pooling import statistics_size
from mfm_pipeline.models.spec import ModalitySpec
from mfm_pipeline.models.statistics import Statistics


class StatisticsFusion(Encoder):
    """Mean and spread over observed steps, step count and presence, side by side.

    Parameters
    ----------
    features : mapping of str to int
        Features of each modality.
    layer : Module, optional
        What the statistics pass through; its output has `layer_size` features.
    layer_size : int, optional
    recurrent : Encoder, optional
        A recurrent encoder whose state is set beside the statistics.
    """

    def __init__(
        self,
        *,
        features: Mapping[str, int],
        layer: nn.Module | None = None,
        layer_size: int | None = None,
        recurrent: Encoder | None = None,
    ) -> None:
        super().__init__()
        self.statistics = nn.ModuleDict(
            {name: Statistics(modality=name, features=size) for name, size in features.items()}
        )
        self.layer = nn.Identity() if layer is None else layer
        self.recurrent = recurrent
        pooled = sum(statistics_size(size) for size in features.values())
        self.size = pooled if layer_size is None else layer_size
        if recurrent is not None:
            self.size += recurrent.size

    def forward(self, inputs: Inputs) -> Tensor:
        """Return statistics, and the recurrent state if there is one, ``(n, size)``."""
        pooled = torch.cat([part(inputs) for part in self.statistics.values()], dim=1)
        state: Tensor = self.layer(pooled)
        if self.recurrent is None:
            return state
        return torch.cat([state, self.recurrent(inputs)], dim=1)


class StatisticsOptions(FusionOptions):
    """Options of the fusion by statistics."""

    hidden: Size | None = Field(
        default=None, description="Size of a hidden layer over the statistics; none by default."
    )
    dropout: Probability = Field(default=0.0, description="Dropout on the statistics' layer.")
    recurrent: Literal["none", "ef_lstm"] = Field(
        default="none", description="Recurrent encoder beside the statistics."
    )
    recurrent_hidden: Size = Field(default=64, description="Size of that recurrent encoder.")

    def build(self, modalities: Mapping[str, ModalitySpec]) -> StatisticsFusion:
        """Return the encoder for these modalities."""
        features = sequences_only(modalities, "statistics")
        pooled = sum(statistics_size(size) for size in features.values())
        layer: nn.Module = nn.Dropout(self.dropout)
        if self.hidden is not None:
            layer = nn.Sequential(nn.Linear(pooled, self.hidden), nn.ReLU(), layer)
        recurrent = None
        if self.recurrent == "ef_lstm":
            recurrent = EarlyFusionLSTM(features=features, hidden=self.recurrent_hidden)
        return StatisticsFusion(
            features=features, layer=layer, layer_size=self.hidden, recurrent=recurrent
        )
