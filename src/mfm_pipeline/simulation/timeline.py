"""When words, pauses and segments of a video take place. Times in seconds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.simulation.options import SampleOptions

FloatArray = NDArray[np.float64]

_SHORT = 0.008
"""Longest of the words that are shorter than an acoustic frame."""


class Timeline(NamedTuple):
    """Spoken words and labelled segments of one video.

    Attributes
    ----------
    counts : ndarray of int, shape (s,)
        Words of each segment.
    words : ndarray, shape (N, 2)
        Start and end of each word, in order.
    pauses : ndarray, shape (P, 2)
        Start and end of each pause between words, in order.
    segments : ndarray, shape (s, 2)
        Start and end of each segment.
    """

    counts: NDArray[np.int64]
    words: FloatArray
    pauses: FloatArray
    segments: FloatArray

    @property
    def segment_of_word(self) -> NDArray[np.int64]:
        """Segment of each word, shape ``(N,)``."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def word_at(self, times: FloatArray) -> NDArray[np.int64]:
        """Word spoken at each of the ascending `times`, or -1; same shape."""
        word = np.searchsorted(self.words[:, 0], times, side="right") - 1
        spoken = (word >= 0) & (times < self.words[word, 1])
        return np.where(spoken, word, -1)


def draw_timeline(options: SampleOptions, rng: np.random.Generator) -> Timeline:
    """Draw the lengths of words, pauses and of the silence between segments.

    Parameters
    ----------
    options : SampleOptions
    rng : numpy.random.Generator

    Returns
    -------
    Timeline
    """
    mean = options.words_per_segment
    spread = max(1, mean // 4)
    counts = rng.integers(mean - spread, mean + spread + 1, size=options.segments_per_video)
    n = int(counts.sum())
    length = rng.gamma(5.0, 0.052, size=n) + 0.02
    short = rng.random(n) < options.traps.short_words
    length[short] = _SHORT * rng.random(int(short.sum()))
    pause = np.where(rng.random(n) < options.traps.pauses, rng.uniform(0.08, 0.4, size=n), 0.0)
    last = np.cumsum(counts) - 1
    pause[last] = 0.0
    silence = np.zeros(n)
    silence[last] = rng.uniform(0.2, 0.8, size=len(last))
    end = rng.uniform(0.2, 0.8) + np.cumsum(length + pause + silence) - pause - silence
    start = end - length
    paused = pause > 0
    return Timeline(
        counts,
        np.column_stack([start, end]),
        np.column_stack([end, end + pause])[paused],
        np.column_stack([start[last - counts + 1], end[last]]),
    )
