"""Average the frames of a modality over each word."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mfm_pipeline.data import BoolArray
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.clean import zero_bad_values
from mfm_pipeline.features.overlap import Intervals, Overlaps, find_overlaps

BadFrames = Literal["skip", "zero"]


def align(
    words: Intervals,
    intervals: Intervals,
    features: NDArray[np.float32],
    *,
    min_overlap: float = 1e-5,
    bad_frames: BadFrames = "skip",
) -> tuple[NDArray[np.float32], BoolArray]:
    """Average frames over words, by the published rule.

    A frame belongs to a word if they overlap by more than `min_overlap` seconds; the
    word's feature is the plain mean of its frames; a word without any gets zeros.
    Sums are held in float64, word by word, so nothing is lost to cancellation.

    Parameters
    ----------
    words : ndarray, shape (M, 2)
        Starts and ends in seconds, in any order.
    intervals : ndarray, shape (N, 2)
        Those of the frames: unsorted, overlapping, nested, empty, gapped.
    features : ndarray of float32, shape (N, D)
        May hold NaN and infinities.
    min_overlap : float
        Seconds.
    bad_frames : {"skip", "zero"}
        ``skip`` leaves NaN and infinities out of the mean, value by value: a frame
        that is bad in one column still counts in the others, and a column without
        any good value is 0. ``zero``, the published way, averages everything and
        sets a mean that is not finite to 0, so one bad frame spoils the word.

    Returns
    -------
    means : ndarray of float32, shape (M, D)
    observed : ndarray of bool, shape (M,)
        Words that have a frame; with ``skip``, one with at least one good value.

    Raises
    ------
    DataError
        If intervals and features differ in length.
    """
    if len(intervals) != len(features):
        raise DataError(
            f"{len(intervals)} intervals, but {len(features)} features; expected as many"
        )
    means = np.zeros((len(words), features.shape[1]), dtype=np.float32)
    observed = np.zeros(len(words), dtype=np.bool_)
    good = np.isfinite(features)
    skip = bad_frames == "skip" and not good.all()
    values = features.astype(np.float64)
    if skip:
        values[~good] = 0.0
    for run in find_overlaps(words, intervals, min_overlap):
        belongs = _membership(run, len(features))
        frames = np.diff(run.offsets)[:, None]
        counts = _good_frames(belongs, good, frames) if skip else frames
        with np.errstate(invalid="ignore", over="ignore"):
            mean = (belongs @ values) / np.maximum(counts, 1)
        means[run.words] = zero_bad_values(mean.astype(np.float32))[0]
        observed[run.words] = (counts > 0).any(axis=1)
    return means, observed


def _membership(run: Overlaps, frames: int) -> sparse.csr_array:
    """Matrix of ones, words by frames: its product with features sums each word's frames."""
    ones = np.ones(len(run.frames))
    return sparse.csr_array((ones, run.frames, run.offsets), shape=(len(run.offsets) - 1, frames))


def _good_frames(
    belongs: sparse.csr_array, good: BoolArray, frames: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Frames with a finite value, for each word and column; few columns ever have a bad one."""
    columns = np.flatnonzero(~good.all(axis=0))
    counts = np.repeat(frames.astype(np.float64), good.shape[1], axis=1)
    counts[:, columns] = belongs @ good[:, columns].astype(np.float64)
    return counts
