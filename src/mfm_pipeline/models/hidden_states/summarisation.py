"""Groups of consecutive steps that are alike, and what a sequence of groups looks like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
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
    steps, n = len(distances) + 1, distances.shape[1]
    size, away = lengths.cpu().numpy(), distances.detach().cpu().numpy()
    away = np.where(np.arange(1, steps)[:, None] < size, away, np.inf)
    order = away.argsort(axis=0, kind="stable")
    samples = np.arange(n)
    # A group is an interval, whose first and last step know each other. Its slack is the
    # largest distance at which it still takes part.
    first = np.arange(steps)[:, None].repeat(n, axis=1)
    last = first.copy()
    slack = np.full((steps, n), threshold)
    begins = np.ones((steps, n), dtype=np.int64)
    for edge in order:
        start, end, distance = first[edge, samples], last[edge + 1, samples], away[edge, samples]
        joined = distance <= np.minimum(slack[start, samples], slack[edge + 1, samples])
        rows = samples[joined]
        start, end = start[joined], end[joined]
        last[start, rows], first[end, rows] = end, start
        # Distances come in ascending order: the last one is the largest.
        slack[start, rows] = distance[joined] + threshold / (end - start + 1)
        begins[edge[joined] + 1, rows] = 0
    of_step = begins.cumsum(axis=0) - 1
    groups = np.where(size > 0, of_step[np.maximum(size - 1, 0), samples] + 1, 0)
    device = distances.device
    return Groups(torch.from_numpy(of_step).to(device), torch.from_numpy(groups).to(device))


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
