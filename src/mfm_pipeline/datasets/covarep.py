"""COVAREP: one MATLAB file a video, with a matrix ``features`` at a fixed rate.

Versions 5 to 7 of MATLAB's format hold it as (frames, D); 7.3, which is HDF5, the other
way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.arrays import as_features, check_matrix, numbered_columns
from mfm_pipeline.datasets.hdf5 import child_dataset, open_hdf5, read_numbers
from mfm_pipeline.datasets.mat5 import find_matrix
from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.datasets.timing import check_rate
from mfm_pipeline.datasets.track import Kind, Track, TrackDataset, TrackFormat, regular_intervals

#: The variable in every file.
FIELD = "features"

_EXPECTED = "a MATLAB file (.mat)"


@dataclass(frozen=True)
class Covarep:
    """COVAREP's MATLAB files; the features have no names in them.

    NaN and infinities, which COVAREP writes for frames without a glottal cycle, stay.

    Parameters
    ----------
    rate : float
        Frames a second.

    Raises
    ------
    ParameterError
        If it is out of range.
    """

    kind: ClassVar[Kind] = "numbers"

    rate: float = 100.0

    def __post_init__(self) -> None:
        check_rate(self.rate)

    def columns(self, path: Path) -> tuple[str, ...]:
        """Return numbered names of the features; see `TrackFormat`."""
        if not _is_hdf5(path):
            return numbered_columns(find_matrix(path, FIELD).shape[1])
        with open_hdf5(path) as file:
            return numbered_columns(_find_transposed(file, path).shape[0])

    def read(self, path: Path) -> Track:
        """Read the file; see `TrackFormat`."""
        values = self._values(path)
        return Track(regular_intervals(len(values), self.rate), as_features(values))

    def _values(self, path: Path) -> NDArray[np.number[Any]]:
        if not _is_hdf5(path):
            return find_matrix(path, FIELD).read()
        with open_hdf5(path) as file:
            return read_numbers(_find_transposed(file, path), path).T


class CovarepDataset(TrackDataset):
    """Kedro dataset of one of COVAREP's MATLAB files; read only.

    Parameters
    ----------
    filepath : str
    rate
        See `Covarep`.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    format: ClassVar[type[TrackFormat]] = Covarep


def _is_hdf5(path: Path) -> bool:
    check_file(path, _EXPECTED)
    with reading(path, "signature", _EXPECTED):
        return bool(h5py.is_hdf5(path))


def _find_transposed(file: h5py.File, path: Path) -> h5py.Dataset:
    dataset = child_dataset(file, FIELD, path)
    check_matrix(dataset.shape[::-1], dataset.dtype.kind, f"{path}: {FIELD}")
    return dataset
