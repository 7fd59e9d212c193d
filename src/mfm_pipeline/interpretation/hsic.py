"""Normalised Hilbert-Schmidt independence criterion, Equation 10.

The measure of dependence that Table 6 is made of: HSIC (Gretton et al., 2005),
normalised as in centred kernel alignment (Cortes et al., 2012). ``n`` samples; ``K``
and ``L`` are Gram matrices, ``H`` centres.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_PAIRS = ((0, 0), (0, 1), (1, 1))
_ROUNDING = 1e-20
"""Mean square of a centred kernel that rounding leaves of a constant one, at most."""


class Dependence(NamedTuple):
    """How far two sets of features depend on each other.

    Attributes
    ----------
    value : float
        Equation 10; NaN where a side is constant, and it is not defined.
    diagonal : float
        Share of the squared norm of a centred Gram matrix that lies on its diagonal,
        the larger of both sides'. Near 1 no sample is like another one: the value then
        comes from each sample's likeness to itself and tells little. 0 for the
        unbiased estimator, which leaves the diagonal out.
    """

    value: float
    diagonal: float


def normalised_hsic(
    x: Array,
    y: Array,
    bandwidths: tuple[float, float] = (1.0, 1.0),
    *,
    unbiased: bool = False,
    tile: int = _TILE,
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
    unbiased : bool
        Leave pairs of a sample with itself out: each of the three HSIC in the equation
        by the estimator of Song et al. (2012). With them, as published, the value is
        too high, the more the fewer samples and the narrower the kernel.
    tile : int
        Samples along the side of a tile.

    Returns
    -------
    Dependence
        From 0 to 1; where x and y are independent the unbiased one lies about 0.

    Raises
    ------
    DataError
        If there are fewer than `FEWEST` samples, x and y are not of the same ones, or
        a value is not finite.
    """
    check_samples(x, y)
    sides = [_Side.of(v, width, tile) for v, width in zip((x, y), bandwidths, strict=True)]
    sums = torch.zeros(2, len(x), dtype=torch.float64)
    products = dict.fromkeys(_PAIRS, 0.0)
    for rows, columns in _triangle(len(x), tile):
        on_diagonal = rows == columns
        tiles = [side.tile(rows, columns) for side in sides]
        for total, values in zip(sums, tiles, strict=True):
            if on_diagonal and unbiased:
                values.fill_diagonal_(0)
            total[rows] += values.sum(dim=1)
            if not on_diagonal:
                total[columns] += values.sum(dim=0)
        for a, b in _PAIRS:
            products[a, b] += (1 if on_diagonal else 2) * _dot(tiles[a], tiles[b])
    inner = {
        (a, b): _centred_product(product, sums[a], sums[b], unbiased)
        for (a, b), product in products.items()
    }
    diagonals = [0.0, 0.0]
    if not unbiased:
        diagonals = [
            float((1 - side.shift - 2 * total / len(x) + total.sum() / len(x) ** 2).square().sum())
            for side, total in zip(sides, sums, strict=True)
        ]
    return _normalised(inner[0, 1], inner[0, 0], inner[1, 1], diagonals, len(x))


def normalised_hsic_of(centred: Tensor, other: Tensor) -> Dependence:
    """Return Equation 10 for two Gram matrices ``(n, n)`` that `centre` returned."""
    diagonals = [float(gram.diagonal().square().sum()) for gram in (centred, other)]
    norms = _dot(centred, centred), _dot(other, other)
    return _normalised(_dot(centred, other), *norms, diagonals, len(centred))


def distance_kernel(x: Array, bandwidth: float) -> Tensor:
    """Return the Gram matrix of the RBF kernel, ``(n, n)`` float64.

    ``exp(-|a - b|^2 / (2 sigma^2))``: the bandwidth sigma is a standard deviation, as in
    the median heuristic and as Gretton et al. write it. The paper names a bandwidth of
    1.0 and no formula.
    """
    return _Side.of(x, bandwidth, len(x)).kernel(slice(None), slice(None))


def centre(gram: Tensor, *, unbiased: bool = False) -> Tensor:
    """Return ``H K H``: rows and columns of a Gram matrix sum to zero.

    Or, `unbiased`, the matrix without its diagonal of which they do (Szekely and Rizzo,
    2014): the inner product of two is the estimator of Song et al., but for a factor.
    """
    if not unbiased:
        means = gram.mean(dim=1)
        return gram - means[:, None] - means + means.mean()
    n = len(gram)
    apart = gram.clone().fill_diagonal_(0)
    sums = apart.sum(dim=1) / (n - 2)
    return (apart - sums[:, None] - sums + sums.sum() / (n - 1)).fill_diagonal_(0)


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


def _centred_product(product: float, a: Tensor, b: Tensor, unbiased: bool) -> float:
    """Return the inner product of centred matrices from that of others and their row sums."""
    n, rows, grand = len(a), _dot(a, b), float(a.sum() * b.sum())
    if unbiased:
        return product - 2 / (n - 2) * rows + grand / ((n - 1) * (n - 2))
    return product - 2 / n * rows + grand / n**2


def _normalised(
    product: float, norm: float, other: float, diagonals: Sequence[float], n: int
) -> Dependence:
    if min(norm, other) < _ROUNDING * n**2:
        return Dependence(float("nan"), float("nan"))
    share = max(diagonals[0] / norm, diagonals[1] / other)
    return Dependence(product / float(np.sqrt(norm * other)), share)


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.flatten(), b.flatten()))
