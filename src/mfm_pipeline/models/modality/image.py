"""Images: a convolutional encoder Q(Zai | Xi) and its mirror as decoder Fi."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.modality.base import Decoder, ModalityKind

KERNEL, STRIDE, PADDING = 4, 2, 1
"""Of every convolution: each halves the sides of the image, rounding down."""

SLOPE = 0.2
"""Of the leaky ReLU after each layer: none of its units can die."""


class ConvolutionalEncoder(Encoder):
    """Convolutions of stride 2 with batch normalisation, and one dense layer.

    As in DCGAN (Radford et al., 2016). The state of a sample without the image is
    zero, and it counts in no batch's statistics.

    Parameters
    ----------
    modality : str
        Name of the modality that is read.
    shape : (int, int, int)
        Channels C, height H and width W of an image.
    hidden : int
        Size of the dense layer.
    channels : sequence of int
        Output channels of each convolution.

    Raises
    ------
    ParameterError
        If the image is too small for so many convolutions.
    """

    def __init__(
        self, *, modality: str, shape: tuple[int, ...], hidden: int, channels: Sequence[int]
    ) -> None:
        super().__init__()
        self.modality = modality
        sides = _sides(shape, len(channels), modality)
        layers: list[nn.Module] = []
        for inner, outer in pairwise([shape[0], *channels]):
            layers += [
                nn.Conv2d(inner, outer, KERNEL, STRIDE, PADDING),
                nn.BatchNorm2d(outer),
                nn.LeakyReLU(SLOPE),
            ]
        height, width = sides[-1]
        features = [shape[0], *channels][-1] * height * width
        self.network = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(features, hidden), nn.LeakyReLU(SLOPE)
        )
        self.size = hidden

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the state of every sample, ``(n, hidden)``."""
        images, present = inputs.values[self.modality], inputs.present[self.modality]
        if present.all():
            state: Tensor = self.network(images)
            return state
        state = images.new_zeros(len(images), self.size)
        if present.any():
            state[present] = self.network(images[present]).to(state.dtype)
        return state


class ConvolutionalDecoder(Decoder):
    """From [Fy, Fai] to an image: a dense layer and normalised transposed convolutions.

    In training mode a sample without the image counts in no batch's statistics.

    Parameters
    ----------
    factors : int
        Size of [Fy, Fai].
    shape : (int, int, int)
        Channels C, height H and width W of an image.
    hidden : int, optional
        Size of a dense layer before; none without.
    channels : sequence of int
        Those of the encoder, which is mirrored.
    modality : str
        Its name, for messages.

    Raises
    ------
    ParameterError
        If the image is too small for so many convolutions.
    """

    def __init__(
        self,
        *,
        factors: int,
        shape: tuple[int, ...],
        hidden: int | None,
        channels: Sequence[int],
        modality: str,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        sides = _sides(shape, len(channels), modality)
        entry: list[nn.Module] = []
        if hidden is not None:
            entry = [nn.Linear(factors, hidden), nn.LeakyReLU(SLOPE)]
        widths = [shape[0], *channels]
        inner = (widths[-1], *sides[-1])
        size = inner[0] * inner[1] * inner[2]
        layers: list[nn.Module] = []
        for depth in range(len(channels), 0, -1):
            # What halving rounded away comes back as padding.
            (height, width), (half_height, half_width) = sides[depth - 1], sides[depth]
            lost = (height - STRIDE * half_height, width - STRIDE * half_width)
            layers += [
                nn.BatchNorm2d(widths[depth]),
                nn.LeakyReLU(SLOPE),
                nn.ConvTranspose2d(
                    widths[depth], widths[depth - 1], KERNEL, STRIDE, PADDING, output_padding=lost
                ),
            ]
        self.network = nn.Sequential(
            *entry,
            nn.Linear(hidden or factors, size),
            nn.Unflatten(1, inner),
            *layers,
            nn.Sigmoid(),
        )

    def forward(self, discriminative: Tensor, generative: Tensor, steps: int) -> Tensor:
        """Generate the image, ``(n, C, H, W)`` from 0 to 1; `steps` means nothing here."""
        image: Tensor = self.network(torch.cat([discriminative, generative], dim=-1))
        return image

    @classmethod
    def together(
        cls,
        decoders: Mapping[str, Self],
        discriminative: Tensor,
        generative: Mapping[str, Tensor],
        steps: int,
        present: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Generate the images of each modality, in training those of `present` samples alone."""
        images = {}
        for name, decoder in decoders.items():
            factor, here = generative[name], present.get(name)
            if here is None or not decoder.training or here.all():
                images[name] = decoder(discriminative, factor, steps)
                continue
            images[name] = discriminative.new_zeros(len(factor), *decoder.shape)
            if here.any():
                made = decoder(discriminative[here], factor[here], steps)
                images[name][here] = made.to(images[name].dtype)
        return images

    def entry_weight(self) -> Tensor | None:
        """Return the weight of the first dense layer."""
        first = self.network[0]
        return first.weight if isinstance(first, nn.Linear) else None


class ImageKind(ModalityKind):
    """Images ``(n, C, H, W)``, of any size and number of channels."""

    encoders = ("convolution",)

    def encoder(
        self,
        name: str,
        *,
        modality: str,
        shape: tuple[int, ...],
        hidden: int,
        channels: Sequence[int] = (),
    ) -> Encoder:
        """Return the convolutional encoder."""
        self.check_encoder(name, modality)
        return ConvolutionalEncoder(
            modality=modality, shape=shape, hidden=hidden, channels=channels
        )

    def decoder(
        self,
        *,
        modality: str,
        factors: int,
        shape: tuple[int, ...],
        hidden: int | None = None,
        channels: Sequence[int] = (),
    ) -> Decoder:
        """Return the decoder that mirrors the encoder of the same channels."""
        return ConvolutionalDecoder(
            factors=factors, shape=shape, hidden=hidden, channels=channels, modality=modality
        )


def _sides(shape: tuple[int, ...], depth: int, modality: str) -> list[tuple[int, int]]:
    """Return height and width of the image, and after each convolution."""
    _, height, width = shape
    # More than one pixel has to be left: of a single image, one has no variance.
    fit = 0
    while min(height >> fit + 1, width >> fit + 1) > 0 and max(height, width) >> fit + 1 > 1:
        fit += 1
    if depth > fit:
        raise ParameterError(
            f"channels asks for {depth} convolutions for modality '{modality}', of "
            f"{height} x {width} pixels; expected at most {fit}, each of which halves them"
        )
    return [(height >> level, width >> level) for level in range(depth + 1)]
