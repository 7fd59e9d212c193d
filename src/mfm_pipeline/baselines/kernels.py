"""Several kernels as one: weights by centred alignment with the target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.metrics.pairwise import rbf_kernel

Array = NDArray[np.float64]


def modality_kernels(
    rows: Sequence[NDArray[np.floating[Any]]],
    columns: Sequence[NDArray[np.floating[Any]]],
    present: tuple[Sequence[NDArray[np.bool_]], Sequence[NDArray[np.bool_]]],
    widths: Sequence[float],
) -> Iterable[Array]:
    """Yield a Gaussian kernel of every width, of one modality after the other.

    A sample that lacks a modality is as unlike every sample as can be, itself included: its
    rows are zero, which leaves the kernel positive semidefinite.

    Parameters
    ----------
    rows, columns : sequence of ndarray, each of shape (n, d) and (m, d)
        Standardised features by modality.
    present : pair of sequences of ndarray of bool
        Who has the modality, among the rows and among the columns.
    widths : sequence of float
        In root mean square distances of standardised rows, ``sqrt(2 d)``.

    Yields
    ------
    ndarray, shape (n, m)
    """
    for left, right, here, there in zip(rows, columns, *present, strict=True):
        both = np.outer(here, there)
        for width in widths:
            gamma = 1 / (2 * left.shape[1] * width**2)
            yield np.where(both, rbf_kernel(left, right, gamma=gamma), 0.0)


def centred(kernel: Array) -> Array:
    """Return ``H K H``, the kernel of features whose mean is zero."""
    means = kernel.mean(axis=0)
    return np.asarray(kernel - means - means[:, None] + means.mean())


def alignment_weights(kernels: Iterable[Array], targets: NDArray[np.floating[Any]]) -> Array:
    """Return the weights of the combination that is best aligned with the targets.

    ALIGNF of Cortes, Mohri and Rostamizadeh (2012, Proposition 9): of centred kernels K_k
    the weights v / |v|, where v minimises ``v' M v - 2 v' a`` over v >= 0, with
    ``M_kl = <K_k, K_l>`` and ``a_k = <K_k, Y Y'>`` (Frobenius products).

    Parameters
    ----------
    kernels : iterable of ndarray, each of shape (n, n)
    targets : ndarray, shape (n, k)

    Returns
    -------
    ndarray, shape (kernels,)
        Not negative, of length 1; equal where no kernel is aligned with the targets.
    """
    middle = targets - targets.mean(axis=0)
    flat = np.stack([centred(kernel).ravel() for kernel in kernels])
    products = flat @ flat.T
    aligned = flat @ (middle @ middle.T).ravel()
    # The same problem as least squares: |A v - b| with A'A = M and A'b = a. Kernels of
    # neighbouring widths are almost the same, and directions that rounding made are left out.
    values, vectors = np.linalg.eigh(products)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
    if not len(roots):
        return np.full(len(flat), len(flat) ** -0.5)
    weights, _ = nnls(roots[:, None] * vectors.T, vectors.T @ aligned / roots)
    length = np.linalg.norm(weights)
    if not length > 0:
        return np.full(len(flat), len(flat) ** -0.5)
    return np.asarray(weights / length)


def combined(kernels: Iterable[Array], weights: Array) -> Array:
    """Return ``sum_k weights_k K_k``, with one of them in memory at a time."""
    total: Array | None = None
    for kernel, weight in zip(kernels, weights, strict=True):
        kernel *= weight
        total = kernel if total is None else np.add(total, kernel, out=total)
    if total is None:
        raise ValueError("there are no kernels to combine; expected one or more")
    return total
