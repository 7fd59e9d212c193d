"""openSMILE's CSV files: features of frames, or functionals of longer stretches.

Separated by semicolons, with columns ``name`` (of the recording), ``frameIndex``, both
optional, ``frameTime`` (start of the row, in seconds), and then the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mfm_pipeline.datasets.arrays import as_features
from mfm_pipeline.datasets.csv_table import CsvTable
from mfm_pipeline.datasets.timing import check_times, until_next
from mfm_pipeline.datasets.track import Kind, Track, TrackDataset, TrackFormat
from mfm_pipeline.errors import DataError


@dataclass(frozen=True)
class OpenSmile:
    """openSMILE's CSV files; a frame lasts until the next one."""

    kind: ClassVar[Kind] = "numbers"

    def columns(self, path: Path) -> tuple[str, ...]:
        """Return the names of the features; see `TrackFormat`."""
        table, _, features = _open(path)
        return tuple(table.names[position] for position in features)

    def read(self, path: Path) -> Track:
        """Read the file; see `TrackFormat`."""
        table, time, features = _open(path)
        values = table.numbers([time, *features])
        times = values[:, 0]
        check_times(times, lambda row: table.where(row, time))
        return Track(until_next(times), as_features(values[:, 1:]))


class OpenSmileDataset(TrackDataset):
    """Kedro dataset of one of openSMILE's CSV files; read only.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    format: ClassVar[type[TrackFormat]] = OpenSmile


def _open(path: Path) -> tuple[CsvTable, int, list[int]]:
    """Open the file, and find its time and its features."""
    table = CsvTable.open(path)
    time = table.position("frameTime")
    if time is None:
        raise DataError(
            f"{path}: header: found no column 'frameTime'; "
            "expected openSMILE's name;frameTime;... with time stamps"
        )
    bookkeeping = {time, table.position("name"), table.position("frameIndex")}
    features = [i for i in range(len(table.names)) if i not in bookkeeping]
    if not features:
        raise DataError(f"{path}: header: found {table.names}; expected features too")
    return table, time, features
