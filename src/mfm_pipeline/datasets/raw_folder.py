"""The raw entry of a corpus: its folder, and what lies in it.

Nothing is decided here: which files are used, and for what, is the ingestion's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from mfm_pipeline.datasets.csd import ComputationalSequence, SequenceReader, write_sequence
from mfm_pipeline.datasets.prepared import PreparedArray
from mfm_pipeline.errors import DataError

_WANTED = (
    "expected a corpus: computational sequences (*.csd: words, features, labels) "
    "or prepared arrays (y_train.h5, audio_train.h5, ...)"
)


@dataclass(frozen=True)
class RawFolder:
    """What lies in a corpus's folder.

    Parameters
    ----------
    path : Path
    files : tuple of str
        Names of its files, sorted; hidden and temporary ones are not listed.
    """

    path: Path
    files: tuple[str, ...]

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Return the files that match a glob, upper or lower case alike."""
        return tuple(name for name in self.files if fnmatchcase(name.lower(), pattern.lower()))

    def open_sequence(self, file: str) -> SequenceReader:
        """Open a `.csd` file; the caller closes it. See `SequenceReader` for its errors."""
        return SequenceReader(self.path / file)

    def open_array(self, file: str) -> PreparedArray:
        """Look into a prepared array. See `PreparedArray` for its errors."""
        return PreparedArray(self.path / file)


class RawFolderDataset(AbstractDataset[Mapping[str, ComputationalSequence], RawFolder]):
    """Kedro dataset of a corpus's raw folder.

    Parameters
    ----------
    path : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> RawFolder:
        """List the folder.

        Raises
        ------
        DataError
            If it is missing or empty.
        """
        if not self._path.is_dir():
            raise DataError(f"{self._path}: no such folder; {_WANTED}")
        files = self._list()
        if not files:
            raise DataError(f"{self._path}: found no files; {_WANTED}")
        return RawFolder(self._path, files)

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

    def _list(self) -> tuple[str, ...]:
        names = (entry.name for entry in self._path.iterdir() if entry.is_file())
        return tuple(sorted(name for name in names if not name.startswith(".")))

    def _exists(self) -> bool:
        return self._path.is_dir() and bool(self._list())

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
