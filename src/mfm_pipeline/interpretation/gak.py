"""The Global Alignment Kernel: likeness of two sequences of whatever lengths."""

from __future__ import annotations

import torch
from torch import Tensor

_CELLS = 2**24
"""Cells of alignments that are in memory at once."""


def alignment_kernel(sequences: Tensor, lengths: Tensor, bandwidth: float) -> Tensor:
    """Return the normalised Gram matrix of the Global Alignment Kernel.

    The sum over all alignments of two sequences of the product of what each aligned
    pair of steps is worth (Cuturi et al., 2007), with the local kernel of Cuturi (2011),
    ``k(a, b) = e / (2 - e)``, ``e = exp(-|a - b|^2 / (2 sigma^2))``, which keeps the
    matrix positive definite:

    ``M(i, j) = k(a_i, b_j) (M(i - 1, j - 1) + M(i - 1, j) + M(i, j - 1))``.

    In logarithms, for M leaves the range of numbers after some ten steps, and for many
    pairs at once, an anti-diagonal of M at a time. Normalised to 1 on the diagonal.

    Parameters
    ----------
    sequences : Tensor, shape (n, T, d)
        What comes after a sequence's last step is not read.
    lengths : Tensor of int64, shape (n,)
        Steps of each, at least one.
    bandwidth : float
        Sigma. For GAK Cuturi advises a multiple of ``median_step_distance``.

    Returns
    -------
    Tensor, shape (n, n), float64
    """
    values = sequences.double()
    n, steps, _ = values.shape
    first, second = torch.triu_indices(n, n).unbind(0)
    logs = torch.empty(len(first), dtype=torch.float64)
    at_once = max(1, _CELLS // steps**2)
    for pairs in torch.split(torch.arange(len(first)), at_once):
        a, b = first[pairs], second[pairs]
        square = torch.cdist(values[a], values[b], compute_mode="donot_use_mm_for_euclid_dist")
        local = _local_kernel(square.square_(), bandwidth)
        logs[pairs] = _log_alignments(local, lengths[a], lengths[b])
    gram = torch.empty(n, n, dtype=torch.float64)
    gram[first, second] = logs
    gram[second, first] = logs
    own = gram.diagonal()
    return (gram - 0.5 * (own[:, None] + own)).exp_()


def median_step_distance(
    sequences: Tensor, lengths: Tensor, generator: torch.Generator, *, pairs: int = 10_000
) -> float:
    """Return the bandwidth that Cuturi (2011) advises.

    The median distance of steps of different samples, times the square root of the
    median length; of as many `pairs` of steps, drawn.
    """
    n = len(sequences)
    samples = torch.randint(n, (2, pairs), generator=generator)
    samples = samples[:, samples[0] != samples[1]]
    share = torch.rand(samples.shape, generator=generator)
    steps = (share * lengths[samples]).long()
    a, b = sequences[samples, steps].double()
    distances = (a - b).norm(dim=1)
    apart = distances[distances > 0]
    if not len(apart):
        return 1.0
    return float(apart.median() * lengths.double().median().sqrt())


def _local_kernel(square: Tensor, bandwidth: float) -> Tensor:
    """Return the logarithm of the local kernel at squared distances."""
    exponent = square / (2 * bandwidth**2)
    return -exponent - torch.log(2 - torch.exp(-exponent))


def _log_alignments(local: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the logarithm of M at the ends of both sequences, ``(pairs,)``.

    Parameters
    ----------
    local : Tensor, shape (pairs, T, T)
    rows, columns : Tensor of int64, shape (pairs,)
        Lengths of the first and of the second sequence.
    """
    pairs, steps, _ = local.shape
    nothing = local.new_full((pairs, steps + 1), -torch.inf)
    # Anti-diagonals of M, by row; row 0 and column 0 lie outside the sequences.
    before, last = nothing.clone(), nothing
    before[:, 0] = 0
    result = local.new_full((pairs,), -torch.inf)
    for diagonal in range(2, 2 * steps + 1):
        low, high = max(1, diagonal - steps), min(steps, diagonal - 1)
        inside = torch.arange(low, high + 1)
        new = nothing.clone()
        ways = torch.logaddexp(
            before[:, low - 1 : high],
            torch.logaddexp(last[:, low - 1 : high], last[:, low : high + 1]),
        )
        new[:, low : high + 1] = local[:, inside - 1, diagonal - inside - 1] + ways
        ends = rows + columns == diagonal
        result[ends] = new[ends, rows[ends]]
        before, last = last, new
    return result
