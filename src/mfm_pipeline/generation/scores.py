"""Numbers for generated images, each of which real images have too.

A judge is a classifier of one modality's images that was trained apart from the
model: any callable from images ``(n, C, H, W)`` in [0, 1] to logits ``(n, k)`` and
features ``(n, f)``.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Judge = Callable[[Tensor], tuple[Tensor, Tensor]]

_BLOCK = 1024


class Judged(NamedTuple):
    """Images and what a judge makes of them.

    Attributes
    ----------
    images : Tensor, shape (n, C, H, W)
        In [0, 1].
    classes : Tensor of int64, shape (n,)
        The class that each is read as.
    features : Tensor, shape (n, f)
    """

    images: Tensor
    classes: Tensor
    features: Tensor

    def __getitem__(self, index: Tensor | slice) -> Judged:  # type: ignore[override]
        """Return the images at `index`."""
        return Judged(self.images[index], self.classes[index], self.features[index])


class Score(NamedTuple):
    """A number, and what it is if what was given has no influence."""

    value: float
    chance: float


def judge_images(judge: Judge, images: Tensor, batch_size: int = 256) -> Judged:
    """Let a judge look at images, some at a time.

    Parameters
    ----------
    judge : Judge
    images : Tensor, shape (n, C, H, W)
        Generated ones may leave [0, 1] and are clipped to it.
    batch_size : int
    """
    shown = images.clamp(0, 1)
    with torch.inference_mode():
        seen = [judge(batch) for batch in torch.split(shown, batch_size)]
    classes = torch.cat([logits.argmax(dim=1).cpu() for logits, _ in seen])
    return Judged(shown, classes, torch.cat([features.cpu() for _, features in seen]))


def agreement(*classes: Tensor) -> Score:
    """Return the share of samples about which all agree.

    Label consistency, if the classes are the labels given and those that a judge
    reads; joint coherence, if they are what the judges of all modalities read.

    Parameters
    ----------
    *classes : Tensor of int64, shape (n,)
        Two or more.

    Returns
    -------
    Score
        By chance: the share if they were independent, each with its own frequencies.
    """
    stacked = torch.stack(classes)
    share = (stacked == stacked[0]).all(dim=0).double().mean()
    k = int(stacked.max()) + 1
    frequencies = torch.stack([torch.bincount(each, minlength=k) for each in stacked])
    chance = (frequencies.double() / stacked.shape[1]).prod(dim=0).sum()
    return Score(share.item(), chance.item())


def diversity(values: Tensor, groups: Tensor) -> float:
    """Return the mean pairwise distance within groups.

    The distance is the root mean square difference of two images' pixels or
    features. A mean over the pairs of a group, then over groups, so that it does not
    depend on how large each is.

    Parameters
    ----------
    values : Tensor, shape (n, ...)
    groups : Tensor of int64, shape (n,)
        The label of each image, or the Zy that it was generated from.

    Returns
    -------
    float
        NaN if no group has two members.
    """
    flat = values.flatten(1)
    means = []
    for group in torch.unique(groups):
        # Distances come from products, whose rounding float32 would show between twins.
        members = flat[groups == group].double()
        n = len(members)
        if n > 1:
            means.append(_sum_of_distances(members) / (n * (n - 1) / 2))
    return sum(means) / len(means) / flat.shape[1] ** 0.5 if means else nan


def frechet_distance(features: Tensor, others: Tensor) -> float:
    """Return the squared Fréchet distance between Gaussians fitted to two samples.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``, as the FID of Heusel et al.
    (2017) has it. The trace of the root comes from the eigenvalues of the symmetric
    ``S1^(1/2) S2 S1^(1/2)``, so that covariances need not have full rank. Compare
    only what was measured on as many samples: small ones read too high.

    Parameters
    ----------
    features : Tensor, shape (n, f)
    others : Tensor, shape (m, f)
    """
    a, b = features.double(), others.double()
    first, second = (torch.cov(x.T).reshape(x.shape[1], x.shape[1]) for x in (a, b))
    values, vectors = torch.linalg.eigh(first)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    common = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    shift = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    # Rounding alone can take it below zero.
    return max(0.0, float(shift + first.trace() + second.trace() - 2 * common))


def style_consistency(
    given: Tensor, found: Tensor, given_labels: Tensor, found_labels: Tensor
) -> Score:
    """Return how well the style of an image is that which it was given.

    The mean cosine between the two, each less the mean of its label: what a label
    brings with it counts for nothing, neither that of the sample whose style was
    taken nor that of the image.

    Parameters
    ----------
    given : Tensor, shape (n, s)
        The Zai that images were generated from, or `image_style` of the images that
        it was inferred from.
    found : Tensor, shape (n, s)
        The Zai inferred from the generated images, or their `image_style`.
    given_labels, found_labels : Tensor of int64, shape (n,)

    Returns
    -------
    Score
        By chance: the mean over all pairs of a style and an image that was given
        another.
    """
    a = functional.normalize(_within_label(given, given_labels), dim=1)
    b = functional.normalize(_within_label(found, found_labels), dim=1)
    n, matched = len(a), (a * b).sum()
    mismatched = a.sum(dim=0) @ b.sum(dim=0) - matched
    return Score((matched / n).item(), (mismatched / (n * (n - 1))).item())


def image_style(images: Tensor) -> Tensor:
    """Measure the style of images without any model.

    Parameters
    ----------
    images : Tensor, shape (n, C, H, W)
        In [0, 1].

    Returns
    -------
    Tensor, shape (n, 2 C + 1)
        Mean and standard deviation of each channel (brightness, colour, amount of
        ink, contrast), and the slant of what differs from the median colour, as the
        columns it moves by row.
    """
    median = images.flatten(2).median(dim=2).values[:, :, None, None]
    ink = (images - median).abs().mean(dim=1)
    ink = ink / ink.sum(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    rows, columns = (torch.arange(size, dtype=ink.dtype) for size in ink.shape[1:])
    by_row, by_column = ink.sum(dim=2), ink.sum(dim=1)
    down = rows - (by_row @ rows)[:, None]
    across = columns - (by_column @ columns)[:, None]
    together = torch.einsum("nhw,nh,nw->n", ink, down, across)
    height = (by_row * down.square()).sum(dim=1)
    slant = together / height.clamp(min=1e-6)
    return torch.cat([images.mean(dim=(2, 3)), images.std(dim=(2, 3)), slant[:, None]], dim=1)


def _sum_of_distances(points: Tensor) -> float:
    """Return the sum of the distances of all pairs, in blocks that fit."""
    total = 0.0
    for start in range(0, len(points), _BLOCK):
        block, later = points[start : start + _BLOCK], points[start + _BLOCK :]
        total += torch.cdist(block, block).triu(diagonal=1).sum().item()
        if len(later):
            total += torch.cdist(block, later).sum().item()
    return total


def _within_label(values: Tensor, labels: Tensor) -> Tensor:
    """Return values less the mean of those of the same label, ``(n, s)`` float64."""
    _, index = torch.unique(labels, return_inverse=True)
    sums = torch.zeros(int(index.max()) + 1, values.shape[1], dtype=torch.float64)
    sums.index_add_(0, index, values.double())
    return values.double() - (sums / torch.bincount(index)[:, None])[index]
