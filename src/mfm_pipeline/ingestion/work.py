"""What is done with one video: all that another process has to import."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.stream import Stream
from mfm_pipeline.datasets.track import Track
from mfm_pipeline.features.align import BadFrames, align
from mfm_pipeline.features.clean import bad_rows
from mfm_pipeline.features.overlap import Intervals

Arrays = dict[str, NDArray[Any]]

_VERSION = 1


class Work(Protocol):
    """What is done with one video. It travels to other processes."""

    def key(self) -> bytes:
        """Return everything but the track that the result depends on."""

    def __call__(self, track: Track) -> Arrays:
        """Return what is kept."""


@dataclass(frozen=True, eq=False)
class ReadIntervals:
    """Keep the intervals of a video, and its words."""

    def key(self) -> bytes:
        """Return nothing: there are no parameters."""
        return b""

    def __call__(self, track: Track) -> Arrays:
        """Return the intervals, and tokens where the track holds words."""
        if track.features.dtype.kind != "U":
            return {"intervals": track.intervals}
        return {"intervals": track.intervals, "tokens": track.features}


@dataclass(frozen=True, eq=False)
class AlignFrames:
    """Average the frames of a video over its words.

    Parameters
    ----------
    words : ndarray, shape (M, 2)
    end : float
        Seconds at which the last word ends.
    min_overlap : float
    bad_frames : {"skip", "zero"}
    """

    words: Intervals
    end: float
    min_overlap: float
    bad_frames: BadFrames

    def key(self) -> bytes:
        """Return words and parameters."""
        parameters = repr((self.end, self.min_overlap, self.bad_frames))
        return parameters.encode() + np.ascontiguousarray(self.words).tobytes()

    def __call__(self, track: Track) -> Arrays:
        """Return means and which words have frames, and what is told of the frames."""
        means, observed = align(
            self.words, track.intervals, track.features,
            min_overlap=self.min_overlap, bad_frames=self.bad_frames,
        )  # fmt: skip
        return {
            "means": means,
            "observed": observed,
            "frames": np.array(len(track.features)),
            "bad": bad_rows(track.features).sum(),
            "late": (track.intervals[:, 0] >= self.end).sum(),
            "end": track.intervals[:, 1].max(initial=0.0),
        }


def do_chunk(
    source: Callable[[], Stream], works: Mapping[str, Work], folder: Path
) -> dict[str, str]:
    """Do the work on some videos; return the digest of what was read of each."""
    stream, digests = source(), {}
    try:
        for video, work in works.items():
            digests[video] = stream.digest(video)
            path = folder / f"{part_name(stream, digests[video], work)}.npz"
            if not path.exists():
                write_part(path, work(stream.read_video(video)))
    finally:
        stream.close()
    return digests


def part_name(stream: Stream, digest: str, work: Work) -> str:
    """Return the name of a result: a digest of all that it depends on."""
    named = f"{_VERSION} {type(work).__name__} {stream.manner} {digest} ".encode()
    return hashlib.blake2b(named + work.key(), digest_size=20).hexdigest()


def write_part(path: Path, arrays: Arrays) -> None:
    """Write a part under another name first; a damaged one is made again, so no fsync."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
