"""Crossmodal Transformer (MulT; Tsai et al. 2019): every modality attends to every other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.dropout import Dropout
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.grouped import GroupedLinear
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
        count = len(features)
        # One target after the other, each with all other modalities as sources.
        pairs = [pair for pair in product(range(count), repeat=2) if pair[0] != pair[1]]
        self.targets, self.sources = (list(side) for side in zip(*pairs, strict=True))
        wide = width * (count - 1)
        self.cross = nn.ModuleList(
            AttentionBlocks(count=len(pairs), width=width, heads=heads, dropout=dropout)
            for _ in range(layers)
        )
        self.itself = nn.ModuleList(
            AttentionBlocks(count=count, width=wide, heads=heads, dropout=dropout)
            for _ in range(layers)
        )
        self.size = wide * count

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the means of all modalities, ``(n, size)``."""
        seen = torch.stack(
            [inputs.steps[name] & inputs.present[name][:, None] for name in self.project]
        )
        values = torch.stack(
            [project(inputs.values[name]) for name, project in self.project.items()]
        )
        steps = values + positions(values)
        n, length, width = steps.shape[1:]
        state, source = steps[self.targets], steps[self.sources]
        at = seen[self.sources]
        for blocks in self.cross:
            state = blocks(state, source, at)
        found = state * at.any(dim=2)[:, :, None, None]
        # What a target found in all its sources, side by side.
        state = found.view(len(seen), -1, n, length, width).permute(0, 2, 3, 1, 4).flatten(3)
        for blocks in self.itself:
            state = blocks(state, None, seen)
        # A step that was not observed counts for nothing.
        total = state.masked_fill(~seen[:, :, :, None], 0).sum(dim=2)
        means: Tensor = total / seen.sum(dim=2).clamp(min=1)[:, :, None]
        return means.transpose(0, 1).flatten(1)


class AttentionBlocks(nn.Module):
    """Attention and a dense layer, each behind a normalisation and added to what it reads.

    Several blocks of one size side by side, each with weights of its own: small as they are,
    one product for all of them costs little more than one for each.

    Parameters
    ----------
    count : int
        Of blocks.
    width : int
        Of a step.
    heads : int
        Of the attention of each block.
    dropout : float
        Of what is added to what was read.
    """

    def __init__(self, *, count: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norms(count, width)
        self.query = GroupedLinear(count * width, count * width, count)
        self.key_value = GroupedLinear(count * width, 2 * count * width, count)
        self.output = GroupedLinear(count * width, count * width, count)
        self.dense_norm = Norms(count, width)
        self.inner = GroupedLinear(count * width, 2 * count * width, count)
        self.outer = GroupedLinear(2 * count * width, count * width, count)
        self.dropout = Dropout(dropout)

    def forward(self, target: Tensor, source: Tensor | None, seen: Tensor) -> Tensor:
        """Return what steps of each target find in those of its source.

        Parameters
        ----------
        target : Tensor, shape (count, n, T, width)
        source : Tensor, shape (count, n, T, width), or None for the target itself
        seen : Tensor of bool, shape (count, n, T)
            Steps of the source that count; of a sample without any, whatever is found has to
            be left out.

        Returns
        -------
        Tensor, shape (count, n, T, width)
        """
        query = self.norm(target)
        key_value = query if source is None else self.norm(source)
        key, value = _each(self.key_value, key_value).chunk(2, dim=3)
        # Softmax over nothing is no number: such a sample attends to all, and is left out.
        attended = seen | ~seen.any(dim=2, keepdim=True)
        found = functional.scaled_dot_product_attention(
            self._by_head(_each(self.query, query)),
            self._by_head(key),
            self._by_head(value),
            attn_mask=attended.flatten(0, 1)[:, None, None],
        )
        found = found.transpose(1, 2).reshape(target.shape)
        state: Tensor = target + self.dropout(_each(self.output, found))
        inner = _each(self.inner, self.dense_norm(state)).relu()
        state = state + self.dropout(_each(self.outer, inner))
        return state

    def _by_head(self, values: Tensor) -> Tensor:
        """Return ``(count n, heads, T, width / heads)``."""
        steps, width = values.shape[2:]
        return values.reshape(-1, steps, self.heads, width // self.heads).transpose(1, 2)


class Norms(nn.Module):
    """Layer normalisation, of several blocks side by side.

    Parameters
    ----------
    count, width : int
    """

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(count, 1, 1, width))
        self.bias = nn.Parameter(torch.zeros(count, 1, 1, width))

    def forward(self, values: Tensor) -> Tensor:
        """Normalise each step of ``(count, n, T, width)``."""
        normalised = functional.layer_norm(values, values.shape[-1:])
        return torch.addcmul(self.bias, normalised, self.weight)


def _each(linear: GroupedLinear, values: Tensor) -> Tensor:
    """Map each step of ``(count, n, T, width)``."""
    count, n, steps, _ = values.shape
    return linear.each(values.flatten(1, 2)).view(count, n, steps, -1)


def positions(values: Tensor) -> Tensor:
    """Return sines and cosines that tell steps apart (Vaswani et al. 2017), ``(T, width)``."""
    steps, width = values.shape[-2:]
    place = torch.arange(steps, device=values.device, dtype=values.dtype)[:, None]
    # Of one wave length after the other, a sine and a cosine.
    index = torch.arange(0, width, 2, device=values.device, dtype=values.dtype)
    angle = place * torch.exp(-math.log(10000.0) / width * index)
    both = torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
    return both[:, :width]


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
