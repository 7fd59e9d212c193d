"""Tensor Fusion Network (TFN; Zadeh et al. 2017): the outer product of all modalities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.fusion.df import dense
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.modality import KINDS, EncoderPerModality
from mfm_pipeline.models.per_modality import (
    DEFAULT,
    Probability,
    Size,
    SizePerModality,
    value_for,
)
from mfm_pipeline.models.spec import ModalitySpec

LARGEST_TENSOR = 200_000
"""Entries of the outer product."""


class TensorFusionNetwork(Encoder):
    """An embedding a modality, each with a 1 behind it; their outer product through two layers.

    With z^i the embedding of modality i and [z^i, 1] one entry longer, the fusion tensor is
    the outer product of all [z^i, 1], so that it holds every product of entries of some
    modalities, and each by itself. The embedding of an absent modality is zero.

    Parameters
    ----------
    encoders : mapping of str to Encoder
        By modality.
    embedding : int
        Size of each z^i.
    layer : int
        Size of the two layers over the tensor.
    dropout : float
        Behind every layer.
    """

    def __init__(
        self, *, encoders: Mapping[str, Encoder], embedding: int, layer: int, dropout: float
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.embeddings = nn.ModuleDict(
            {
                name: nn.Sequential(
                    *dense(encoder.size, embedding, dropout),
                    *dense(embedding, embedding, dropout),
                )
                for name, encoder in encoders.items()
            }
        )
        self.layers = nn.Sequential(
            *dense((embedding + 1) ** len(encoders), layer, dropout), *dense(layer, layer, dropout)
        )
        self.size = layer

    def forward(self, inputs: Inputs) -> Tensor:
        """Return what the layers make of the tensor, ``(n, layer)``."""
        embedded = [
            self.embeddings[name](encoder(inputs)) * inputs.present[name][:, None]
            for name, encoder in self.encoders.items()
        ]
        state: Tensor = self.layers(outer_product(embedded))
        return state


def outer_product(embedded: Iterable[Tensor]) -> Tensor:
    """Return the outer product of vectors with a 1 behind each, flattened.

    Parameters
    ----------
    embedded : iterable of Tensor, shape (n, e)
        One a modality.

    Returns
    -------
    Tensor, shape (n, product of e + 1)
        The last modality varies fastest.
    """
    longer = [torch.cat([one, one.new_ones(len(one), 1)], dim=1) for one in embedded]
    tensor = longer[0]
    for one in longer[1:]:
        tensor = (tensor[:, :, None] * one[:, None]).flatten(1)
    return tensor


class TensorFusionOptions(FusionOptions):
    """Options of the Tensor Fusion Network."""

    encoder: EncoderPerModality | None = Field(
        default=None,
        description="What embeds each modality; by default, as published, lstm the one called "
        "language, and statistics (there their means) the others.",
    )
    hidden: SizePerModality = Field(
        default={DEFAULT: 64}, description="Size of each encoder's state."
    )
    embedding: Size = Field(default=16, description="Size of each modality's embedding.")
    layer: Size = Field(default=64, description="Size of the layers over the tensor.")
    dropout: Probability = Field(default=0.0, description="Dropout behind every layer.")

    def build(self, modalities: Mapping[str, ModalitySpec]) -> TensorFusionNetwork:
        """Return the encoder for these modalities."""
        features = sequences_only(modalities, "tfn")
        entries = (self.embedding + 1) ** len(features)
        if entries > LARGEST_TENSOR:
            raise ParameterError(
                f"fusion_options.tfn.embedding is {self.embedding}, which makes a tensor of "
                f"{entries:,} entries of {len(features)} modalities; expected {LARGEST_TENSOR:,} "
                "at most"
            )
        where = "fusion_options.tfn"
        return TensorFusionNetwork(
            encoders={
                name: KINDS["sequence"].encoder(
                    self._encoder(name, f"{where}.encoder"),
                    modality=name,
                    shape=(size,),
                    hidden=value_for(name, self.hidden, f"{where}.hidden"),
                )
                for name, size in features.items()
            },
            embedding=self.embedding,
            layer=self.layer,
            dropout=self.dropout,
        )

    def _encoder(self, modality: str, parameter: str) -> str:
        if self.encoder is None:
            return "lstm" if modality == "language" else "statistics"
        return value_for(modality, self.encoder, parameter)
