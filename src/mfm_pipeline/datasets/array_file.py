"""NumPy's own files of features: `.npy` at a fixed rate, `.npz` with intervals or a rate.

A `.npz` holds ``features`` (frames, D) and, if the rate is not fixed, ``intervals``
(frames, 2) in seconds. Nothing is unpickled, and no header is believed beyond the bytes
that are there.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.arrays import (
    as_features,
    check_compression,
    check_expansion,
    check_matrix,
    numbered_columns,
)
from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.datasets.timing import check_intervals, check_rate
from mfm_pipeline.datasets.track import Kind, Track, TrackDataset, TrackFormat, regular_intervals
from mfm_pipeline.errors import DataError

_EXPECTED = "an intact .npy or .npz file"


@dataclass(frozen=True)
class ArrayFile:
    """NumPy's files, `.npy` and `.npz`.

    Parameters
    ----------
    rate : float, optional
        Frames a second, from 0 s on, of files without intervals.

    Raises
    ------
    ParameterError
        If it is out of range.
    """

    kind: ClassVar[Kind] = "numbers"

    rate: float | None = None

    def __post_init__(self) -> None:
        if self.rate is not None:
            check_rate(self.rate)

    def columns(self, path: Path) -> tuple[str, ...]:
        """Return numbered names of the features; see `TrackFormat`."""
        with _opened(path, "features") as stored:
            return numbered_columns(stored.shape[1])

    def read(self, path: Path) -> Track:
        """Read the file; see `TrackFormat`."""
        with _opened(path, "features") as stored:
            features = as_features(stored.read())
        return Track(self._intervals(path, len(features)), features)

    def _intervals(self, path: Path, count: int) -> NDArray[np.float64]:
        if "intervals" not in _names(path):
            if self.rate is None:
                raise DataError(
                    f"{path}: found no intervals; expected an array 'intervals' in a .npz file, "
                    "or the parameter rate, in frames a second"
                )
            return regular_intervals(count, self.rate)
        with _opened(path, "intervals") as stored:
            if stored.shape != (count, 2):
                raise DataError(
                    f"{path}: intervals: found shape {stored.shape}; expected {(count, 2)}, "
                    "as there are features"
                )
            intervals = stored.read().astype(np.float64)
        check_intervals(intervals, lambda row: f"{path}: intervals, row {row}")
        return intervals


class ArrayFileDataset(TrackDataset):
    """Kedro dataset of one `.npy` or `.npz` file of features; read only.

    Parameters
    ----------
    filepath : str
    rate
        See `ArrayFile`.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    format: ClassVar[type[TrackFormat]] = ArrayFile


class _Stored:
    """An array in NumPy's format: its header, checked, and its numbers when asked for."""

    def __init__(self, stream: IO[bytes], size: int, where: str) -> None:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):  # The others are for headers that no matrix needs.
            raise DataError(f"{where}: found version {version} of the format; expected (1, 0)")
        with warnings.catch_warnings():  # Of files that Python 2 wrote.
            warnings.simplefilter("ignore")
            header = np.lib.format.read_array_header_1_0(stream)
        self.shape, self._columnwise, self._dtype = header
        check_matrix(self.shape, self._dtype.kind, where)
        claimed, there = math.prod(self.shape) * self._dtype.itemsize, size - stream.tell()
        if claimed != there:
            raise DataError(
                f"{where}: found {there} bytes of numbers; expected {claimed}, as the shape is "
                f"{self.shape}, of {self._dtype}"
            )
        self._stream = stream

    def read(self) -> NDArray[Any]:
        numbers = np.frombuffer(self._stream.read(), dtype=self._dtype)
        return numbers.reshape(self.shape, order="F" if self._columnwise else "C")


def _names(path: Path) -> tuple[str, ...]:
    """Return the names of the arrays in the file; a `.npy` file holds features alone."""
    check_file(path, _EXPECTED)
    with reading(path, "structure", _EXPECTED):
        if not _is_zip(path):
            return ("features",)
        with ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())


@contextmanager
def _opened(path: Path, name: str) -> Iterator[_Stored]:
    """Open one array of the file."""
    where = f"{path}: {name}"
    if name not in (names := _names(path)):
        found = ", ".join(repr(other)[:80] for other in names[:5]) or "nothing"
        raise DataError(f"{where}: missing; found {found}")
    with reading(path, name, _EXPECTED), ExitStack() as stack:
        size = path.stat().st_size
        if not _is_zip(path):
            yield _Stored(stack.enter_context(path.open("rb")), size, where)
            return
        archive = stack.enter_context(ZipFile(path))
        member = archive.getinfo(f"{name}.npy")
        check_compression(member, where)
        check_expansion(member.file_size, min(member.compress_size, size), where)
        yield _Stored(stack.enter_context(archive.open(member)), member.file_size, where)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"
