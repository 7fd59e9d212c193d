"""Ingestion in time and memory as corpora grow, and after one file has changed.

Two corpora, each at 1x, 2x and 4x:

- ``mosei``: a tenth of CMU-MOSEI's 65 hours and 23,453 segments at 4x, as computational
  sequences: 74 acoustic features at 100 Hz, 35 visual at 30 Hz, 300-d word vectors.
- ``files``: 1,000 videos of 2 minutes at 4x, a file a video: COVAREP `.mat`, TextGrid
  words, labels.csv. Then one video is changed and ingestion runs again.

Each run is a process of its own, with as many workers as there are cores: alignment, then
selection and scaling. Memory is the peak of what they all hold at one time; of the nodes
after alignment, of the process alone, as workers end when they have been idle for seconds.
What is said of the whole of CMU-MOSEI is a straight line through the runs.

    pytest benchmarks/test_ingestion_scale.py -s
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io
from scipy.stats import linregress

from mfm_pipeline.datasets import ComputationalSequence, RawFolderDataset, Track
from mfm_pipeline.ingestion.options import IngestionOptions, ScalingOptions, SelectionOptions
from mfm_pipeline.pipelines.ingest_features.nodes import (
    align_features,
    embed_words,
    fit_scaling,
    fit_selection,
    scale_features,
)

SCALES = (1, 2, 4)
HOURS, SEGMENTS, VIDEO_SECONDS = 65.0, 23_453, 72.0  # CMU-MOSEI: 3,228 videos.
ALLOWED_MINUTES, ALLOWED_GIGABYTES = 10.0, 2.0
FILES_VIDEOS, FILES_SECONDS = 250, 120.0
WORDS = np.array(["so", "the", "film", "good", "really", "not", "a", "story"])


def _frames(rng: np.random.Generator, end: float, rate: float, width: int) -> Track:
    edges = np.arange(int(end * rate) + 1) / rate
    features = rng.standard_normal((len(edges) - 1, width), dtype=np.float32)
    return Track(np.stack([edges[:-1], edges[1:]], axis=1), features)


def _words(rng: np.random.Generator, end: float) -> np.ndarray:
    begin = np.sort(rng.uniform(0, end, int(end * 2.9)))
    return np.stack([begin, np.append(begin[1:], end)], axis=1)


def _segments(end: float, count: int) -> np.ndarray:
    edges = np.linspace(0, end, count + 1)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def write_mosei(folder: Path, scale: int) -> None:
    rng = np.random.default_rng(0)
    hours = HOURS / 10 * scale / SCALES[-1]
    videos = round(hours * 3600 / VIDEO_SECONDS)
    segments = round(SEGMENTS / 10 * scale / SCALES[-1])
    names = ["TimestampedWords", "TimestampedWordVectors", "COVAREP", "Facet_42", "Labels"]
    entries: dict[str, dict[str, Track]] = {name: {} for name in names}
    for index in range(videos):
        video = f"video_{index:04}"
        words = _words(rng, VIDEO_SECONDS)
        vectors = rng.standard_normal((len(words), 300), dtype=np.float32)
        own = segments // videos + (index < segments % videos)
        labels = rng.uniform(-3, 3, (own, 1)).astype(np.float32)
        entries["TimestampedWords"][video] = Track(words, rng.choice(WORDS, len(words)))
        entries["TimestampedWordVectors"][video] = Track(words, vectors)
        entries["COVAREP"][video] = _frames(rng, VIDEO_SECONDS, 100.0, 74)
        entries["Facet_42"][video] = _frames(rng, VIDEO_SECONDS, 30.0, 35)
        entries["Labels"][video] = Track(_segments(VIDEO_SECONDS, own), labels)
    files = {f"M_{name}.csd": ComputationalSequence(name, e) for name, e in entries.items()}
    RawFolderDataset(path=str(folder)).save(files)


def write_files(folder: Path, scale: int) -> None:
    rng = np.random.default_rng(0)
    for name in ("covarep", "visual", "words"):
        (folder / name).mkdir(parents=True)
    rows = ["video,start,end,sentiment"]
    for index in range(FILES_VIDEOS * scale):
        video = f"video_{index:04}"
        write_video(folder, video, rng)
        for start, end in _segments(FILES_SECONDS, 12).tolist():
            rows.append(f"{video},{start!r},{end!r},{rng.uniform(-3, 3)!r}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def write_video(folder: Path, video: str, rng: np.random.Generator) -> None:
    acoustic = _frames(rng, FILES_SECONDS, 100.0, 74).features
    scipy.io.savemat(folder / "covarep" / f"{video}.mat", {"features": acoustic})
    visual = _frames(rng, FILES_SECONDS, 30.0, 35)
    np.savez(folder / "visual" / f"{video}.npz", features=visual.features, intervals=visual[0])
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0"]
    words = _words(rng, FILES_SECONDS)
    lines += [repr(FILES_SECONDS), "<exists>", "1", '"IntervalTier"', '"word"', "0"]
    lines += [repr(FILES_SECONDS), str(len(words))]
    for start, end in words.tolist():
        lines += [repr(start), repr(end), f'"{rng.choice(WORDS)}"']
    (folder / "words" / f"{video}.TextGrid").write_text("\n".join(lines) + "\n")


def _options() -> IngestionOptions:
    return IngestionOptions.model_validate(
        {
            "corpus": "benchmark",
            "modalities": {
                "language": {"csd": "*WordVectors.csd"},
                "acoustic": {"csd": "*COVAREP.csd", "files": [{"glob": "covarep/*"}]},
                "visual": {"csd": "*Facet*.csd", "files": [{"glob": "visual/*"}]},
            },
            "words": {"csd": "*TimestampedWords.csd", "files": [{"glob": "words/*"}]},
            "labels": {"csd": "*Labels.csd", "table": "labels.csv"},
            "targets": {"names": ["sentiment"]},
            "workers": os.cpu_count(),
        }
    )


def _measure(folder: Path) -> None:
    """Run in a process of its own: print what ingestion took."""
    parts = folder.parent / f"{folder.name}_parts"
    parts.mkdir(exist_ok=True)
    options = _options()
    memory = _Memory()
    nothing = RawFolderDataset(path=str(folder.parent / "none"), required=False).load()
    began = time.perf_counter()
    raw = RawFolderDataset(path=str(folder)).load()
    embed_words(raw, nothing, parts, options)
    corpus, _, _ = align_features(raw, pd.DataFrame(), parts, options)
    aligned, aligning = time.perf_counter() - began, memory.all_processes
    memory.this_process = 0.0
    selection = fit_selection(corpus, SelectionOptions())
    scaling = fit_scaling(corpus, selection, ScalingOptions())
    scale_features(corpus, selection, scaling)
    held = sum(
        m.values.nbytes for split in corpus.splits.values() for m in split.modalities.values()
    )
    result = {
        "samples": sum(map(len, corpus.splits.values())),
        "aligned": aligned,
        "seconds": time.perf_counter() - began,
        "result_megabytes": held / 2**20,
        "megabytes": aligning,
        "scaling_megabytes": memory.this_process,
    }
    print(json.dumps(result))


class _Memory(threading.Thread):
    """Watches the memory of this process and of its workers, all together."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.all_processes = self.this_process = 0.0
        self.start()

    def run(self) -> None:
        while True:
            own = _megabytes(os.getpid())
            self.this_process = max(self.this_process, own)
            self.all_processes = max(self.all_processes, own + sum(map(_megabytes, _children())))
            time.sleep(0.05)


def _megabytes(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # It has just ended.
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def _children() -> list[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _run(folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _show(label: str, result: dict[str, float]) -> None:
    print(f"{label:14}" + "  ".join(f"{key} {value:.1f}" for key, value in result.items()))


def test_the_whole_of_cmu_mosei(
    benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = []
    for scale in SCALES:
        write_mosei(tmp_path / f"x{scale}", scale)
        results.append(_run(tmp_path / f"x{scale}"))
    benchmark.pedantic(lambda: _run(tmp_path / "x4"), rounds=1)
    hours = [HOURS / 10 * scale / SCALES[-1] for scale in SCALES]
    line = {
        key: linregress(hours, [found[key] for found in results])
        for key in ("aligned", "seconds", "megabytes", "scaling_megabytes")
    }
    whole = {key: fit.intercept + fit.slope * HOURS for key, fit in line.items()}
    with capsys.disabled():
        print()
        for scale, found in zip(SCALES, results, strict=True):
            _show(f"mosei {scale}x", found)
        _show("again, kept", _run(tmp_path / "x4"))
        _show("65 hours", whole)
    benchmark.extra_info.update(whole)
    assert whole["seconds"] < 60 * ALLOWED_MINUTES
    assert whole["megabytes"] < 1024 * ALLOWED_GIGABYTES
    assert whole["scaling_megabytes"] < 1024 * ALLOWED_GIGABYTES


def test_a_thousand_videos_and_one_that_changed(
    benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = []
    for scale in SCALES:
        write_files(tmp_path / f"x{scale}", scale)
        results.append(_run(tmp_path / f"x{scale}"))
    again = _run(tmp_path / "x4")
    write_video(tmp_path / "x4", "video_0007", np.random.default_rng(7))
    changed = benchmark.pedantic(lambda: _run(tmp_path / "x4"), rounds=1)
    with capsys.disabled():
        print()
        for scale, found in zip(SCALES, results, strict=True):
            _show(f"files {scale}x", found)
        _show("nothing new", again)
        _show("1 video new", changed)
    beyond = [found["megabytes"] - found["result_megabytes"] for found in results]
    assert beyond[-1] < 1.5 * beyond[0]
    assert changed["seconds"] < 0.25 * results[-1]["seconds"]


if __name__ == "__main__":
    _measure(Path(sys.argv[1]))
