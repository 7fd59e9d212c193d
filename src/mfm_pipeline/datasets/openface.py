"""OpenFace 2: one CSV file a video, a row a frame and face.

Columns ``frame, face_id, timestamp, confidence, success`` and then the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from mfm_pipeline.datasets.arrays import as_features
from mfm_pipeline.datasets.csv_table import CsvTable
from mfm_pipeline.datasets.timing import check_seconds, check_times, until_next
from mfm_pipeline.datasets.track import Kind, Track, TrackDataset, TrackFormat
from mfm_pipeline.errors import DataError, ParameterError

_NEEDED = ("timestamp", "confidence", "success")


@dataclass(frozen=True)
class OpenFace:
    """OpenFace's CSV files: the features of the surest face of each frame.

    A frame lasts until the next one of the file, so that a lost face leaves a gap. A video
    without a face has no frames.

    Parameters
    ----------
    min_confidence : float
        Rows below it, and rows without `success`, are not faces.

    Raises
    ------
    ParameterError
        If it does not lie between 0 and 1.
    """

    kind: ClassVar[Kind] = "numbers"

    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        value = self.min_confidence
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ParameterError(f"min_confidence is {value!r}; expected a number from 0 to 1")

    def columns(self, path: Path) -> tuple[str, ...]:
        """Return the names of the features; see `TrackFormat`."""
        table, needed = _open(path)
        return table.names[needed[-1] + 1 :]

    def read(self, path: Path) -> Track:
        """Read the file; see `TrackFormat`."""
        table, needed = _open(path)
        face_id = table.position("face_id")
        bookkeeping = needed if face_id is None else [*needed, face_id]
        features = range(needed[-1] + 1, len(table.names))
        values = table.numbers([*bookkeeping, *features])
        times, confidence, success = values[:, :3].T
        identity = np.zeros(len(values)) if face_id is None else values[:, 3]

        def where(row: int) -> str:
            return table.where(row, needed[0])

        check_seconds(times, where)
        frames, frame_of = np.unique(times, return_inverse=True)
        check_times(frames, where)
        faces = np.flatnonzero((success > 0) & (confidence >= self.min_confidence))
        surest_first = faces[np.lexsort((identity[faces], -confidence[faces]))]
        kept, first = np.unique(frame_of[surest_first], return_index=True)
        rows = surest_first[first]
        return Track(until_next(frames)[kept], as_features(values[rows, len(bookkeeping) :]))


class OpenFaceDataset(TrackDataset):
    """Kedro dataset of one of OpenFace's CSV files; read only.

    Parameters
    ----------
    filepath : str
    min_confidence
        See `OpenFace`.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    format: ClassVar[type[TrackFormat]] = OpenFace


def _open(path: Path) -> tuple[CsvTable, list[int]]:
    """Open the file, and find its timestamp, confidence and success."""
    table = CsvTable.open(path)
    found = [table.position(name) for name in _NEEDED]
    needed = [position for position in found if position is not None]
    if len(needed) < len(_NEEDED):
        missing = _NEEDED[found.index(None)]
        raise DataError(
            f"{path}: header: found no column {missing!r}; expected OpenFace's "
            "frame, face_id, timestamp, confidence, success and features"
        )
    if needed[-1] == len(table.names) - 1:
        raise DataError(f"{path}: header: found no column after 'success'; expected features")
    return table, needed
