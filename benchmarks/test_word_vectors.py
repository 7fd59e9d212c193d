"""The words of a corpus from a file of word vectors the size of glove.6B.300d.txt.

400,000 lines x 300 numbers, about 1 GB, read for 5,000 words. Measured in a process of its
own, on one core: the seconds and the peak memory are the reader's alone. In the same run,
`for line in file: line.decode().split()` goes over the same file; the ratio to it is what is
reported.

    pytest benchmarks/test_word_vectors.py -s
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfm_pipeline.datasets.word_vectors import read_word_vectors

LINES, WIDTH, WANTED = 400_000, 300, 5_000
ALLOWED_RATIO, ALLOWED_MEGABYTES = 2.0, 500.0


def _write(path: Path) -> None:
    """Write lines whose numbers are one of 1,000 rows; they are as long as real ones."""
    rng = np.random.default_rng(0)
    rows = [
        " ".join(f"{value:.5g}" for value in row).encode()
        for row in rng.normal(scale=0.4, size=(1000, WIDTH))
    ]
    with path.open("wb") as file:
        for line in range(LINES):
            file.write(b"word%d %b\n" % (line, rows[line % len(rows)]))


def _literal(path: Path) -> float:
    began = time.perf_counter()
    with path.open("rb") as file:
        for line in file:
            line.decode().split()
    return time.perf_counter() - began


def _measure(path: Path) -> None:
    """Run in a process of its own: print what reading took."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with path.open("rb") as file:  # So that both find the file in memory, as far as it goes.
        while file.read(2**24):
            pass
    wanted = [f"word{line}" for line in range(0, LINES, LINES // WANTED)]
    began = time.perf_counter()
    found = read_word_vectors(path, wanted)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    literal = _literal(path)
    result = {
        "words": len(found.words),
        "width": found.width,
        "seconds": seconds,
        "literal_seconds": literal,
        "ratio": seconds / literal,
        "peak_megabytes": peak,
    }
    print(json.dumps(result))


def test_a_table_like_glove_is_read_within_bounds(
    benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.txt"
    _write(path)
    command = [sys.executable, __file__, str(path)]
    try:
        run = benchmark.pedantic(
            lambda: subprocess.run(command, check=True, capture_output=True, text=True), rounds=1
        )
    finally:
        path.unlink()
    result = json.loads(run.stdout.splitlines()[-1])
    benchmark.extra_info.update(result)
    with capsys.disabled():
        print()
        for name, value in result.items():
            print(f"{name:28} {value:10.3f}")
    assert (result["words"], result["width"]) == (WANTED, WIDTH)
    assert result["ratio"] <= ALLOWED_RATIO
    assert result["peak_megabytes"] < ALLOWED_MEGABYTES


if __name__ == "__main__":
    _measure(Path(sys.argv[1]))
