"""Where prepared arrays come from: HDF5, one file an array, or one bundle of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.bundle import Bundle
from mfm_pipeline.datasets.prepared import FIELD, SIDE_BY_SIDE, PreparedArray, find_array
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.errors import DataError
from mfm_pipeline.ingestion.choose import each, find_file
from mfm_pipeline.ingestion.options import IngestionOptions, ModalityOptions

Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Found:
    """One array, not read yet.

    Parameters
    ----------
    where : str
        File and field, for messages.
    shape : tuple of int
    read : callable
        Returns the array.
    lengths : ndarray of int, shape (n,), optional
        Frames of each sample, where the file tells.
    """

    where: str
    shape: tuple[int, ...]
    read: Callable[[], Numbers]
    lengths: NDArray[np.integer[Any]] | None = None


class PreparedSource(Protocol):
    """The prepared arrays of a corpus."""

    @property
    def path(self) -> Path:
        """Return the folder or the file."""

    def labels(self, split: str) -> Found | None:
        """Return the labels of a split."""

    def modality(self, name: str, options: ModalityOptions, split: str) -> Found | None:
        """Return a modality's array of a split, with its own columns alone."""

    def ids(self, split: str) -> NDArray[np.str_] | None:
        """Return the ids of a split's samples, where there are any."""

    def groups(self, split: str) -> NDArray[np.str_] | None:
        """Return the video of each sample, where the ids tell it."""


def open_prepared(raw: RawFolder, options: IngestionOptions) -> PreparedSource:
    """Return the source that a folder has: arrays by themselves before a bundle.

    Raises
    ------
    DataError
        If the bundle is damaged, or holds what it must not.
    """
    arrays = ArrayFiles(raw, options)
    if arrays.has_labels or (file := find_file(raw, options.bundle, "bundle")) is None:
        return arrays
    return BundleFile(raw.open_bundle(file), options)


@dataclass(frozen=True)
class ArrayFiles:
    """One HDF5 file an array, as released with the Memory Fusion Network."""

    raw: RawFolder
    options: IngestionOptions

    @property
    def path(self) -> Path:
        """The folder."""
        return self.raw.path

    @property
    def has_labels(self) -> bool:
        """Whether there are labels of the training split."""
        return self._find(each(self.options.labels.prepared), "train") is not None

    def labels(self, split: str) -> Found | None:
        """Return the labels of a split."""
        array = self._find(each(self.options.labels.prepared), split)
        return None if array is None else _whole(array)

    def modality(self, name: str, options: ModalityOptions, split: str) -> Found | None:
        """Return a modality's own array, or its columns where all lie side by side."""
        own = self._find(each(options.prepared), split)
        if own is not None:
            return _whole(own)
        shared = self._find((SIDE_BY_SIDE,), split) if options.columns else None
        if shared is None or options.columns is None:
            return None
        begin, end = options.columns
        if len(shared.shape) == 3 and end > shared.shape[2]:
            raise DataError(
                f"{shared.path}: {FIELD}: found {shared.shape[2]} features; expected at least "
                f"{end}, as ingestion.modalities.{name}.columns says"
            )
        shape = (*shared.shape[:2], end - begin) if len(shared.shape) == 3 else shared.shape
        return Found(f"{shared.path}: {FIELD}", shape, lambda: shared.read()[..., begin:end])

    def ids(self, split: str) -> None:
        """Return None: the release has no ids."""

    def groups(self, split: str) -> None:
        """Return None: the release does not tell the videos."""

    def _find(self, stems: tuple[str, ...], split: str) -> PreparedArray | None:
        files = (find_array(self.raw.files, stem, split) for stem in stems)
        file = next(filter(None, files), None)
        return None if file is None else self.raw.open_array(file)


@dataclass(frozen=True, eq=False)
class BundleFile:
    """All arrays in one file: a pickle of MMSA or MultiBench, or an `.npz`."""

    bundle: Bundle
    options: IngestionOptions

    @property
    def path(self) -> Path:
        """The file."""
        return self.bundle.path

    def labels(self, split: str) -> Found | None:
        """Return the labels of a split."""
        return self._find(each(self.options.labels.prepared), split)

    def modality(self, name: str, options: ModalityOptions, split: str) -> Found | None:
        """Return a modality's array of a split."""
        return self._find(each(options.prepared), split)

    def ids(self, split: str) -> NDArray[np.str_] | None:
        """Return the ids of a split's samples."""
        return self.bundle.ids(split)

    def groups(self, split: str) -> NDArray[np.str_] | None:
        """Return the video of each sample."""
        return self.bundle.groups(split)

    def _find(self, names: tuple[str, ...], split: str) -> Found | None:
        for name in names:
            array = self.bundle.array(name, split)
            if array is not None:
                where = f"{self.path}: {split}: {name}"
                lengths = self.bundle.lengths(name, split)
                return Found(where, array.shape, partial(np.asarray, array), lengths)
        return None


def _whole(array: PreparedArray) -> Found:
    return Found(f"{array.path}: {FIELD}", array.shape, array.read)
