"""Late fusion (Section 2.4): each modality through an encoder of its own, then side by side."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.modality import KINDS, EncoderPerModality, encoder_name
from mfm_pipeline.models.per_modality import (
    DEFAULT,
    Probability,
    Size,
    SizePerModality,
    SizesPerModality,
    value_for,
)
from mfm_pipeline.models.spec import ModalitySpec


class LateFusion(Encoder):
    """The states of one encoder a modality and which modalities are there, side by side.

    Parameters
    ----------
    encoders : mapping of str to Encoder
        By modality, of any kind. The state of an absent modality is zero.
    layer : Module, optional
        What they pass through; its output has `layer_size` features.
    layer_size : int, optional
    modality_dropout : float
        Probability that a modality is taken for absent in training, of samples that
        have another; so Zy learns to do with what is there.
    """

    def __init__(
        self,
        *,
        encoders: Mapping[str, Encoder],
        layer: nn.Module | None = None,
        layer_size: int | None = None,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.modality_dropout = modality_dropout
        self.encoders = nn.ModuleDict(encoders)
        self.layer = nn.Identity() if layer is None else layer
        self.size = fused_size(encoders) if layer_size is None else layer_size

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the fused state, ``(n, size)``."""
        states = [encoder(inputs) for encoder in self.encoders.values()]
        present = torch.stack([inputs.present[name] for name in self.encoders], dim=1)
        if self.training and self.modality_dropout:
            present = self._some_of(present)
            states = [
                torch.where(seen[:, None], state, 0)
                for state, seen in zip(states, present.T, strict=True)
            ]
        state: Tensor = self.layer(torch.cat([*states, present.to(states[0].dtype)], dim=1))
        return state

    def _some_of(self, present: Tensor) -> Tensor:
        """Return presence, ``(n, M)``, less what is dropped; no sample loses all it has."""
        kept = present & (torch.rand_like(present, dtype=torch.float32) >= self.modality_dropout)
        return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def fused_size(encoders: Mapping[str, Encoder]) -> int:
    """Return the size of the states of several encoders and their presence."""
    return sum(encoder.size + 1 for encoder in encoders.values())


class LateFusionOptions(FusionOptions):
    """Options of late fusion."""

    encoder: EncoderPerModality | None = Field(
        default=None, description="Encoder of each modality; by default the first of its kind."
    )
    hidden: SizePerModality = Field(
        default={DEFAULT: 128}, description="Size of each encoder's state."
    )
    channels: SizesPerModality = Field(
        default={DEFAULT: (32, 64)}, description="Channels of each image's convolutions."
    )
    layer: Size | None = Field(
        default=None, description="Size of a hidden layer over all states; none by default."
    )
    dropout: Probability = Field(default=0.0, description="Dropout on what is fused.")
    modality_dropout: Probability = Field(
        default=0.0,
        description="Probability that a modality is taken for absent in training, of samples "
        "that have another.",
    )

    def build(self, modalities: Mapping[str, ModalitySpec]) -> LateFusion:
        """Return the encoder for these modalities."""
        where = "fusion_options.late_fusion"
        encoders: dict[str, Encoder] = {}
        for name, spec in modalities.items():
            encoders[name] = KINDS[spec.kind].encoder(
                encoder_name(name, spec.kind, self.encoder, f"{where}.encoder"),
                modality=name,
                shape=spec.shape,
                hidden=value_for(name, self.hidden, f"{where}.hidden"),
                channels=value_for(name, self.channels, f"{where}.channels"),
            )
        layer: nn.Module = nn.Dropout(self.dropout)
        if self.layer is not None:
            layer = nn.Sequential(nn.Linear(fused_size(encoders), self.layer), nn.ReLU(), layer)
        return LateFusion(
            encoders=encoders,
            layer=layer,
            layer_size=self.layer,
            modality_dropout=self.modality_dropout,
        )
