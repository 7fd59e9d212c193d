"""CMU computational sequences (`.csd`): one feature stream of all videos of a corpus.

An HDF5 file with one top-level group, named like the sequence, and in it
``data/<video>/intervals`` (N, 2), in seconds, ``data/<video>/features`` (N, D) and
``metadata/<key>``, each a JSON string. Words are byte strings of shape (N, 1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from kedro.io import AbstractDataset

from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.datasets.hdf5 import (
    child_dataset,
    child_group,
    open_hdf5,
    read_numbers,
    read_one_string,
    read_text,
    update_digest,
)
from mfm_pipeline.datasets.reading import reading
from mfm_pipeline.datasets.track import MAX_FEATURES, Kind, Track, video_of
from mfm_pipeline.errors import DataError

_NAMES = "dimension names"


@dataclass(frozen=True, eq=False)
class ComputationalSequence:
    """A whole `.csd` file in memory.

    Parameters
    ----------
    name : str
        Name of the top-level group, such as ``COVAREP``.
    entries : mapping of str to Track
        By video id.
    metadata : mapping, optional
        Anything that JSON can hold, by key.
    """

    name: str
    entries: Mapping[str, Track]
    metadata: Mapping[str, Any] = field(default_factory=dict)


class SequenceReader:
    """An open `.csd` file: its videos are listed at once, their arrays read one by one.

    Opening checks the structure of the whole file by its shapes alone. A video without
    a single frame counts as missing.

    Parameters
    ----------
    path : Path
    only : collection of str, optional
        Videos to look at; all by default.

    Attributes
    ----------
    name : str
        Name of the sequence.
    kind : {"numbers", "words"}
    width : int
        Features of a frame, D; 1 for words.
    names : tuple of str
        Names of the features, where the metadata give them; else empty.
    manner : str
        Empty: there is one way to read such a file.
    lengths : dict of str to int
        Frames of each entry, by key.
    videos : dict of str to list of str
        Keys of each video: its id alone, or one a segment (``abc[0]``, ``abc[1]``).

    Raises
    ------
    DataError
        If the file is not HDF5, is damaged, or is not laid out as above.
    """

    manner = ""

    def __init__(self, path: Path, only: Collection[str] | None = None) -> None:
        self.path = path
        self._only = only
        self._file = open_hdf5(path)
        try:
            with reading(path, "structure"):
                self.name, self._root = _root(self._file, path)
                self._data = child_group(self._root, "data", path)
                self._check_videos()
                self.names = self._read_names()
        except BaseException:
            self.close()
            raise

    def _check_videos(self) -> None:
        self.lengths: dict[str, int] = {}
        self.kind: Kind = "numbers"
        self.width = 0
        for key in self._data:
            if self._only is not None and video_of(key) not in self._only:
                continue
            length, width, kind = _layout(self._data, key, self.path)
            if not length:
                continue
            if not self.lengths:
                self.kind, self.width, first = kind, width, key
            elif (kind, width) != (self.kind, self.width):
                raise DataError(
                    f"{self.path}: video {key!r}, features: found {width} column(s) of {kind}; "
                    f"expected {self.width} of {self.kind}, as in video {first!r}"
                )
            self.lengths[key] = length
        self.videos: dict[str, list[str]] = {}
        for key in self.lengths:
            self.videos.setdefault(video_of(key), []).append(key)
        if not self.lengths:
            raise DataError(f"{self.path}: group 'data' holds no video with frames; expected some")

    def read(self, key: str) -> Track:
        """Read the intervals and features of one entry.

        Raises
        ------
        DataError
            If they cannot be read, or an interval is not finite.
        """
        with reading(self.path, f"video {key!r}"):  # Checked on opening, and still the same.
            group = self._data[key]
            stored, dataset = group["intervals"], group["features"]
        intervals = read_numbers(stored, self.path)
        intervals = intervals.astype(np.float64, copy=False)
        if not np.isfinite(intervals).all():
            row = int(np.flatnonzero(~np.isfinite(intervals).all(axis=1))[0])
            raise DataError(
                f"{self.path}: video {key!r}, intervals: found {intervals[row].tolist()} "
                f"in row {row}; expected finite seconds"
            )
        if self.kind == "words":
            return Track(intervals, read_text(dataset, self.path).reshape(-1))
        features = read_numbers(dataset, self.path).reshape(len(intervals), self.width)
        # What float32 cannot hold becomes infinite, and is cleaned as such.
        with np.errstate(over="ignore", invalid="ignore"):
            return Track(intervals, features.astype(np.float32, copy=False))

    def read_video(self, video: str) -> Track:
        """Read all entries of one video, one behind the other; see `read`."""
        tracks = [self.read(key) for key in self.videos[video]]
        if len(tracks) == 1:
            return tracks[0]
        intervals, features = zip(*tracks, strict=True)
        return Track(np.concatenate(intervals), np.concatenate(features))

    def files_of(self, video: str) -> tuple[Path, ...]:
        """Return the one file that all videos lie in."""
        return (self.path,)

    def size_of(self, video: str) -> int:
        """Return about how many bytes are read for a video."""
        return sum(self.lengths[key] for key in self.videos[video]) * self.width * 4

    def digest(self, video: str) -> str:
        """Return a digest of the bytes stored of a video."""
        found = hashlib.blake2b(digest_size=20)
        for key in self.videos[video]:
            with reading(self.path, f"video {key!r}"):
                for name in ("intervals", "features"):
                    update_digest(found, self._data[key][name], self.path)
        return found.hexdigest()

    def source(self, videos: Collection[str]) -> Callable[[], SequenceReader]:
        """Return what opens the file anew for `videos` alone, in another process too."""
        return partial(SequenceReader, self.path, frozenset(videos))

    def _read_names(self) -> tuple[str, ...]:
        group = self._root.get("metadata")
        if not isinstance(group, h5py.Group) or _NAMES not in group:
            return ()
        found = _metadata_value(group, _NAMES, self.path)
        usable = isinstance(found, list) and len(found) == self.width == len(set(map(str, found)))
        return tuple(map(str, found)) if usable and self.kind == "numbers" else ()

    def read_metadata(self) -> dict[str, Any]:
        """Read the metadata; a key whose value is not JSON keeps its text."""
        if "metadata" not in self._root:
            return {}
        group = child_group(self._root, "metadata", self.path)
        with reading(self.path, "metadata"):
            return {key: _metadata_value(group, key, self.path) for key in group}

    def __str__(self) -> str:
        return self.path.name

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> SequenceReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_sequence(path: Path) -> ComputationalSequence:
    """Read a whole `.csd` file; see `SequenceReader` for its errors."""
    with SequenceReader(path) as reader:
        entries = {key: reader.read(key) for key in reader.lengths}
        return ComputationalSequence(reader.name, entries, reader.read_metadata())


def write_sequence(path: Path, sequence: ComputationalSequence) -> None:
    """Write a `.csd` file, whole or not at all.

    Raises
    ------
    DataError
        If intervals and features of a video differ in length.
    """
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        root = file.create_group(sequence.name)
        data = root.create_group("data")
        for key, track in sequence.entries.items():
            _write_track(data.create_group(key), track, f"{path}: video {key!r}")
        metadata = root.create_group("metadata")
        for key, value in sequence.metadata.items():
            stored = metadata.create_dataset(key, (1,), dtype=h5py.string_dtype())
            stored[0] = json.dumps(value)


class ComputationalSequenceDataset(AbstractDataset[ComputationalSequence, ComputationalSequence]):
    """Kedro dataset of one `.csd` file.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> ComputationalSequence:
        """Read the file; see `SequenceReader` for its errors."""
        return read_sequence(self._path)

    def save(self, data: ComputationalSequence) -> None:
        """Write the file, whole or not at all."""
        write_sequence(self._path, data)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


def _root(file: h5py.File, path: Path) -> tuple[str, h5py.Group]:
    names = list(file)
    if len(names) != 1:
        raise DataError(
            f"{path}: found {len(names)} top-level groups; expected one, named like the sequence"
        )
    return names[0], child_group(file, names[0], path)


def _layout(data: h5py.Group, key: str, path: Path) -> tuple[int, int, Kind]:
    """Return frames, features a frame and kind of one video, after checking its shapes."""
    group = child_group(data, key, path)
    intervals = child_dataset(group, "intervals", path)
    features = child_dataset(group, "features", path)
    where = f"{path}: video {key!r}"
    if intervals.ndim != 2 or intervals.shape[1] != 2 or intervals.dtype.kind not in "fiu":
        raise DataError(
            f"{where}, intervals: found {intervals.dtype} of shape {intervals.shape}; "
            "expected numbers of shape (N, 2)"
        )
    words = features.dtype.kind == "S"
    if features.ndim not in (1, 2) or not (words or features.dtype.kind in "fiu"):
        raise DataError(
            f"{where}, features: found {features.dtype} of shape {features.shape}; "
            "expected numbers of shape (N, D) or byte strings of shape (N, 1)"
        )
    width = features.shape[1] if features.ndim == 2 else 1
    limit = 1 if words else MAX_FEATURES
    if not 1 <= width <= limit:
        raise DataError(f"{where}, features: found {width} columns; expected 1 to {limit}")
    if len(intervals) != len(features):
        raise DataError(
            f"{where}: found {len(intervals)} intervals and {len(features)} features; "
            "expected as many of one as of the other"
        )
    return len(intervals), width, "words" if words else "numbers"


def _metadata_value(group: h5py.Group, key: str, path: Path) -> Any:
    text = read_one_string(child_dataset(group, key, path), path)
    try:
        return json.loads(text)
    except ValueError:
        return text


def _write_track(group: h5py.Group, track: Track, where: str) -> None:
    intervals, features = track
    if np.shape(intervals) != (len(features), 2):
        raise DataError(
            f"{where}: found intervals of shape {np.shape(intervals)} and {len(features)} "
            "features; expected as many of one as of the other"
        )
    group.create_dataset("intervals", data=np.asarray(intervals, dtype=np.float64))
    if np.asarray(features).dtype.kind == "U":
        features = np.char.encode(features, "utf-8").reshape(-1, 1)
    group.create_dataset("features", data=features)
