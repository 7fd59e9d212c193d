"""Sets of labelled images as one HDF5 file: a group a set, with ``images`` and ``labels``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
from kedro.io import AbstractDataset

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.datasets.hdf5 import child_dataset, child_group, open_hdf5, read_numbers
from mfm_pipeline.datasets.reading import reading
from mfm_pipeline.errors import DataError

ImageSets = Mapping[str, LabelledImages]


class ImageSetsDataset(AbstractDataset[ImageSets, ImageSets]):
    """Kedro dataset of sets of labelled images, by name and in their order.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> ImageSets:
        """Read the file.

        Raises
        ------
        DataError
            If it is missing, damaged, or holds something else.
        """
        with open_hdf5(self._path) as file, reading(self._path, "image sets"):
            return {name: self._read(child_group(file, name, self._path)) for name in file}

    def save(self, data: ImageSets) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        DataError
            If a set's name cannot be the name of an HDF5 group.
        """
        for name in data:
            if not name or "/" in name or name == ".":
                raise DataError(f"{self._path}: found set '{name}'; expected a name without '/'")
        with replacing(self._path) as path, h5py.File(path, "w", track_order=True) as file:
            for name, images in data.items():
                group = file.create_group(name)
                group.create_dataset("images", data=images.images)
                group.create_dataset("labels", data=images.labels)

    def _read(self, group: h5py.Group) -> LabelledImages:
        images, labels = (
            read_numbers(child_dataset(group, field, self._path), self._path)
            for field in ("images", "labels")
        )
        try:
            return LabelledImages(images, labels)
        except DataError as error:
            raise DataError(f"{self._path}: {group.name}: {error}") from error

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}
