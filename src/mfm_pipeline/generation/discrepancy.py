"""How well what latents are drawn from matches what the encoders yield."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from mfm_pipeline.generation.samplers import Sampler
from mfm_pipeline.objectives import Kernel, similarity

_BLOCK = 512


def posterior_match(
    latents: Mapping[str, Tensor],
    samplers: Mapping[str, Mapping[str, Sampler]],
    *,
    generator: torch.Generator,
    kernel: Kernel = "gaussian",
) -> pd.DataFrame:
    """Measure the MMD between an aggregated posterior and its samplers.

    The squared MMD is that which Equation 4 is trained with (`objectives.mmd`), over
    all samples at once.

    Parameters
    ----------
    latents : mapping of str to Tensor, shape (n, z)
        Of a split that neither the model nor the samplers were fitted to.
    samplers : mapping of str to mapping of str to Sampler
        A sampler of each latent, by the name of the sampler.
    generator : torch.Generator
    kernel : {"gaussian", "multiquadric"}
        As in `objectives.mmd`.

    Returns
    -------
    DataFrame
        ``latent``, ``sampler``, ``samples``, ``mmd`` against as many draws, and
        ``mmd_of_draws``: what is to be expected if the latents, too, had been drawn
        from the sampler.
    """
    rows = []
    for latent, points in latents.items():
        n = len(points)
        among_points = mean_kernel(points, kernel=kernel)
        for sampler, by_latent in samplers.items():
            draws = by_latent[latent].sample(n, generator).to(points)
            among_draws = mean_kernel(draws, kernel=kernel)
            between = mean_kernel(points, draws, kernel=kernel)
            # The biased estimate keeps what the n pairs of a draw with itself, of
            # kernel 1, have above the mean of all others, in either sample.
            other_pairs = (n * among_draws - 1) / (n - 1)
            rows.append(
                {
                    "latent": latent,
                    "sampler": sampler,
                    "samples": n,
                    "mmd": among_points + among_draws - 2 * between,
                    "mmd_of_draws": 2 * (1 - other_pairs) / n,
                }
            )
    return pd.DataFrame(rows)


def mean_kernel(a: Tensor, b: Tensor | None = None, *, kernel: Kernel = "gaussian") -> float:
    """Return the mean of the kernel of `objectives.mmd` over all pairs.

    Memory does not limit the sizes: pairs are taken in blocks.

    Parameters
    ----------
    a : Tensor, shape (n, z)
    b : Tensor, shape (m, z), optional
        By default `a` itself, each point paired with itself too.
    kernel : {"gaussian", "multiquadric"}
    """
    first = torch.split(a.double() / a.shape[1], _BLOCK)
    if b is not None:
        second = torch.split(b.double() / a.shape[1], _BLOCK)
        total = sum(_kernel_sum(x, y, kernel) for x in first for y in second)
        return total / (len(a) * len(b))
    total = sum(_kernel_sum(x, x, kernel) for x in first)
    total += 2 * sum(_kernel_sum(x, y, kernel) for i, x in enumerate(first) for y in first[:i])
    return total / len(a) ** 2


def _kernel_sum(a: Tensor, b: Tensor, kernel: Kernel) -> float:
    square = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1)
    distance = torch.addmm(square, a, b.T, alpha=-2)
    return similarity(distance, a.shape[1], kernel).sum().item()
