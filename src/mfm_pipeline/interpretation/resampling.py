"""What chance does to HSIC: permutation p-values, and bootstrap intervals of ratios.

Both work on centred Gram matrices of one subsample, in double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BLOCK = 256
"""Resamples at a time."""

_ROWS = 32
"""Rows of a permuted Gram matrix at a time: few enough to stay in a processor's cache."""


def permutation_p_value(
    centred: Tensor, other: Tensor, permutations: int, rng: np.random.Generator
) -> float:
    """Test that two sets of features are independent.

    Against HSIC where the samples of one are permuted, which leaves both norms as they
    are. With an observed value counted as one of the permutations the test keeps its
    level: ``(1 + #{permuted >= observed}) / (1 + permutations)``.

    Parameters
    ----------
    centred, other : Tensor, shape (n, n)
        Centred Gram matrices.
    permutations : int
    rng : numpy.random.Generator

    Returns
    -------
    float
        Never below ``1 / (1 + permutations)``.
    """
    observed = _permuted(centred, other, torch.arange(len(centred)))
    # A permutation may be one of those under which nothing changes but the rounding.
    least = observed - 1e-12 * float(centred.norm() * other.norm())
    reached = sum(
        _permuted(centred, other, torch.from_numpy(rng.permutation(len(centred)))) >= least
        for _ in range(permutations)
    )
    return (1 + reached) / (1 + permutations)


def bootstrap_ratios(
    centred: Tensor, beside: Tensor, other: Tensor, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Resample the ratio of two normalised HSIC that share one side.

    Samples are drawn with replacement, the same for all three Gram matrices. A pair
    of copies of one sample is no pair of samples (its kernel is 1, whatever the data):
    such pairs are left out, or each resample would look more dependent than the data.
    Matrices are not centred anew for each resample: to first order HSIC does not
    depend on what its kernels are centred by. The norm of the shared side cancels.

    Parameters
    ----------
    centred, beside : Tensor, shape (n, n)
        Centred Gram matrices of the numerator and the denominator.
    other : Tensor, shape (n, n)
        Of what both are measured against.
    resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (resamples,)
        With each sample drawn once it would be the ratio itself.
    """
    n = len(centred)
    # How often each resample holds each sample.
    times = torch.from_numpy(
        rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    )
    sums = [
        _sums_over_pairs(left * right, times)
        for left, right in (
            (centred, other), (beside, beside), (beside, other), (centred, centred),
        )
    ]  # fmt: skip
    upper, below, lower, above = sums
    ratios: NDArray[np.float64] = (upper * below.sqrt() / (lower * above.sqrt())).numpy()
    return ratios


def interval(draws: NDArray[Any], level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def _permuted(centred: Tensor, other: Tensor, order: Tensor) -> float:
    """Return the inner product with one matrix's samples in another order."""
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, len(order), _ROWS):
        rows = slice(start, start + _ROWS)
        # Both are symmetric: what is right of the block on the diagonal counts twice.
        product = centred[order[rows]].index_select(1, order[start:]).mul_(other[rows, start:])
        total += 2 * product.sum() - product[:, : len(product)].sum()
    return float(total)


def _sums_over_pairs(pairs: Tensor, times: Tensor) -> Tensor:
    """Sum a matrix over the pairs of each resample, ``(resamples,)``, copies not paired."""
    own = pairs.diagonal()
    totals = [
        torch.einsum("bi,bi->b", some @ pairs, some) - (some.square() - some) @ own
        for some in torch.split(times, _BLOCK)
    ]
    return torch.cat(totals)
