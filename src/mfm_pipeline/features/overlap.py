"""Which frames overlap which words, for any intervals, without a loop over either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray

Intervals = NDArray[np.float64]
Positions = NDArray[np.intp]

#: Pairs of word and frame looked at in one go; bounds the memory.
_BLOCK = 2**21


class Overlaps(NamedTuple):
    """Pairs of overlapping word and frame, for a run of words.

    Parameters
    ----------
    words : slice
        The words of this run.
    offsets : ndarray of int, shape (words + 1,)
        ``frames[offsets[i]:offsets[i + 1]]`` overlap the run's word ``i``.
    frames : ndarray of int
    """

    words: slice
    offsets: Positions
    frames: Positions


def find_overlaps(words: Intervals, frames: Intervals, min_overlap: float) -> Iterator[Overlaps]:
    """Find the pairs that share more than `min_overlap` seconds.

    Exactly the pairs for which ``min(ends) - max(starts) > min_overlap`` in float64:
    subtraction rounds monotonically, so the comparison may be split into one on the
    frames' starts and one on their ends. Intervals may be unsorted, nested, touching,
    empty or reversed.

    Parameters
    ----------
    words : ndarray, shape (M, 2)
    frames : ndarray, shape (N, 2)
    min_overlap : float
        Seconds, not negative.

    Yields
    ------
    Overlaps
        For consecutive runs of words, all words in all; the frames of a word in the
        order of their starts.
    """
    usable = np.flatnonzero(frames[:, 1] - frames[:, 0] > min_overlap)
    order = usable[np.argsort(frames[usable, 0], kind="stable")]
    starts, ends = frames[order, 0], frames[order, 1]
    reach = np.maximum.accumulate(ends)
    # Frames [first, last) begin before the word ends, and from the first that reaches
    # past the word's start on; those between may end too early where ends are unsorted.
    long_enough = words[:, 1] - words[:, 0] > min_overlap
    last = _count_while(lambda i: words[:, 1] - starts[i] > min_overlap, len(words), len(order))
    first = _count_while(lambda i: reach[i] - words[:, 0] <= min_overlap, len(words), len(order))
    lengths = np.where(long_enough, np.maximum(last - first, 0), 0)
    sorted_ends = len(ends) == 0 or bool((reach == ends).all())
    for run in _runs(lengths):
        owner, candidate = _expand(first[run], lengths[run])
        counts = lengths[run]
        if not sorted_ends:
            overlapping = ends[candidate] - words[run][owner, 0] > min_overlap
            candidate = candidate[overlapping]
            counts = np.bincount(owner[overlapping], minlength=len(counts))
        yield Overlaps(run, np.concatenate([[0], np.cumsum(counts)]), order[candidate])


def _count_while(holds: Callable[[Positions], BoolArray], count: int, size: int) -> Positions:
    """Length of the prefix of ``0 .. size`` for which `holds`, for each of `count` words.

    A binary search with the rule itself as the comparison, so that no rounding of a
    precomputed bound can differ from it.
    """
    low = np.zeros(count, dtype=np.intp)
    high = np.full(count, size, dtype=np.intp)
    while (low < high).any():
        middle = (low + high) // 2
        true = holds(np.minimum(middle, size - 1)) & (low < high)
        high = np.where(true, high, np.where(low < high, middle, high))
        low = np.where(true, middle + 1, low)
    return low


def _runs(lengths: Positions) -> Iterator[slice]:
    """Cut the words into runs of at most `_BLOCK` pairs (or one word)."""
    totals = np.cumsum(lengths)
    begin = 0
    while begin < len(lengths):
        used = totals[begin - 1] if begin else 0
        end = max(int(np.searchsorted(totals, used + _BLOCK, side="right")), begin + 1)
        yield slice(begin, end)
        begin = end


def _expand(first: Positions, lengths: Positions) -> tuple[Positions, Positions]:
    """Write out the ranges ``first[i] .. first[i] + lengths[i]``, and the ``i`` of each."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    begin = np.cumsum(lengths) - lengths
    return owner, np.arange(len(owner)) - begin[owner] + first[owner]
