"""One stream of all videos of a corpus, whether it lies in one file or in many."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from mfm_pipeline.datasets.track import Kind, Track, TrackFormat
from mfm_pipeline.errors import DataError

#: What changes whenever a file is written: its size, its times and its place on disk.
Stamp = tuple[int, int, int, int]


class Stream(Protocol):
    """Frames or words of all videos: listed at once, read one video at a time.

    Attributes
    ----------
    path : Path
        The file, or the folder of the files; for messages.
    kind : {"numbers", "words"}
    width : int
        Features of a frame, D; 1 for words.
    names : tuple of str
        Names of the features; empty if the files give none.
    manner : str
        How the files are read: with another, the same bytes are other frames.
    """

    path: Path
    manner: str
    kind: Kind
    width: int
    names: tuple[str, ...]

    @property
    def videos(self) -> Collection[str]:
        """Ids of the videos that have frames."""

    def files_of(self, video: str) -> tuple[Path, ...]:
        """Return the files that a video is read from."""

    def size_of(self, video: str) -> int:
        """Return about how many bytes are read for a video."""

    def read_video(self, video: str) -> Track:
        """Read one video."""

    def digest(self, video: str) -> str:
        """Return a digest of what the files hold of a video."""

    def source(self, videos: Collection[str]) -> Callable[[], Stream]:
        """Return what opens the stream anew for `videos` alone, in another process too."""

    def close(self) -> None:
        """Close the files."""


class FileStream:
    """A stream of which each video is a file of its own, or several.

    Opening reads the head of every file; those of one stream have the same features.

    Parameters
    ----------
    path : Path
        The folder, for messages.
    files : mapping of str to tuple of Path
        By video, in the order in which they are put behind each other.
    format : TrackFormat

    Raises
    ------
    DataError
        If a file is not of that format, or differs from the others.
    """

    def __init__(
        self, path: Path, files: Mapping[str, tuple[Path, ...]], format: TrackFormat
    ) -> None:
        self.path, self._files, self._format = path, dict(files), format
        self.kind = format.kind
        self.manner = repr(format)
        first = next(file for found in self._files.values() for file in found)
        self.names = format.columns(first)
        self.width = 1 if self.kind == "words" else len(self.names)
        for found in self._files.values():
            for file in found:
                self._check_columns(file, first)

    def _check_columns(self, file: Path, first: Path) -> None:
        names = self._format.columns(file)
        if names == self.names:
            return
        if len(names) != len(self.names):
            raise DataError(
                f"{file}: found {len(names)} features; "
                f"expected {len(self.names)}, as in {first.name}"
            )
        column = next(i for i, name in enumerate(names) if name != self.names[i])
        raise DataError(
            f"{file}: found feature '{names[column]}' in place {column}; "
            f"expected '{self.names[column]}', as in {first.name}"
        )

    @property
    def videos(self) -> Collection[str]:
        """Ids of the videos."""
        return self._files.keys()

    def files_of(self, video: str) -> tuple[Path, ...]:
        """Return the files of a video."""
        return self._files[video]

    def size_of(self, video: str) -> int:
        """Return how many bytes the files of a video have."""
        return sum(file.stat().st_size for file in self._files[video])

    def read_video(self, video: str) -> Track:
        """Read the files of a video, one behind the other; see `TrackFormat.read`."""
        tracks = [self._format.read(file) for file in self._files[video]]
        for file, track in zip(self._files[video], tracks, strict=True):
            if self.kind == "numbers" and track.features.shape[1] != self.width:
                raise DataError(
                    f"{file}: found {track.features.shape[1]} features; "
                    f"expected {self.width}, as its head says"
                )
        if len(tracks) == 1:
            return tracks[0]
        intervals, features = zip(*tracks, strict=True)
        return Track(np.concatenate(intervals), np.concatenate(features))

    def digest(self, video: str) -> str:
        """Return a digest of the files' bytes."""
        found = hashlib.blake2b(digest_size=20)
        for path in self._files[video]:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "blake2b").digest())
        return found.hexdigest()

    def source(self, videos: Collection[str]) -> Callable[[], FileStream]:
        """Return what opens the stream anew for `videos` alone."""
        chosen = {video: self._files[video] for video in videos}
        return partial(FileStream, self.path, chosen, self._format)

    def __str__(self) -> str:
        options = [f"{name} {v}" for name, v in vars(self._format).items() if v is not None]
        told = f" ({', '.join(options)})" if options else ""
        return f"{self.path.name}/, read as {type(self._format).__name__}{told}"

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def stamp(path: Path) -> Stamp:
    """Return what tells whether a file is still the one that it was."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
