"""Deep Fusion (DF; Nojavanasghari et al. 2016): a network a modality, then one over all."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.per_modality import Probability, Size
from mfm_pipeline.models.pooling import statistics_size
from mfm_pipeline.models.spec import ModalitySpec
from mfm_pipeline.models.statistics import Statistics


class DeepFusion(Encoder):
    """Two dense layers a modality over its statistics; their outputs, side by side, through one.

    The output of an absent modality is zero.

    Parameters
    ----------
    features : mapping of str to int
        Features of each modality.
    hidden : int
        Size of each modality's layers.
    fused : int
        Size of the layer over all of them.
    dropout : float
        Behind every layer.
    """

    def __init__(
        self, *, features: Mapping[str, int], hidden: int, fused: int, dropout: float
    ) -> None:
        super().__init__()
        self.statistics = nn.ModuleDict(
            {name: Statistics(modality=name, features=size) for name, size in features.items()}
        )
        self.networks = nn.ModuleDict(
            {
                name: nn.Sequential(
                    *dense(statistics_size(size), hidden, dropout), *dense(hidden, hidden, dropout)
                )
                for name, size in features.items()
            }
        )
        self.fusion = nn.Sequential(*dense(len(features) * hidden, fused, dropout))
        self.size = fused

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the fused state, ``(n, fused)``."""
        outputs = [
            network(self.statistics[name](inputs)) * inputs.present[name][:, None]
            for name, network in self.networks.items()
        ]
        state: Tensor = self.fusion(torch.cat(outputs, dim=1))
        return state


def dense(inputs: int, outputs: int, dropout: float) -> tuple[nn.Module, ...]:
    """Return a linear layer, ReLU and dropout."""
    return nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)


class DeepFusionOptions(FusionOptions):
    """Options of Deep Fusion."""

    hidden: Size = Field(default=64, description="Size of each modality's layers.")
    fused: Size = Field(default=64, description="Size of the layer over all modalities.")
    dropout: Probability = Field(default=0.0, description="Dropout behind every layer.")

    def build(self, modalities: Mapping[str, ModalitySpec]) -> DeepFusion:
        """Return the encoder for these modalities."""
        return DeepFusion(
            features=sequences_only(modalities, "df"),
            hidden=self.hidden,
            fused=self.fused,
            dropout=self.dropout,
        )
