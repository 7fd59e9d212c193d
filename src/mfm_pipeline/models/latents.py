"""From the state of an encoder to a latent variable: Q(Z | X)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

Layer = Callable[[int, int], nn.Module]

DISCRIMINATIVE = "discriminative"
"""Key of Zy among the latents; every other key is a modality, or `JOINT`."""

JOINT = "joint"
"""Key of the one Za of all modalities, in models that have that in place of each Zai."""


class Latent(NamedTuple):
    """One latent variable of a batch.

    Attributes
    ----------
    sample : Tensor, shape (n, z)
        What the generative half continues from.
    mean : Tensor, shape (n, z)
        Mean of the posterior; `sample` itself where it is a point.
    log_variance : Tensor, shape (n, z), or None
        Logarithm of the posterior's variance; None where it is a point.
    """

    sample: Tensor
    mean: Tensor
    log_variance: Tensor | None


class PointLatent(nn.Module):
    """Deterministic posterior, the mapping Qenc of Section 2.2.

    One linear layer without an activation; its aggregate is drawn to the prior
    by the MMD of Equation 4.

    Parameters
    ----------
    state_size, size : int
    layer : callable
        Makes the layer from these two sizes.
    noise : float
        Standard deviation of what is added in training mode, from torch's global
        generator. With a variance of 1 in all, it bounds what a feature can carry
        to ``log2(1 / noise)`` bits, so that a latent keeps nothing that another
        latent has already.
    """

    def __init__(
        self, *, state_size: int, size: int, layer: Layer = nn.Linear, noise: float = 0.0
    ) -> None:
        super().__init__()
        self.mean = layer(state_size, size)
        self.noise = noise

    def forward(self, state: Tensor) -> Latent:
        """Map a state ``(n, state_size)`` to a latent ``(n, size)``."""
        mean = self.mean(state)
        if not self.training or not self.noise:
            return Latent(mean, mean, None)
        return Latent(mean + self.noise * torch.randn_like(mean), mean, None)


class GaussianLatent(nn.Module):
    """Diagonal Gaussian posterior, as the comparison with [23] has it.

    In training mode the sample is drawn by reparameterisation from torch's
    global generator; in evaluation mode it is the mean.

    Parameters
    ----------
    state_size, size : int
    layer : callable
        Makes a layer from these two sizes.
    """

    def __init__(self, *, state_size: int, size: int, layer: Layer = nn.Linear) -> None:
        super().__init__()
        self.mean = layer(state_size, size)
        self.log_variance = layer(state_size, size)

    def forward(self, state: Tensor) -> Latent:
        """Map a state ``(n, state_size)`` to a latent ``(n, size)``."""
        mean = self.mean(state)
        log_variance = self.log_variance(state)
        if not self.training:
            return Latent(mean, mean, log_variance)
        sample = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return Latent(sample, mean, log_variance)
