"""The raw entry of a corpus: its folder, and what lies in it.

Nothing is decided here: which files are used, and for what, is the ingestion's choice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from mfm_pipeline.datasets.bundle import Bundle
from mfm_pipeline.datasets.csd import ComputationalSequence, SequenceReader, write_sequence
from mfm_pipeline.datasets.label_table import LabelTable, read_label_table
from mfm_pipeline.datasets.npz import read_npz
from mfm_pipeline.datasets.pickled import read_pickled
from mfm_pipeline.datasets.prepared import PreparedArray
from mfm_pipeline.datasets.split_file import read_split_file
from mfm_pipeline.errors import DataError

_WANTED = (
    "expected a corpus: computational sequences (*.csd: words, features, labels), a file a "
    "video (words/*, acoustic/*, ... and labels.csv) or prepared arrays (y_train.h5, "
    "audio_train.h5, ..., or one *.pkl or *.npz)"
)
_DEPTH = 3
"""Folders below that of the corpus are looked into so far."""


@dataclass(frozen=True)
class RawFolder:
    """What lies in a corpus's folder.

    Parameters
    ----------
    path : Path
    files : tuple of str
        Its files, sorted, those of folders as ``folder/name``; hidden and temporary ones
        are not listed.
    """

    path: Path
    files: tuple[str, ...]

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Return the files that match a glob, upper or lower case alike.

        A ``*`` stands for part of one name: ``*.csv`` looks at the folder itself,
        ``acoustic/*`` into one folder, ``*/*.csv`` into all.
        """
        wanted = pattern.lower().split("/")
        return tuple(name for name in self.files if _matches(name.lower().split("/"), wanted))

    def open_sequence(self, file: str) -> SequenceReader:
        """Open a `.csd` file; the caller closes it. See `SequenceReader` for its errors."""
        return SequenceReader(self.path / file)

    def open_label_table(self, file: str) -> LabelTable:
        """Read a CSV of labels. See `read_label_table` for its errors."""
        return read_label_table(self.path / file)

    def read_splits(self, file: str) -> Mapping[str, tuple[str, ...]]:
        """Read the ids of each split. See `read_split_file` for its errors."""
        return read_split_file(self.path / file)

    def open_bundle(self, file: str) -> Bundle:
        """Read a file with the prepared arrays of all splits: a pickle, or an `.npz`."""
        path = self.path / file
        return read_npz(path) if path.suffix.lower() == ".npz" else read_pickled(path)

    def open_array(self, file: str) -> PreparedArray:
        """Look into a prepared array. See `PreparedArray` for its errors."""
        return PreparedArray(self.path / file)


class RawFolderDataset(AbstractDataset[Mapping[str, ComputationalSequence], RawFolder]):
    """Kedro dataset of a corpus's raw folder.

    Parameters
    ----------
    path : str
    required : bool
        Whether it is an error that the folder is missing or empty.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(
        self, *, path: str, required: bool = True, metadata: dict[str, Any] | None = None
    ) -> None:
        self._path = Path(path)
        self._required = required
        self.metadata = metadata

    def load(self) -> RawFolder:
        """List the folder.

        Raises
        ------
        DataError
            If it is missing or empty.
        """
        if not self._required and not self._path.is_dir():
            return RawFolder(self._path, ())
        return list_folder(self._path, required=self._required)

    def save(self, data: Mapping[str, ComputationalSequence]) -> None:
        """Write sequences as `.csd`, each whole or not at all; none leave no trace.

        Parameters
        ----------
        data : mapping of str to ComputationalSequence
            By file name.
        """
        for name, sequence in data.items():
            if Path(name).name != name or name.startswith("."):
                raise DataError(f"{self._path}: found '{name}'; expected a plain file name")
            write_sequence(self._path / name, sequence)

    def _exists(self) -> bool:
        return self._path.is_dir() and bool(list_folder(self._path, required=False).files)

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


def list_folder(path: Path, *, required: bool = True) -> RawFolder:
    """Return what lies in a folder.

    Raises
    ------
    DataError
        If it is missing; or empty, and files are required.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; {_WANTED}")
    files = tuple(sorted(_files_below(path, _DEPTH)))
    if not files and required:
        raise DataError(f"{path}: found no files; {_WANTED}")
    return RawFolder(path, files)


def _files_below(folder: Path, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_file():
                yield entry.name
            elif depth and entry.is_dir():
                yield from (f"{entry.name}/{name}" for name in _files_below(Path(entry), depth - 1))


def _matches(parts: list[str], wanted: list[str]) -> bool:
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
