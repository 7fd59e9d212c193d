"""What pipelines left in the folder of results: tables, figures, pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from mfm_pipeline.datasets.stated_table import StatedTableDataset
from mfm_pipeline.errors import DataError

_AS_WRITTEN = {"keep_default_na": False, "na_values": [""]}
"""A class called NA, or a method called None, is a name."""


@dataclass(frozen=True)
class Results:
    """A folder with a folder a corpus; files are read when asked for.

    Parameters
    ----------
    path : Path
    """

    path: Path

    @property
    def corpora(self) -> tuple[str, ...]:
        """Folders of corpora that hold anything, in alphabetical order."""
        if not self.path.is_dir():
            return ()
        folders = (p for p in self.path.iterdir() if p.is_dir() and p.name[0] != ".")
        return tuple(sorted(p.name for p in folders if any(p.iterdir())))

    def table(self, corpus: str, name: str) -> pd.DataFrame | None:
        """Return a table, with what it states in ``attrs``; None if there is none.

        Parameters
        ----------
        corpus : str
        name : str
            ``comparison``, or ``digits/model_comparison`` in a folder of a namespace.

        Raises
        ------
        DataError
            If it cannot be read.
        """
        path = self.path / corpus / f"{name}.csv"
        if not path.is_file():
            return None
        try:
            table: pd.DataFrame = StatedTableDataset(
                filepath=str(path), load_args=_AS_WRITTEN
            ).load()
        except DatasetError as error:
            raise DataError(
                f"{path}: cannot be read as a table; make it again, or remove it"
            ) from error
        return table

    def files(self, corpus: str, pattern: str) -> tuple[Path, ...]:
        """Return the files of a corpus that match a pattern, in alphabetical order."""
        found = (self.path / corpus).glob(pattern)
        return tuple(sorted(p for p in found if p.is_file() and p.name[0] != "."))


class ResultsDataset(AbstractDataset[None, Results]):
    """Kedro dataset of the folder of results, of all corpora; read only.

    It is there even if nothing has been run.

    Parameters
    ----------
    path : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Results:
        """Return the folder."""
        return Results(self._path)

    def save(self, data: None) -> None:
        """Refuse: each pipeline writes its own results."""
        raise DataError(f"{self._path}: results are not saved as a whole")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
