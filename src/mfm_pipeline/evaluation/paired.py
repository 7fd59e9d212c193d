"""Paired bootstrap over samples: how sure it is that one model is ahead of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_BLOCK = 500
"""Resamples at once, which bounds memory on large test splits."""
_DIGITS = 12
"""Of differences; what is behind them is rounding."""
_CONSTANT = 1e-10
"""Variances below, as shares of the mean square, are rounding."""


class Difference(NamedTuple):
    """By how much one model is ahead of another.

    Attributes
    ----------
    value : float
        Of the metric on the samples as they are.
    low, high : float
        Percentile interval over resamples.
    p_value : float
        Two-sided: twice the share of resamples on the other side of zero.
    """

    value: float
    low: float
    high: float
    p_value: float


class Resamples:
    """Draws of test samples, or of whole groups, with replacement, the same ones for all models.

    Parameters
    ----------
    groups : array-like, shape (n,)
        What each sample is drawn with: its own number, or its video's name, all segments of
        which come together, for what they have in common is no further evidence.
    resamples : int
    seed : int

    Attributes
    ----------
    groups : int
        How many there are.
    """

    def __init__(self, groups: ArrayLike, resamples: int, seed: int) -> None:
        names, group = np.unique(groups, return_inverse=True)
        self.groups = len(names)
        rng = np.random.default_rng(seed)
        even = np.full(len(names), 1 / len(names))
        self._counts = [
            rng.multinomial(len(names), even, size=size).astype(np.uint16)[:, group]
            for size in _sizes(resamples)
        ]

    @property
    def least_p(self) -> float:
        """Two-sided p-value of groups that all agree: no test can show more with so few."""
        return float(2.0 ** (1 - self.groups))

    def of(self, metric: str, true: ArrayLike, predicted: ArrayLike) -> Array:
        """Return a metric on the samples as they are, and on every resample.

        Parameters
        ----------
        metric : {"r", "mae", "acc"}
        true : array-like, shape (n, targets)
        predicted : array-like, shape (seeds, n, targets)

        Returns
        -------
        ndarray, shape (1 + resamples, targets)
            The mean over seeds. `r` is 0 where a side is constant, as in `score`.
        """
        actual = np.asarray(true, dtype=np.float64)
        found = np.asarray(predicted, dtype=np.float64)
        scores: Array = np.mean(
            [_METRICS[metric](self._means, actual, one) for one in found], axis=0
        )
        return scores

    def _means(self, values: Array) -> Array:
        """Return the mean of each column over all samples, and over those of each resample."""
        parts = [values.mean(axis=0, keepdims=True)]
        for counts in self._counts:
            weights = counts.astype(np.float64)
            parts.append(weights @ values / weights.sum(axis=1, keepdims=True))
        return np.concatenate(parts)


def _sizes(resamples: int) -> list[int]:
    """Return the sizes of blocks."""
    whole, rest = divmod(resamples, _BLOCK)
    return [_BLOCK] * whole + [rest] * (rest > 0)


def difference(first: Array, second: Array, level: float = 0.95) -> Difference:
    """Compare what `Resamples.of` gives of two models; of several targets, their means.

    Parameters
    ----------
    first, second : ndarray, shape (1 + resamples, targets)
        Of a metric, of which the higher is the better.
    level : float
        Of the interval.
    """
    # Ties are ties, though the means over seeds were rounded apart.
    between = (first - second).mean(axis=1).round(_DIGITS)
    resampled = between[1:]
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    other = min((resampled <= 0).sum(), (resampled >= 0).sum())
    p_value = min(1.0, 2 * (1 + other) / (1 + len(resampled)))
    return Difference(float(between[0]), float(low), float(high), float(p_value))


def holm(p_values: Sequence[float]) -> Array:
    """Correct p-values for their number (Holm 1979): the chance of any false one is bounded.

    Returns
    -------
    ndarray
        In the same order; NaN stays, and does not count.
    """
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return corrected


Means = Callable[[Array], Array]


def _r(means: Means, true: Array, predicted: Array) -> Array:
    # Centred first: the difference of two large means would lose digits.
    x, y = true - true.mean(axis=0), predicted - predicted.mean(axis=0)
    mean_x, mean_y = means(x), means(y)
    squares = means(x * x), means(y * y)
    variances = squares[0] - mean_x**2, squares[1] - mean_y**2
    known = np.all([v > _CONSTANT * s for v, s in zip(variances, squares, strict=True)], axis=0)
    norm = np.sqrt(np.where(known, variances[0] * variances[1], 1))
    return np.where(known, (means(x * y) - mean_x * mean_y) / norm, 0.0)


def _mae(means: Means, true: Array, predicted: Array) -> Array:
    return means(np.abs(true - predicted))


def _acc(means: Means, true: Array, predicted: Array) -> Array:
    return means((true == predicted).astype(np.float64))


_METRICS: dict[str, Callable[[Means, Array, Array], Any]] = {"r": _r, "mae": _mae, "acc": _acc}
