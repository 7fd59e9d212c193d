"""Any table of features in a CSV file, for those that come from one's own programs.

When a row's frame is may be said by columns ``start`` and ``end``, or by one column
``time``, ``timestamp`` or ``frametime``, in seconds; or by a fixed rate. All other columns
are features.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.arrays import as_features
from mfm_pipeline.datasets.csv_table import CsvTable
from mfm_pipeline.datasets.timing import check_intervals, check_rate, check_times, until_next
from mfm_pipeline.datasets.track import Kind, Track, TrackDataset, TrackFormat, regular_intervals
from mfm_pipeline.errors import DataError

_SPAN = ("start", "end")
_TIME = ("time", "timestamp", "frametime")
_CHOICES = ((), _SPAN, *((name,) for name in _TIME))
_EXPECTED = "expected columns start and end, or one of time, timestamp and frametime"


@dataclass(frozen=True)
class Table:
    """Tables with a header; a frame given by one time lasts until the next.

    Parameters
    ----------
    rate : float, optional
        Rows a second, from 0 s on, of files that say no times.

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
        """Return the names of the features; see `TrackFormat`."""
        table, _, features = self._open(path)
        return tuple(table.names[position] for position in features)

    def read(self, path: Path) -> Track:
        """Read the file; see `TrackFormat`."""
        table, times, features = self._open(path)
        values = table.numbers([*times, *features])
        intervals = self._intervals(table, times, values)
        return Track(intervals, as_features(values[:, len(times) :]))

    def _open(self, path: Path) -> tuple[CsvTable, list[int], list[int]]:
        """Open the file, and find the columns of its times (none, one or two), and the others."""
        table = CsvTable.open(path)
        found = {name: table.position(name) for name in _SPAN + _TIME}
        times = [position for position in found.values() if position is not None]
        names = tuple(name for name, position in found.items() if position is not None)
        if names not in _CHOICES:
            raise DataError(f"{path}: header: found columns {', '.join(names)}; {_EXPECTED}")
        if not names and self.rate is None:
            raise DataError(
                f"{path}: header: found no times; {_EXPECTED}, in seconds, or the parameter "
                "rate, in rows a second"
            )
        features = [i for i in range(len(table.names)) if i not in times]
        if not features:
            raise DataError(f"{path}: header: found {table.names}; expected features too")
        return table, times, features

    def _intervals(
        self, table: CsvTable, times: list[int], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        def where(row: int) -> str:
            return table.where(row, times[0])

        if len(times) == 2:
            intervals = values[:, :2].copy()
            check_intervals(intervals, where)
            return intervals
        if len(times) == 1:
            check_times(values[:, 0], where)
            return until_next(values[:, 0])
        assert self.rate is not None
        return regular_intervals(len(values), self.rate)


class TableDataset(TrackDataset):
    """Kedro dataset of one table of features; read only.

    Parameters
    ----------
    filepath : str
    rate
        See `Table`.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    format: ClassVar[type[TrackFormat]] = Table
