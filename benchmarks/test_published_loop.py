"""Alignment of 10 videos of 300 words, against the loop that the CMU SDK publishes.

The SDK is not on the package index; its loop, as it is described in its papers, stands in:
for each word, all frames are compared with it, those that overlap gathered one by one, and
averaged. Measured once with the SDK itself, it took 2.7 s.

    pytest benchmarks/test_published_loop.py -s
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from mfm_pipeline.datasets import Track
from mfm_pipeline.features.align import align

VIDEOS, WORDS, SECONDS = 10, 300, 104.0
RATES = {"acoustic": (100.0, 74), "visual": (30.0, 47)}


def _corpus() -> list[tuple[np.ndarray, dict[str, Track]]]:
    rng = np.random.default_rng(0)
    corpus = []
    for _ in range(VIDEOS):
        begin = np.sort(rng.uniform(0, SECONDS, WORDS))
        words = np.stack([begin, np.append(begin[1:], SECONDS)], axis=1)
        tracks = {}
        for name, (rate, width) in RATES.items():
            edges = np.arange(int(SECONDS * rate) + 1) / rate
            features = rng.standard_normal((len(edges) - 1, width), dtype=np.float32)
            tracks[name] = Track(np.stack([edges[:-1], edges[1:]], axis=1), features)
        corpus.append((words, tracks))
    return corpus


def _published(words: np.ndarray, track: Track) -> np.ndarray:
    means = np.zeros((len(words), track.features.shape[1]))
    for row, (word_start, word_end) in enumerate(words):
        shared = np.minimum(track.intervals[:, 1], word_end)
        shared -= np.maximum(track.intervals[:, 0], word_start)
        gathered = [track.features[frame] for frame in np.flatnonzero(shared > 1e-5)]
        if gathered:
            means[row] = np.mean(gathered, axis=0, dtype=np.float64)
    return means


def test_ten_videos_of_three_hundred_words(
    benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = _corpus()

    def ours() -> list[np.ndarray]:
        return [align(words, *track)[0] for words, tracks in corpus for track in tracks.values()]

    found = benchmark(ours)
    began = time.perf_counter()
    expected = [_published(words, track) for words, tracks in corpus for track in tracks.values()]
    literal = time.perf_counter() - began
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    seconds = benchmark.stats.stats.min
    with capsys.disabled():
        print(f"\npublished loop {literal:.2f} s, ours {seconds:.3f} s, {literal / seconds:.0f}x")
    assert literal > 2 * seconds
