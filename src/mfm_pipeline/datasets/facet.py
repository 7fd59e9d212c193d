"""Facet (now iMotions): one CSV file a video, a row a frame at a fixed rate.

The first columns of a row say which frame it is and where the face lies; the others are
features. Nothing in the header tells these files from other tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mfm_pipeline.datasets.arrays import as_features
from mfm_pipeline.datasets.csv_table import CsvTable
from mfm_pipeline.datasets.timing import check_rate
from mfm_pipeline.datasets.track import Kind, Track, TrackDataset, TrackFormat, regular_intervals
from mfm_pipeline.errors import DataError, ParameterError


@dataclass(frozen=True)
class Facet:
    """Facet's CSV files.

    Parameters
    ----------
    rate : float
        Rows a second.
    bookkeeping : int
        Columns at the left that are not features.

    Raises
    ------
    ParameterError
        If one of them is out of range.
    """

    kind: ClassVar[Kind] = "numbers"

    rate: float = 30.0
    bookkeeping: int = 5

    def __post_init__(self) -> None:
        check_rate(self.rate)
        count = self.bookkeeping
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ParameterError(f"bookkeeping is {count!r}; expected a number of columns, from 0")

    def columns(self, path: Path) -> tuple[str, ...]:
        """Return the names of the features; see `TrackFormat`."""
        return self._open(path).names[self.bookkeeping :]

    def read(self, path: Path) -> Track:
        """Read the file; see `TrackFormat`."""
        table = self._open(path)
        values = table.numbers(range(self.bookkeeping, len(table.names)))
        return Track(regular_intervals(len(values), self.rate), as_features(values))

    def _open(self, path: Path) -> CsvTable:
        table = CsvTable.open(path)
        if len(table.names) <= self.bookkeeping:
            raise DataError(
                f"{path}: header: found {len(table.names)} columns; "
                f"expected features after {self.bookkeeping} bookkeeping columns"
            )
        return table


class FacetDataset(TrackDataset):
    """Kedro dataset of one of Facet's CSV files; read only.

    Parameters
    ----------
    filepath : str
    rate, bookkeeping
        See `Facet`.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    format: ClassVar[type[TrackFormat]] = Facet
