"""Work on videos is done once, by content, in any number of processes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mfm_pipeline.datasets.array_file import ArrayFile
from mfm_pipeline.datasets.stream import FileStream
from mfm_pipeline.datasets.track import Track
from mfm_pipeline.errors import DataError
from mfm_pipeline.ingestion.parts import Arrays, Parts


class Total:
    """Sum the frames; leave a mark that it was done."""

    def __init__(self, marks: Path, factor: float = 1.0, refused: float = -1.0) -> None:
        self.marks, self.factor, self.refused = marks, factor, refused

    def key(self) -> bytes:
        return repr(self.factor).encode()

    def __call__(self, track: Track) -> Arrays:
        if track.features[0, 0] == self.refused:
            raise DataError("b.npy: refused")
        total = track.features.sum(axis=0) * self.factor
        (self.marks / f"{os.getpid()}_{total.sum()}").touch()
        return {"total": total}


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def _write(folder: Path, video: str, value: float) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{video}.npy"
    np.save(path, np.full((3, 2), value, dtype=np.float32))
    return path


def _stream(folder: Path) -> FileStream:
    files = {path.stem: (path,) for path in sorted(folder.glob("*.npy"))}
    return FileStream(folder, files, ArrayFile(rate=10.0))


def _totals(
    folder: Path, parts: Parts, marks: Path, factor: float = 1.0
) -> tuple[dict[str, float], int]:
    """Return the totals, and how many of them were worked out just now."""
    for mark in marks.iterdir():
        mark.unlink()
    stream = _stream(folder)
    works = {video: Total(marks, factor) for video in stream.videos}
    found = {video: float(part["total"][0]) for video, part in parts.results(stream, works, "x")}
    worked_out = len(list(marks.iterdir()))
    assert parts.done == worked_out
    return found, worked_out


def _parts(tmp_path: Path, workers: int = 1) -> Parts:
    (tmp_path / "parts").mkdir(exist_ok=True)
    return Parts(tmp_path / "parts", workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_only_what_changed_is_done_again(workers: int, tmp_path: Path, marks: Path) -> None:
    videos = tmp_path / "videos"
    for index in range(4):
        _write(videos, f"v{index}", index)
    expected = {f"v{index}": 3.0 * index for index in range(4)}
    assert _totals(videos, _parts(tmp_path, workers), marks) == (expected, 4)
    assert _totals(videos, _parts(tmp_path, workers), marks) == (expected, 0)
    _write(videos, "v2", 7.0)
    expected["v2"] = 21.0
    assert _totals(videos, _parts(tmp_path, workers), marks) == (expected, 1)
    _write(videos, "v9", 11.0)
    expected["v9"] = 33.0
    assert _totals(videos, _parts(tmp_path, workers), marks) == (expected, 1)
    doubled = {video: 2 * total for video, total in expected.items()}
    assert _totals(videos, _parts(tmp_path, workers), marks, factor=2.0) == (doubled, 5)


def test_it_is_the_content_that_counts(tmp_path: Path, marks: Path) -> None:
    videos = tmp_path / "videos"
    path = _write(videos, "a", 1.0)
    _totals(videos, _parts(tmp_path), marks)
    before = path.stat()
    _write(videos, "a", 1.0)  # Written again, the same.
    assert _totals(videos, _parts(tmp_path), marks) == ({"a": 3.0}, 0)
    _write(videos, "a", 2.0)  # Another content of the same size, its time set back.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert _totals(videos, _parts(tmp_path), marks) == ({"a": 6.0}, 1)


def test_damaged_parts_are_made_again(tmp_path: Path, marks: Path) -> None:
    videos = tmp_path / "videos"
    _write(videos, "a", 1.0)
    _totals(videos, _parts(tmp_path), marks)
    for damage in (b"", b"PK\x03\x04 nothing", None):
        (part,) = (tmp_path / "parts").glob("*.npz")
        content = part.read_bytes()
        part.write_bytes(content[: len(content) // 2] if damage is None else damage)
        assert _totals(videos, _parts(tmp_path), marks) == ({"a": 3.0}, 1)
    (tmp_path / "parts" / "index.json").write_text("{")
    assert _totals(videos, _parts(tmp_path), marks) == ({"a": 3.0}, 0)


def test_what_nobody_asked_for_is_removed(tmp_path: Path, marks: Path) -> None:
    videos = tmp_path / "videos"
    _write(videos, "a", 1.0)
    _totals(videos, _parts(tmp_path), marks)
    (tmp_path / "parts" / ".x.npz.12.tmp").write_bytes(b"half")
    parts = _parts(tmp_path)
    _totals(videos, parts, marks, factor=3.0)
    parts.prune()
    assert len(list((tmp_path / "parts").glob("*.npz"))) == 1
    assert not list((tmp_path / "parts").glob(".*"))
    assert _totals(videos, _parts(tmp_path), marks, factor=3.0) == ({"a": 9.0}, 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_names_the_file_and_keeps_what_is_done(
    workers: int, tmp_path: Path, marks: Path
) -> None:
    videos = tmp_path / "videos"
    _write(videos, "a", 1.0)
    _write(videos, "b", 2.0)
    stream = _stream(videos)
    works = {video: Total(marks, refused=2.0) for video in stream.videos}
    with pytest.raises(DataError, match=r"b\.npy"):
        list(_parts(tmp_path, workers).results(stream, works, "x"))
    found, done = _totals(videos, _parts(tmp_path, workers), marks)
    assert found == {"a": 3.0, "b": 6.0} and done == 1
