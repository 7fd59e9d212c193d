"""Convolutions of all modalities side by side, with noise on what must not be relied on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mfm_pipeline.models.convolution.encoder import Convolution
from mfm_pipeline.models.factors import Head
from mfm_pipeline.models.inputs import Inputs


class SelectAdditive(nn.Module):
    """The network of select-additive learning (Wang et al. 2017).

    Convolutions of each modality, whose states side by side are the representation
    g(X; theta), and a head f(.; phi) over it. In training mode f reads
    ``g(X; theta) + noise * epsilon``, epsilon drawn from N(0, I) by torch's global generator.

    Parameters
    ----------
    features : mapping of str to int
        Features of a step, by modality.
    outputs : int
    channels, width : int
        Of the convolutions, see `Convolution`.
    dropout : float
        Of the head.
    """

    noise: Tensor

    def __init__(
        self,
        *,
        features: Mapping[str, int],
        outputs: int,
        channels: int,
        width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            Convolution(modality=name, features=size, channels=channels, width=width)
            for name, size in features.items()
        )
        size = channels * len(features)
        self.head = Head(factor_size=size, outputs=outputs, dropout=dropout)
        self.register_buffer("noise", torch.zeros(size))

    def representation(self, inputs: Inputs) -> Tensor:
        """Return g(X; theta), ``(n, M channels)``, modality after modality."""
        return torch.cat([encoder(inputs) for encoder in self.encoders], dim=1)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return raw predictions, ``(n, outputs)``."""
        representation = self.representation(inputs)
        if self.training:
            representation = representation + self.noise * torch.randn_like(representation)
        prediction: Tensor = self.head(representation)[:, 0]
        return prediction

    def relearn(self, noise: Tensor) -> None:
        """Keep theta, and make phi anew, to be learned with noise.

        Parameters
        ----------
        noise : Tensor, shape (M channels,)
            Standard deviation by element of the representation.
        """
        self.encoders.requires_grad_(False)
        for layer in self.head:
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
        self.noise.copy_(noise)
