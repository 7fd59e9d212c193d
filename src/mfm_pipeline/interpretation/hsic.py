"""Normalised Hilbert-Schmidt independence criterion, Equation 10.

The measure of dependence that Table 6 is made of: HSIC (Gretton et al., 2005),
normalised as in centred kernel alignment (Cortes et al., 2012). ``n`` samples; ``K``
and ``L`` are Gram matrices, ``H`` centres.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline.errors import DataError

Bandwidth = float | Literal["median"]
Array = NDArray[np.floating[Any]]

FEWEST = 10
"""Samples below which no dependence can be told from none."""

MEDIAN_OF = 2000
"""Samples, at most, whose distances give the median."""

_TILE = 1024
_ROUNDING = 1e-20
"""Mean square of a centred kernel that rounding leaves of a constant one, at most."""


class Dependence(NamedTuple):
    """How far two sets of features depend on each other.

    Attributes
    ----------
    value : float
        Equation 10, from 0 to 1; NaN where a side is constant, and it is not defined.
    diagonal : float
        Share of the squared norm of a centred Gram matrix that lies on its diagonal,
        the larger of both sides'. Near 1 no sample is like another one: the value then
        comes from each sample's likeness to itself and tells little.
    """

    value: float
    diagonal: float


def normalised_hsic(
    x: Array, y: Array, bandwidths: tuple[float, float] = (1.0, 1.0), *, tile: int = _TILE
) -> Dependence:
    """Measure how far two sets of features depend on each other, Equation 10.

    ``tr(K H L H) / (||H K H|| ||H L H||)`` of RBF kernels (`distance_kernel`). No Gram
    matrix is held: what the equation needs of them is summed in double precision over
    tiles of one triangle, so that memory grows with n, not with its square.

    Parameters
    ----------
    x, y : ndarray, shape (n, p) and (n, q)
    bandwidths : (float, float)
        Of either kernel; the paper's is 1.0.
    tile : int
        Samples along the side of a tile.

    Raises
    ------
    DataError
        If there are fewer than `FEWEST` samples, x and y are not of the same ones, or
        a value is not finite.
    """
    check_samples(x, y)
    sides = [_Side.of(v, width, tile) for v, width in zip((x, y), bandwidths, strict=True)]
    n = len(x)
    sums = torch.zeros(2, n, dtype=torch.float64)
    squares, product = [0.0, 0.0], 0.0
    for rows, columns in _triangle(n, tile):
        times = 1 if rows == columns else 2
        tiles = [side.tile(rows, columns) for side in sides]
        for k, values in enumerate(tiles):
            sums[k, rows] += values.sum(dim=1)
            if rows != columns:
                sums[k, columns] += values.sum(dim=0)
            squares[k] += times * _dot(values, values)
        product += times * _dot(*tiles)
    means = sums / n
    grand = means.mean(dim=1)
    norms, diagonals = [], []
    for k, side in enumerate(sides):
        norm = squares[k] - 2 * n * _dot(means[k], means[k]) + (n * float(grand[k])) ** 2
        own = 1 - side.shift - 2 * means[k] + grand[k]
        if norm < _ROUNDING * n**2:
            return Dependence(float("nan"), float("nan"))
        norms.append(norm)
        diagonals.append(_dot(own, own) / norm)
    trace = product - 2 * n * _dot(means[0], means[1]) + n**2 * float(grand.prod())
    return Dependence(trace / float(np.sqrt(norms[0] * norms[1])), max(diagonals))


def normalised_hsic_of(centred: Tensor, other: Tensor) -> Dependence:
    """Return Equation 10 for two centred Gram matrices ``(n, n)``."""
    norms = _dot(centred, centred), _dot(other, other)
    if min(norms) < _ROUNDING * len(centred) ** 2:
        return Dependence(float("nan"), float("nan"))
    diagonals = [
        float(gram.diagonal().square().sum()) / norm
        for gram, norm in zip((centred, other), norms, strict=True)
    ]
    value = _dot(centred, other) / float(np.sqrt(norms[0] * norms[1]))
    return Dependence(value, max(diagonals))


def distance_kernel(x: Array, bandwidth: float) -> Tensor:
    """Return the Gram matrix of the RBF kernel, ``(n, n)`` float64.

    ``exp(-|a - b|^2 / (2 sigma^2))``: the bandwidth sigma is a standard deviation, as in
    the median heuristic and as Gretton et al. write it. The paper names a bandwidth of
    1.0 and no formula.
    """
    return _Side.of(x, bandwidth, len(x)).kernel(slice(None), slice(None))


def centre(gram: Tensor) -> Tensor:
    """Return ``H K H``: rows and columns of a Gram matrix sum to zero."""
    means = gram.mean(dim=1)
    return gram - means[:, None] - means + means.mean()


def median_distance(x: Array, rng: np.random.Generator) -> float:
    """Return the median distance between samples, the bandwidth of the median heuristic.

    Of samples that are not equal, for otherwise a factor that is zero in most would have
    a bandwidth of 0; of `MEDIAN_OF` samples, drawn, where there are more.

    Returns
    -------
    float
        1.0 where all samples are equal, and any bandwidth does.
    """
    if len(x) > MEDIAN_OF:
        x = x[np.sort(rng.choice(len(x), MEDIAN_OF, replace=False))]
    points = _centred_points(x)
    distances = torch.pdist(points)
    apart = distances[distances > 1e-12 * max(1.0, float(points.abs().max()))]
    return float(apart.median()) if len(apart) else 1.0


def check_samples(x: Array, y: Array) -> None:
    """Raise DataError unless x and y are finite features of the same, and enough, samples."""
    if len(x) != len(y):
        raise DataError(f"HSIC of {len(x)} and {len(y)} samples; expected as many of each")
    if len(x) < FEWEST:
        raise DataError(f"HSIC of {len(x)} samples; expected at least {FEWEST}")
    for values in (x, y):
        if not np.isfinite(values).all():
            raise DataError("HSIC of values that are not all finite; expected finite values")


class _Side(NamedTuple):
    """One of the two kernels, a tile at a time.

    Attributes
    ----------
    points : Tensor, shape (n, p)
        In their own precision: a tile at a time becomes double.
    center : Tensor, shape (p,)
        About which distances lose least to rounding.
    bandwidth : float
    shift : float
        About the mean of the kernel. Centring takes a constant away, and without it the
        sums lose less to cancellation.
    """

    points: Tensor
    center: Tensor
    bandwidth: float
    shift: float

    @classmethod
    def of(cls, x: Array, bandwidth: float, tile: int) -> _Side:
        points = torch.from_numpy(np.ascontiguousarray(x)).flatten(1)
        side = cls(points, points.mean(dim=0, dtype=torch.float64), bandwidth, 0.0)
        some = slice(0, min(len(points), tile))
        return side._replace(shift=float(side.kernel(some, some).mean()))

    def tile(self, rows: slice, columns: slice) -> Tensor:
        """Return a tile of the Gram matrix, less the shift."""
        return self.kernel(rows, columns).sub_(self.shift)

    def kernel(self, rows: slice, columns: slice) -> Tensor:
        """Return a tile of the Gram matrix."""
        a = self.points[rows].double() - self.center
        b = a if rows == columns else self.points[columns].double() - self.center
        square = torch.addmm(
            a.square().sum(dim=1)[:, None] + b.square().sum(dim=1), a, b.t(), alpha=-2
        ).clamp_(min=0)
        if rows == columns:
            square.fill_diagonal_(0)
        return square.mul_(-0.5 / self.bandwidth**2).exp_()


def _centred_points(x: Array) -> Tensor:
    points = torch.from_numpy(np.asarray(x, np.float64)).flatten(1)
    return points - points.mean(dim=0)


def _triangle(n: int, tile: int) -> Iterator[tuple[slice, slice]]:
    """Yield the tiles of one triangle of an ``(n, n)`` matrix, with those of its diagonal."""
    blocks = [slice(start, min(start + tile, n)) for start in range(0, n, tile)]
    for i, rows in enumerate(blocks):
        for columns in blocks[i:]:
            yield rows, columns


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.flatten(), b.flatten()))
