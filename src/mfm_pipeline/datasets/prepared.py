"""Prepared HDF5 arrays, as released with the Memory Fusion Network.

One file an array, dataset ``d1``: ``text_train_emb.h5``, ``audio_train.h5``,
``video_train.h5`` of shape (n, T, D) and ``y_train.h5`` of shape (n,), (n, 1) or (n, k).
An older release has one ``X_train.h5`` with the modalities side by side.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.hdf5 import child_dataset, open_hdf5, read_numbers
from mfm_pipeline.errors import DataError

#: The dataset in every file.
FIELD = "d1"
#: Stem of the older layout, and of the targets in both.
SIDE_BY_SIDE, TARGETS = "X", "y"


def array_names(stem: str, split: str) -> tuple[str, str]:
    """Return the two file names in use for one array, such as ``text`` of ``train``."""
    return f"{stem}_{split}_emb.h5", f"{stem}_{split}.h5"


def find_array(files: Collection[str], stem: str, split: str) -> str | None:
    """Return the file among `files` that holds array `stem` of `split`, or None."""
    return next((name for name in array_names(stem, split) if name in files), None)


class PreparedArray:
    """One array of a prepared release, read on demand.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    shape : tuple of int
        Known without reading the array.

    Raises
    ------
    DataError
        If the file is not HDF5, is damaged, or has no array of numbers ``d1``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_hdf5(path) as file:
            dataset = child_dataset(file, FIELD, path)
            if dataset.dtype.kind not in "fiu":
                raise DataError(f"{path}: {FIELD}: found {dataset.dtype}; expected numbers")
            self.shape: tuple[int, ...] = dataset.shape

    def read(self) -> NDArray[np.floating[Any]]:
        """Read the array, as float64."""
        with open_hdf5(self.path) as file:
            array = read_numbers(child_dataset(file, FIELD, self.path), self.path)
        return array.astype(np.float64, copy=False)
