"""The flaws of real files, put into sequences that are sound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Entry = tuple[NDArray[np.float64], NDArray[Any]]
"""Intervals ``(N, 2)`` in seconds, and features ``(N, d)`` or words ``(N,)``."""


def shuffled(entry: Entry, rng: np.random.Generator) -> Entry:
    """Return the rows of `entry` in random order."""
    order = rng.permutation(len(entry[0]))
    return entry[0][order], entry[1][order]


def with_gaps(entry: Entry, rng: np.random.Generator) -> Entry:
    """Return `entry` without the frames of three stretches of up to a second."""
    intervals, features = entry
    starts = rng.uniform(intervals[0, 0], intervals[-1, 1], size=3)
    ends = starts + rng.uniform(0.3, 1.0, size=3)
    middle = intervals.mean(axis=1)[:, None]
    keep = ~((middle >= starts) & (middle < ends)).any(axis=1)
    return intervals[keep], features[keep]


def with_bad_frames(entry: Entry, share: float, rng: np.random.Generator) -> Entry:
    """Return `entry` with a `share` of bad frames.

    Half of them are NaN throughout (no voice found), half are -inf in one
    feature (the logarithm of an empty frame).
    """
    intervals, features = entry[0], entry[1].copy()
    draw = rng.random(len(features))
    features[draw < 0.5 * share] = np.nan
    empty = np.flatnonzero((draw >= 0.5 * share) & (draw < share))
    features[empty, rng.integers(features.shape[1], size=len(empty))] = -np.inf
    return intervals, features


def lacking(
    videos: list[str], sequences: tuple[str, ...], share: float, rng: np.random.Generator
) -> dict[str, str]:
    """Choose which videos lack which sequence, the sequences taking turns.

    Returns
    -------
    dict of str to str
        Sequence by video, for ``round(share * len(videos))`` videos.
    """
    chosen = rng.permutation(len(videos))[: round(share * len(videos))]
    return {videos[v]: sequences[i % len(sequences)] for i, v in enumerate(chosen)}
