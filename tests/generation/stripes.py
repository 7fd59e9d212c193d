"""An MFM on images whose every part is known: bars tell the class, two corners the style.

An image is one bright row of three, and below it two pixels of any brightness.
Encoders read these off and decoders paint them, so that what is generated follows
from the latents by hand.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.factors import Head
from mfm_pipeline.models.latents import PointLatent
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.models.modality import Decoder

CLASSES = 3
#: Channels of each modality's images.
CHANNELS = {"grey": 1, "colour": 3}


Corners = Callable[[Tensor, Tensor], Tensor]
"""From Zy and Zai to the brightness of the corners, ``(n, 2)``."""


def plain(zy: Tensor, zai: Tensor) -> Tensor:
    return zai


def black(zy: Tensor, zai: Tensor) -> Tensor:
    return torch.zeros_like(zai)


def lit_by_label(zy: Tensor, zai: Tensor) -> Tensor:
    """Brighter from class to class, whatever the style."""
    return 0.3 * zai + 0.3 * zy.argmax(dim=1, keepdim=True)


def reversed_by_label(zy: Tensor, zai: Tensor) -> Tensor:
    """Of the first class, dark where the style is bright."""
    return torch.where(zy.argmax(dim=1, keepdim=True) == 0, 1 - zai, zai)


class Paint(Decoder):
    """Paint a bar as bright as each entry of Zy, and Zai into the corners below."""

    def __init__(self, channels: int, *, labels: bool = True, corners: Corners = plain) -> None:
        super().__init__()
        self.channels, self.labels, self.corners = channels, labels, corners

    def forward(self, discriminative: Tensor, generative: Tensor, steps: int) -> Tensor:
        image = discriminative.new_zeros(len(discriminative), self.channels, CLASSES + 1, 4)
        if self.labels:
            image[:, :, :CLASSES] = discriminative[:, None, :, None]
        corners = self.corners(discriminative, generative)
        image[:, :, CLASSES, 0] = corners[:, :1]
        image[:, :, CLASSES, 3] = corners[:, 1:]
        return image


class ReadStyle(Encoder):
    size = 2

    def __init__(self, modality: str) -> None:
        super().__init__()
        self.modality = modality

    def forward(self, inputs: Inputs) -> Tensor:
        return inputs.values[self.modality][:, 0, CLASSES, ::3]


class ReadLabel(Encoder):
    """The mean brightness of each bar, over the modalities that are there."""

    size = CLASSES

    def forward(self, inputs: Inputs) -> Tensor:
        bars = [v[:, :, :CLASSES].mean(dim=(1, 3)) for v in inputs.values.values()]
        present = torch.stack(list(inputs.present.values())).float()
        shown = (torch.stack(bars) * present[:, :, None]).sum(dim=0)
        return shown / present.sum(dim=0).clamp(min=1)[:, None]


def stripes_model(*, labels: bool = True, corners: Corners = plain) -> MFM:
    """Return the model; its decoders may ignore Zy, or treat the style in other ways."""
    sizes = {DISCRIMINATIVE: CLASSES} | {name: 2 for name in CHANNELS}
    model = MFM(
        fusion=ReadLabel(),
        encoders={name: ReadStyle(name) for name in CHANNELS},
        latents={name: PointLatent(state_size=size, size=size) for name, size in sizes.items()},
        factors={name: nn.Identity() for name in sizes},
        decoders={name: Paint(c, labels=labels, corners=corners) for name, c in CHANNELS.items()},
        head=Head(factor_size=CLASSES, outputs=CLASSES),
        task="multiclass",
        outputs=CLASSES,
        steps=1,
    )
    for latent in model.latents.values():
        nn.init.eye_(latent.mean.weight)
        nn.init.zeros_(latent.mean.bias)
    return model.eval()


def stripes_inputs(n: int, seed: int = 0) -> tuple[Inputs, Tensor]:
    """Return pairs of images of one label each, and the labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (n,), generator=generator)
    bars = nn.functional.one_hot(labels, CLASSES).float()
    values = {
        name: (Paint(c)(bars, torch.rand(n, 2, generator=generator), 1) * 255).floor() / 255
        for name, c in CHANNELS.items()
    }
    present = {name: torch.ones(n, dtype=torch.bool) for name in CHANNELS}
    return Inputs(values, {}, present, torch.zeros(n, dtype=torch.int64)), labels


def stripes_judge(images: Tensor) -> tuple[Tensor, Tensor]:
    """Read the brightest bar; features are a few of the pixels."""
    return images[:, :, :CLASSES].mean(dim=(1, 3)), images[:, 0].flatten(1)
