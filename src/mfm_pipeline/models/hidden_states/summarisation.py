"""Groups of consecutive steps that are alike, and what a sequence of groups looks like."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Groups(NamedTuple):
    """A division of every sequence into groups of consecutive steps.

    Attributes
    ----------
    of_step : Tensor of int64, shape (T, n)
        The group of each step, from 0 in order; behind a sample's last step it says nothing.
    lengths : Tensor of int64, shape (n,)
        Groups of each sample.
    """

    of_step: Tensor
    lengths: Tensor


def group_alike(distances: Tensor, lengths: Tensor, threshold: float) -> Groups:
    """Divide sequences by the criterion of graph-based segmentation, on a chain.

    Felzenszwalb and Huttenlocher, Efficient Graph-Based Image Segmentation (IJCV 2004):
    pairs of neighbours are looked at in the order of their distance d, and the groups A and
    B that they belong to become one if

        d <= min(d(A) + threshold / |A|, d(B) + threshold / |B|),

    d(A) being the largest distance between neighbours within A, 0 of a single step.

    Parameters
    ----------
    distances : Tensor, shape (T - 1, n)
        From each step to the next.
    lengths : Tensor of int64, shape (n,)
        Steps of each sample; distances behind its last step are not read.
    threshold : float
        Up to which single steps become one; the larger, the fewer groups.
    """
    edges, n = distances.shape
    device = distances.device
    samples = torch.arange(n, device=device)
    behind = torch.arange(1, edges + 1, device=device)[:, None] >= lengths
    distance, order = distances.detach().masked_fill(behind, torch.inf).sort(dim=0, stable=True)
    # A group is an interval: its first and last step know each other, and its slack, the
    # largest distance that it takes part in.
    step = torch.arange(edges + 1, device=device)[:, None].repeat(1, n)
    first, last = step.clone(), step.clone()
    slack = distances.new_full((edges + 1, n), threshold)
    cut = torch.ones(edges + 1, n, dtype=torch.int64, device=device)
    for d, edge in zip(distance, order, strict=True):
        start, end = first[edge, samples], last[edge + 1, samples]
        joined = d <= torch.minimum(slack[start, samples], slack[edge + 1, samples])
        rows = samples[joined]
        start, end, edge = start[joined], end[joined], edge[joined]
        last[start, rows], first[end, rows] = end, start
        # Distances come in ascending order: the last one is the largest.
        slack[start, rows] = d[joined] + threshold / (end - start + 1)
        cut[edge + 1, rows] = 0
    of_step = cut.cumsum(dim=0) - 1
    ends = of_step[(lengths - 1).clamp(min=0), samples] + 1
    return Groups(of_step, ends.masked_fill(lengths == 0, 0))


def group_means(values: Tensor, observed: Tensor, groups: Groups) -> tuple[Tensor, Tensor]:
    """Return the mean of every group over its observed steps.

    Parameters
    ----------
    values : Tensor, shape (T, n, d)
    observed : Tensor of bool, shape (T, n)
        Steps whose values count; none behind a sample's last step.
    groups : Groups

    Returns
    -------
    means : Tensor, shape (T, n, d)
        In the order of the groups; 0 of those without an observed step.
    observed : Tensor of bool, shape (T, n)
        Groups with an observed step.
    """
    kept = values.masked_fill(~observed[:, :, None], 0)
    index = groups.of_step[:, :, None].expand_as(kept)
    sums = torch.zeros_like(kept).scatter_add_(0, index, kept)
    counts = torch.zeros_like(kept[..., 0]).scatter_add_(0, groups.of_step, observed.to(kept.dtype))
    return sums / counts.clamp(min=1)[:, :, None], counts > 0
