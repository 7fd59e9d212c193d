"""Pairs of images with the same label, as rows into the sets they come from (Section 3.1).

Nothing counts to two: a pair has an image of each of M sets, M ≥ 2. Letters: ``n`` pairs,
``K`` classes, ``N`` images of a set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import SPLIT_NAMES
from mfm_pipeline.errors import DataError, ParameterError

IntArray = NDArray[np.int64]
Way = Literal["disjoint", "as_published"]
Balance = Literal["balanced", "as_they_come"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of images, those of train first, then valid, then test.

    Parameters
    ----------
    names : tuple of str
        Of the M sets.
    rows : ndarray of int64, shape (n, M)
        Which image of each set; no row twice.
    labels : ndarray of int64, shape (n,)
    splits : ndarray of str, shape (n,)
        ``train``, ``valid`` or ``test``.
    """

    names: tuple[str, ...]
    rows: IntArray
    labels: IntArray
    splits: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.labels)

    def images_in_both(self, first: str, second: str) -> dict[str, int]:
        """Count the images of each set that two splits have in common."""
        both = self.rows[self.splits == first], self.rows[self.splits == second]
        return {
            name: len(np.intersect1d(both[0][:, m], both[1][:, m]))
            for m, name in enumerate(self.names)
        }


def pair_by_label(
    labels: Mapping[str, IntArray],
    *,
    classes: int,
    count: int,
    valid: float,
    test: float,
    way: Way = "disjoint",
    balance: Balance = "balanced",
    seed: int = 0,
) -> Pairs:
    """Draw pairs of images that have the same label, no pair twice.

    An image may be in many pairs.

    Parameters
    ----------
    labels : mapping of str to ndarray of int64, shape (N,)
        Class of each image, of each of M sets.
    classes : int
        K: labels are 0 .. K - 1, and each set has images of all of them.
    count : int
        Pairs in all.
    valid, test : float
        Shares of the pairs for validation and test, rounded to whole pairs.
    way : {"disjoint", "as_published"}
        ``disjoint``: the images of each class of each set are divided first, in the same
        shares, and pairs are drawn inside each part: no image is in two splits.
        ``as_published``: pairs are drawn from all images, then divided, so that an image
        may be in train and in test.
    balance : {"balanced", "as_they_come"}
        ``balanced``: in each split, and in all, as many pairs of one class as of another, but
        for one where they do not divide. ``as_they_come``: each pair that exists is as likely as
        another.
    seed : int
        The same seed gives the same pairs.

    Returns
    -------
    Pairs
        In random order within each split.

    Raises
    ------
    ParameterError
        If a split would be empty.
    DataError
        If there are fewer than two sets, a label is outside 0 .. K - 1, a set lacks a class
        or has too few images of it for three parts, or more pairs are asked for than exist.
    """
    if len(labels) < 2:
        raise DataError(f"images to pair: found {len(labels)} set(s); expected at least two")
    for name, found in labels.items():
        _check_labels(found, classes, name)
    rng = np.random.default_rng(seed)
    sizes = _sizes(count, valid, test)
    wanted = _quotas(sizes, classes, rng) if balance == "balanced" else sizes
    if way == "as_published":
        sets = [_gathered(found, classes) for found in labels.values()]
        rows, drawn = _draw(sets, np.asarray(wanted.sum(axis=0)), "all images", rng)
        splits = _dealt(wanted)
    else:
        parts = [_divided(found, classes, (valid, test), n, rng) for n, found in labels.items()]
        both = [
            _draw(sets, np.asarray(wanted[s]), SPLIT_NAMES[s], rng)
            for s, sets in enumerate(zip(*parts, strict=True))
        ]
        rows, drawn = (np.concatenate(arrays) for arrays in zip(*both, strict=True))
        splits = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((rng.random(count), splits))
    return Pairs(tuple(labels), rows[order], drawn[order], np.array(SPLIT_NAMES)[splits[order]])


def halve_by_label(labels: IntArray, seed: int = 0) -> tuple[IntArray, IntArray]:
    """Divide a set of images into two halves at random, each class by itself.

    Parameters
    ----------
    labels : ndarray of int64, shape (N,)
    seed : int

    Returns
    -------
    tuple of ndarray of int64
        Rows of each half, sorted; of a class with an odd number, the first has one more.
    """
    order = _shuffled_by_class(labels, np.random.default_rng(seed))
    rank = _rank(labels[order])
    return np.sort(order[rank % 2 == 0]), np.sort(order[rank % 2 == 1])


class _Members(NamedTuple):
    """Images of one set, or of a part of it: `rows` by class, and how many of each class."""

    rows: IntArray
    counts: IntArray


def _gathered(labels: IntArray, classes: int) -> _Members:
    return _Members(np.argsort(labels, kind="stable"), np.bincount(labels, minlength=classes))


def _divided(
    labels: IntArray,
    classes: int,
    shares: tuple[float, float],
    name: str,
    rng: np.random.Generator,
) -> list[_Members]:
    """Divide the images of a set into train, valid and test, each class by itself."""
    counts = np.bincount(labels, minlength=classes)
    valid, test = (np.maximum(np.rint(share * counts).astype(np.int64), 1) for share in shares)
    if (counts - valid - test < 1).any():
        bad = int((counts - valid - test).argmin())
        raise DataError(
            f"{name}: class {bad}: found {counts[bad]} images, {valid[bad]} for valid and "
            f"{test[bad]} for test; expected at least one for train"
        )
    order = _shuffled_by_class(labels, rng)
    of = labels[order]
    rank = _rank(of)
    part = np.where(rank < valid[of], 1, np.where(rank < (valid + test)[of], 2, 0))
    return [
        _Members(order[part == s], np.bincount(of[part == s], minlength=classes))
        for s in range(len(SPLIT_NAMES))
    ]


def _shuffled_by_class(labels: IntArray, rng: np.random.Generator) -> IntArray:
    shuffled = rng.permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


def _rank(ordered: IntArray) -> IntArray:
    """Return the place of each label among its equals, of labels in their order."""
    counts = np.bincount(ordered)
    return np.arange(len(ordered)) - (counts.cumsum() - counts)[ordered]


def _draw(
    sets: Sequence[_Members], wanted: IntArray, where: str, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Draw pairs without repetition: `wanted` in all, or of each class, shape () or (K,).

    The pairs of a class, or all, are numbered; numbers are drawn, and a number is taken
    apart into the places of its images, as digits are. Of each class: in their order.
    """
    counts = zip(*(members.counts.tolist() for members in sets), strict=True)
    existing = [math.prod(of_class) for of_class in counts]
    if sum(existing) >= 2**63:
        raise DataError(f"pairs: found {sum(existing)} that exist; expected less than 2^63")
    there = np.array(existing)
    _check_enough(wanted, there, sets, where)
    if wanted.ndim:
        labels = np.repeat(np.arange(len(there)), wanted)
        drawn = [rng.choice(t, w, replace=False) for t, w in zip(there, wanted, strict=True)]
        numbers = np.concatenate(drawn)
    else:
        numbers = rng.choice(there.sum(), wanted, replace=False)
        labels = np.searchsorted(there.cumsum(), numbers, side="right")
        numbers = numbers - (there.cumsum() - there)[labels]
    rows = np.empty((len(labels), len(sets)), np.int64)
    for m, members in enumerate(sets):
        numbers, place = np.divmod(numbers, members.counts[labels])
        first = members.counts.cumsum() - members.counts
        rows[:, m] = members.rows[first[labels] + place]
    return rows, labels


def _dealt(wanted: IntArray) -> NDArray[np.intp]:
    """Return the split of each pair that was drawn for all of them together.

    The pairs come in random order, or class after class; `wanted` is a number a split, or
    a split and class, shape (S,) or (S, K).
    """
    splits = np.arange(len(wanted))
    if wanted.ndim == 1:
        return np.repeat(splits, wanted)
    return np.repeat(np.tile(splits, wanted.shape[1]), wanted.T.ravel())


def _sizes(count: int, valid: float, test: float) -> IntArray:
    sizes = np.array([0, round(valid * count), round(test * count)])
    sizes[0] = count - sizes.sum()
    if sizes.min() < 1:
        found = ", ".join(f"{size} for {n}" for n, size in zip(SPLIT_NAMES, sizes, strict=True))
        raise ParameterError(f"{count} pairs leave {found}; expected at least one each")
    return sizes


def _quotas(sizes: IntArray, classes: int, rng: np.random.Generator) -> IntArray:
    """Return how many pairs of each class each split gets, shape (S, K).

    As cards are dealt, round after round: alike in each split, and in all together.
    """
    dealt = rng.permutation(classes)[np.arange(sizes.sum()) % classes]
    parts = np.split(dealt, sizes.cumsum()[:-1])
    return np.array([np.bincount(part, minlength=classes) for part in parts])


def _check_labels(labels: IntArray, classes: int, name: str) -> None:
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise DataError(f"{name}: found label {outside[0]}; expected 0 .. {classes - 1}")
    if len(lacking := np.flatnonzero(np.bincount(labels, minlength=classes) == 0)):
        raise DataError(
            f"{name}: found no image of class {lacking[0]}; expected some of each of {classes}"
        )


def _check_enough(
    wanted: IntArray, existing: IntArray, sets: Sequence[_Members], where: str
) -> None:
    """Check that no more pairs, or pairs of a class, are wanted than there are."""
    if not wanted.ndim and wanted > existing.sum():
        raise DataError(
            f"pairs: {where}: found {existing.sum()} that exist; expected the {wanted} that are "
            "asked for: ask for fewer"
        )
    if wanted.ndim and (wanted > existing).any():
        worst = int((existing - wanted).argmin())
        images = " x ".join(str(members.counts[worst]) for members in sets)
        raise DataError(
            f"pairs: {where}: class {worst}: found {existing[worst]} that exist, of {images} "
            f"images; expected the {wanted[worst]} that are asked for: ask for fewer"
        )
