"""Alignment of a corpus the size of CMU-MOSI, from .csd files on disk to splits.

93 videos, 2.5 hours, acoustic frames at 100 Hz x 74, visual ones at 30 Hz x 47, 300-d word
vectors, 2,199 segments. Measured in a process of its own, on one core: the seconds and
the peak memory are the ingestion's alone. In the same run the published rule, as a
literal double loop in Python, aligns one video; its ratio to the fast path there, and
not an extrapolation, is what is reported.

    pytest benchmarks/test_alignment.py -s
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.datasets import ComputationalSequence, RawFolderDataset, SequenceReader, Track
from mfm_pipeline.features.align import align
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.pipelines.ingest_features.nodes import align_features

VIDEOS, SEGMENTS, SECONDS = 93, 2199, 9000.0
RATES = {"COVAREP": (100.0, 74), "Visual_Facet_41": (30.0, 47)}
ALLOWED_SECONDS, ALLOWED_MEGABYTES = 10.0, 1500.0


def _frames(rng: np.random.Generator, end: float, rate: float, width: int) -> Track:
    starts = np.arange(0, end, 1 / rate)
    features = rng.normal(size=(len(starts), width)).astype(np.float32)
    features[rng.integers(len(starts), size=20), rng.integers(width, size=20)] = -np.inf
    return Track(np.stack([starts, starts + 1 / rate], axis=1), features)


def _write_corpus(folder: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["TimestampedWords", "TimestampedWordVectors", *RATES, "Opinion_Labels"]
    entries: dict[str, dict[str, Track]] = {name: {} for name in names}
    for index in range(VIDEOS):
        video, end = f"video_{index:02}", SECONDS / VIDEOS
        edges = np.linspace(0, end, SEGMENTS // VIDEOS + 1 + (index < SEGMENTS % VIDEOS))
        segments = np.stack([edges[:-1], edges[1:]], axis=1)
        count = int(end * 2.9)
        begin = np.sort(rng.uniform(0, end, count))
        words = np.stack([begin, np.append(begin[1:], end)], axis=1)
        labels = rng.uniform(-3, 3, (len(segments), 1)).astype(np.float32)
        vectors = rng.normal(size=(count, 300)).astype(np.float32)
        entries["TimestampedWords"][video] = Track(words, rng.choice(["good", "film"], count))
        entries["TimestampedWordVectors"][video] = Track(words, vectors)
        entries["Opinion_Labels"][video] = Track(segments, labels)
        for name, (rate, width) in RATES.items():
            entries[name][video] = _frames(rng, end, rate, width)
    files = {f"CMU_MOSI_{n}.csd": ComputationalSequence(n, found) for n, found in entries.items()}
    RawFolderDataset(path=str(folder)).save(files)


def _options() -> IngestionOptions:
    videos = [f"video_{index:02}" for index in range(VIDEOS)]
    return IngestionOptions.model_validate(
        {
            "corpus": "benchmark",
            "modalities": {
                "language": {"csd": "*WordVectors.csd"},
                "acoustic": {"csd": "*COVAREP.csd"},
                "visual": {"csd": "*Facet_41.csd"},
            },
            "words": {"csd": "*TimestampedWords.csd"},
            "labels": {"csd": "*Labels.csd"},
            "workers": 1,
            "targets": {"names": ["sentiment"]},
            "folds": {"train": videos[:52], "valid": videos[52:62], "test": videos[62:]},
        }
    )


def _literal(words: Any, intervals: Any, features: Any) -> Any:
    """Apply the published rule, as written, with bad values skipped."""
    means = np.zeros((len(words), features.shape[1]), dtype=np.float32)
    for m, (word_start, word_end) in enumerate(words):
        members = []
        for n, (start, end) in enumerate(intervals):
            if min(word_end, end) - max(word_start, start) > 1e-5:
                members.append(n)
        if members:
            frames = features[members].astype(np.float64)
            good = np.isfinite(frames)
            total = np.where(good, frames, 0).sum(axis=0)
            means[m] = total / np.maximum(good.sum(axis=0), 1)
    return means


def _compare(folder: Path) -> dict[str, float]:
    with (
        SequenceReader(folder / "CMU_MOSI_COVAREP.csd") as frames,
        SequenceReader(folder / "CMU_MOSI_TimestampedWords.csd") as anchor,
    ):
        track, words = frames.read("video_00"), anchor.read("video_00").intervals
    fast_seconds = []
    for _ in range(5):
        began = time.process_time()
        fast, _ = align(words, track.intervals, track.features)
        fast_seconds.append(time.process_time() - began)
    began = time.process_time()
    literal = _literal(words.tolist(), track.intervals.tolist(), track.features)
    literal_seconds = time.process_time() - began
    np.testing.assert_allclose(fast, literal, rtol=1e-5, atol=1e-6)
    return {
        "literal_seconds_one_video": literal_seconds,
        "fast_seconds_one_video": min(fast_seconds),
        "ratio": literal_seconds / min(fast_seconds),
    }


def _measure(folder: Path) -> None:
    """Run in a process of its own: print what alignment took."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    raw = RawFolderDataset(path=str(folder)).load()
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as parts:
        corpus, _, _ = align_features(raw, pd.DataFrame(), Path(parts), _options())
    took = {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    samples = sum(len(split) for split in corpus.splits.values())
    result = {"samples": samples, **took, "peak_megabytes": peak, **_compare(folder)}
    print(json.dumps(result))


def test_a_corpus_like_cmu_mosi_aligns_within_bounds(
    benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_corpus(tmp_path)
    command = [sys.executable, __file__, str(tmp_path)]
    run = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True), rounds=1
    )
    result = json.loads(run.stdout.splitlines()[-1])
    benchmark.extra_info.update(result)
    with capsys.disabled():
        print()
        for name, value in result.items():
            print(f"{name:28} {value:10.3f}")
    assert result["samples"] == SEGMENTS
    assert result["cpu_seconds"] < ALLOWED_SECONDS
    assert result["peak_megabytes"] < ALLOWED_MEGABYTES
    assert result["ratio"] > 10


if __name__ == "__main__":
    _measure(Path(sys.argv[1]))
