"""Gather the words of a video into its labelled segments."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray
from mfm_pipeline.features.overlap import Intervals, Positions, find_overlaps


class Members(NamedTuple):
    """Pairs of segment and word, by segment and then in the order of time.

    Parameters
    ----------
    segments, words : ndarray of int
    """

    segments: Positions
    words: Positions


def find_dropped(
    words: Intervals, tokens: NDArray[np.str_] | None, pauses: tuple[str, ...], min_overlap: float
) -> tuple[BoolArray, BoolArray]:
    """Say which words are dropped: those too short, and pauses.

    Parameters
    ----------
    words : ndarray, shape (M, 2)
    tokens : ndarray of str, shape (M,), optional
    pauses : tuple of str
        Tokens that stand for silence.
    min_overlap : float
        Seconds; a shorter word is dropped, as published.

    Returns
    -------
    short, pause : ndarray of bool, shape (M,)
        No word is both.
    """
    short = words[:, 1] - words[:, 0] < min_overlap
    pause = np.zeros_like(short) if tokens is None else np.isin(tokens, pauses) & ~short
    return short, pause


def assign_words(segments: Intervals, words: Intervals, min_overlap: float = 1e-5) -> Members:
    """Say which words belong to which segment.

    A word belongs to every segment that holds its midpoint, segments being half-open.
    If none does, it belongs to the one it overlaps most, by more than `min_overlap`
    (the published rule; the earlier of equals). So where segments touch, a word lands
    in exactly one of them, also if rounding lets them overlap by up to 1e-5 s.

    Parameters
    ----------
    segments : ndarray, shape (S, 2)
    words : ndarray, shape (M, 2)
    min_overlap : float
        Seconds.
    """
    runs = list(find_overlaps(segments, words, min_overlap))
    if not runs:
        return Members(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp))
    word = np.concatenate([run.frames for run in runs])
    counts = np.concatenate([np.diff(run.offsets) for run in runs])
    segment = np.repeat(np.arange(len(segments)), counts)

    middle = words.mean(axis=1)[word]
    belongs = (middle >= segments[segment, 0]) & (middle < _trim_ends(segments)[segment])
    belongs |= _best_of_strays(segments[segment], words[word], word, belongs)

    segment, word = segment[belongs], word[belongs]
    order = np.lexsort((words[word, 1], words[word, 0], segment))
    return Members(segment[order], word[order])


def count_overlapping(segments: Intervals, tolerance: float = 1e-5) -> int:
    """Count the segments (S, 2) that share more than `tolerance` seconds with an earlier one."""
    order = np.lexsort((segments[:, 1], segments[:, 0]))
    ends = np.maximum.accumulate(segments[order, 1])
    return int((np.minimum(ends[:-1], segments[order[1:], 1]) - segments[order[1:], 0]
                > tolerance).sum())  # fmt: skip


def last_steps(members: Members, segments: int, steps: int) -> Positions:
    """Left-pad the words of each segment; of a longer segment keep the last.

    Parameters
    ----------
    members : Members
    segments : int
        How many segments there are, S.
    steps : int

    Returns
    -------
    ndarray of int, shape (S, steps)
        Index of the word at each step, -1 where there is none.
    """
    slots = np.full((segments, steps), -1, dtype=np.intp)
    ends = np.searchsorted(members.segments, members.segments, side="right")
    step = steps - (ends - np.arange(len(ends)))
    kept = step >= 0
    slots[members.segments[kept], step[kept]] = members.words[kept]
    return slots


def fill_steps(slots: Positions, values: NDArray[Any]) -> NDArray[Any]:
    """Put the values of words (M, ...) at their steps (S, steps, ...), zero elsewhere."""
    filled = np.zeros(slots.shape + values.shape[1:], dtype=values.dtype)
    used = slots >= 0
    filled[used] = values[slots[used]]
    return filled


def fit_steps(values: NDArray[Any], steps: int) -> NDArray[Any]:
    """Bring (n, T, ...) to `steps`: the last are kept, or zeros (or "") put before them."""
    length = values.shape[1]
    if length >= steps:
        return values[:, length - steps :]
    padding = np.zeros((len(values), steps - length, *values.shape[2:]), dtype=values.dtype)
    return np.concatenate([padding, values], axis=1)


def _best_of_strays(
    segments: Intervals, words: Intervals, word: Positions, belongs: BoolArray
) -> BoolArray:
    """Mark, for each word without a segment yet, the pair that shares most."""
    shared = np.minimum(segments[:, 1], words[:, 1]) - np.maximum(segments[:, 0], words[:, 0])
    order = np.lexsort((segments[:, 0], -shared, ~belongs, word))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = word[order][1:] != word[order][:-1]
    best = np.zeros(len(order), dtype=np.bool_)
    best[order[first]] = True
    return best & ~belongs


def _trim_ends(segments: Intervals, tolerance: float = 1e-5) -> NDArray[np.float64]:
    """Return ends of segments; where another begins up to `tolerance` before one, its start."""
    starts = np.sort(segments[:, 0])
    ends = segments[:, 1]
    position = np.searchsorted(starts, ends - tolerance, side="left")
    following = starts[np.minimum(position, len(starts) - 1)]
    touching = (following >= ends - tolerance) & (following < ends)
    touching &= following > segments[:, 0]
    return np.where(touching, following, ends)
