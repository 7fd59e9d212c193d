"""Crossmodal Transformer (MulT; Tsai et al. 2019): every modality attends to every other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.dropout import Dropout
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.per_modality import Probability, Size
from mfm_pipeline.models.spec import ModalitySpec


class CrossmodalTransformer(Encoder):
    """For every ordered pair of modalities attention from one to the other, then to itself.

    Steps of each modality are brought to one width by a linear layer (a convolution over one
    step) and told their place by sines and cosines. A crossmodal block of target i and source
    j takes its queries from i, its keys and values from j. What i found in all others, side by
    side, goes through self-attention. The state is the mean of each modality's steps at the
    end, over those that it has; zero of one that is absent.

    Attention sees the steps that hold a frame, and no others. A source without any is passed
    over: what its block gives is zero.

    Parameters
    ----------
    features : mapping of str to int
        Features of each modality.
    width : int
        Of a step; a multiple of `heads`.
    heads, layers : int
        Of each block.
    dropout : float
    """

    def __init__(
        self, *, features: Mapping[str, int], width: int, heads: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.project = nn.ModuleDict(
            {name: nn.Linear(size, width) for name, size in features.items()}
        )
        self.cross = nn.ModuleDict(
            {
                target: nn.ModuleDict(
                    {
                        source: nn.ModuleList(
                            AttentionBlock(width=width, heads=heads, dropout=dropout)
                            for _ in range(layers)
                        )
                        for source in features
                        if source != target
                    }
                )
                for target in features
            }
        )
        wide = width * (len(features) - 1)
        self.itself = nn.ModuleDict(
            {
                name: nn.ModuleList(
                    AttentionBlock(width=wide, heads=heads, dropout=dropout) for _ in range(layers)
                )
                for name in features
            }
        )
        self.size = wide * len(features)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the means of all modalities, ``(n, size)``."""
        seen = {name: inputs.steps[name] & inputs.present[name][:, None] for name in self.project}
        steps = {}
        for name, project in self.project.items():
            values = project(inputs.values[name])
            steps[name] = values + positions(values)
        means = []
        for target, own in seen.items():
            sources = cast("nn.ModuleDict", self.cross[target])
            found = [
                _attend(blocks, steps[target], steps[source], seen[source])
                * seen[source].any(dim=1)[:, None, None]
                for source, blocks in sources.items()
            ]
            state = torch.cat(found, dim=2)
            state = _attend(self.itself[target], state, None, own)
            # A step that was not observed counts for nothing.
            count = own.sum(dim=1).clamp(min=1)[:, None]
            means.append(state.masked_fill(~own[:, :, None], 0).sum(dim=1) / count)
        return torch.cat(means, dim=1)


class AttentionBlock(nn.Module):
    """Attention and a dense layer, each behind a normalisation and added to what it reads.

    Parameters
    ----------
    width : int
    heads : int
    dropout : float
        Of what is added to what was read.
    """

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        # Without dropout of its own weights, torch computes it at once.
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.dropout = Dropout(dropout)
        self.dense = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, width),
            Dropout(dropout),
        )

    def forward(self, target: Tensor, source: Tensor | None, seen: Tensor) -> Tensor:
        """Return what steps of the target, ``(n, T, width)``, find in those of the source.

        Parameters
        ----------
        target : Tensor, shape (n, T, width)
        source : Tensor, shape (n, T, width), or None for the target itself
        seen : Tensor of bool, shape (n, T)
            Steps of the source that count; of a sample without any, whatever is found has to
            be left out.
        """
        query = self.norm(target)
        key = query if source is None else self.norm(source)
        # Softmax over nothing is no number: such a sample attends to all, and is left out.
        hidden = ~seen & seen.any(dim=1, keepdim=True)
        found, _ = self.attention(query, key, key, key_padding_mask=hidden, need_weights=False)
        state: Tensor = target + self.dropout(found)
        state = state + self.dense(state)
        return state


def positions(values: Tensor) -> Tensor:
    """Return sines and cosines that tell steps apart (Vaswani et al. 2017), ``(T, width)``."""
    _, steps, width = values.shape
    place = torch.arange(steps, device=values.device, dtype=values.dtype)[:, None]
    # Of one wave length after the other, a sine and a cosine.
    index = torch.arange(0, width, 2, device=values.device, dtype=values.dtype)
    angle = place * torch.exp(-math.log(10000.0) / width * index)
    both = torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
    return both[:, :width]


def _attend(blocks: nn.Module, target: Tensor, source: Tensor | None, seen: Tensor) -> Tensor:
    for block in cast("nn.ModuleList", blocks):
        target = block(target, source, seen)
    return target


class TransformerOptions(FusionOptions):
    """Options of the crossmodal Transformer."""

    width: Size = Field(default=32, description="Of a step.")
    heads: Size = Field(default=4, description="Of each attention.")
    layers: Size = Field(default=1, description="Of each block.")
    dropout: Probability = Field(default=0.1, description="Inside blocks.")

    def build(self, modalities: Mapping[str, ModalitySpec]) -> CrossmodalTransformer:
        """Return the encoder for these modalities."""
        features = sequences_only(modalities, "transformer")
        if len(features) < 2:
            raise ParameterError(
                f"parameter 'fusion' is 'transformer', which attends across modalities; found "
                f"{', '.join(features)} alone, expected two or more"
            )
        if self.width % self.heads:
            raise ParameterError(
                f"fusion_options.transformer.width is {self.width}; expected a multiple of "
                f"heads, {self.heads}"
            )
        return CrossmodalTransformer(
            features=features,
            width=self.width,
            heads=self.heads,
            layers=self.layers,
            dropout=self.dropout,
        )
