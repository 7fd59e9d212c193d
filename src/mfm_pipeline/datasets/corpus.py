"""A `Corpus` as one HDF5 file.

Layout, version 4: at the root an attribute ``schema_version`` and one string ``corpus``
(JSON: name, synthetic, left_out, counts, features, preparation, splits, modalities,
targets, task); a group a split with ``ids``, ``targets``, ``words`` (optional), and a
group a modality with ``present`` and ``values``, ``steps`` (sequences only), ``generated``
(optional). Images that samples share lie once in the group ``images``, numbered; ``rows``
and ``images``, the number, stand in place of ``values``. Strings are UTF-8 of fixed length.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray

from mfm_pipeline.data import Corpus, Modality, Split, Targets
from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.datasets.hdf5 import (
    child_dataset,
    child_group,
    open_hdf5,
    read_numbers,
    read_one_string,
    read_text,
)
from mfm_pipeline.datasets.reading import reading
from mfm_pipeline.errors import DataError

SCHEMA_VERSION = 4


def write_corpus(path: Path, corpus: Corpus) -> None:
    """Write `corpus`, whole or not at all.

    Raises
    ------
    DataError
        If a modality's name cannot be the name of an HDF5 group.
    """
    first = next(iter(corpus.splits.values()))
    header = {
        "name": corpus.name,
        "synthetic": corpus.synthetic,
        "left_out": list(corpus.left_out),
        "counts": dict(corpus.counts),
        "features": {key: list(names) for key, names in corpus.features.items()},
        "preparation": dict(corpus.preparation),
        "splits": list(corpus.splits),
        "modalities": list(first.modalities),
        "targets": list(first.targets.names),
        "task": first.targets.task,
    }
    for name in (*first.modalities, *corpus.splits):
        if not name or "/" in name or name == ".":
            raise DataError(f"{path}: found '{name}'; expected a name without '/'")
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["schema_version"] = SCHEMA_VERSION
        # No attribute: HDF5 stores 64 kB in one, too few for the names of many features.
        file.create_dataset("corpus", data=np.bytes_(json.dumps(header).encode()))
        shared = _SharedImages(file.create_group("images"), path)
        for name, split in corpus.splits.items():
            _write_split(file.create_group(name), split, shared)


def read_corpus(path: Path) -> Corpus:
    """Read a corpus.

    Raises
    ------
    DataError
        If the file is not HDF5, is damaged, has another schema version, or holds
        something that is not a corpus.
    """
    with open_hdf5(path) as file, reading(path, "corpus"):
        header = _read_header(file, path)
        shared = _SharedImages(child_group(file, "images", path), path)
        try:
            return Corpus(
                name=header["name"],
                splits={
                    name: _read_split(child_group(file, name, path), header, shared, path)
                    for name in header["splits"]
                },
                synthetic=header["synthetic"],
                left_out=tuple(header["left_out"]),
                counts=header["counts"],
                features={key: tuple(names) for key, names in header["features"].items()},
                preparation=header["preparation"],
            )
        except DataError as error:
            if str(error).startswith(str(path)):
                raise
            raise DataError(f"{path}: {error}") from error


class CorpusDataset(AbstractDataset[Corpus, Corpus]):
    """Kedro dataset of a `Corpus`.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> Corpus:
        """Read the file; see `read_corpus` for its errors."""
        if not self._path.exists():
            raise DataError(
                f"{self._path}: no such file; expected the corpus that ingest_features leaves "
                "(of digits pair_digits): kedro run --pipeline=ingest_features"
            )
        return read_corpus(self._path)

    def save(self, data: Corpus) -> None:
        """Write the file, whole or not at all."""
        write_corpus(self._path, data)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


class _SharedImages:
    """Sets of images, each in the file, and in memory, once."""

    def __init__(self, group: h5py.Group, path: Path) -> None:
        self._group = group
        self._path = path
        self._sets: list[NDArray[np.uint8]] = []
        self._read: dict[str, NDArray[np.uint8]] = {}

    def write(self, images: NDArray[np.uint8]) -> int:
        """Write a set, unless it is there, and return its number."""
        for number, known in enumerate(self._sets):
            if known is images:
                return number
        self._sets.append(images)
        number = len(self._sets) - 1
        self._group.create_dataset(str(number), data=images)
        return number

    def read(self, number: int) -> NDArray[np.uint8]:
        """Return the set of that number."""
        name = str(number)
        if name not in self._read:
            self._read[name] = read_numbers(
                child_dataset(self._group, name, self._path), self._path
            )
        return self._read[name]


def _write_split(group: h5py.Group, split: Split, shared: _SharedImages) -> None:
    group.create_dataset("ids", data=_encode(split.ids))
    group.create_dataset("targets", data=split.targets.values)
    if split.words is not None:
        group.create_dataset("words", data=_encode(split.words))
    for name, modality in split.modalities.items():
        stored = group.create_group("modalities/" + name)
        stored.create_dataset("present", data=modality.present)
        if modality.generated is not None:
            stored.create_dataset("generated", data=modality.generated)
        if modality.rows is not None:
            stored.create_dataset("rows", data=modality.rows)
            stored.create_dataset("images", data=shared.write(modality.values))
            continue
        stored.create_dataset("values", data=modality.values)
        if modality.steps is not None:
            stored.create_dataset("steps", data=modality.steps)


def _read_header(file: h5py.File, path: Path) -> dict[str, Any]:
    version = file.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema_version: found {version}; expected {SCHEMA_VERSION} "
            "(run ingestion again)"
        )
    text = read_one_string(child_dataset(file, "corpus", path), path)
    header: dict[str, Any] = json.loads(text)
    return header


def _read_split(
    group: h5py.Group, header: dict[str, Any], shared: _SharedImages, path: Path
) -> Split:
    modalities = child_group(group, "modalities", path)
    words = read_text(child_dataset(group, "words", path), path) if "words" in group else None
    return Split(
        modalities={
            name: _read_modality(child_group(modalities, name, path), shared, path)
            for name in header["modalities"]
        },
        targets=Targets(
            values=read_numbers(child_dataset(group, "targets", path), path),
            names=tuple(header["targets"]),
            task=header["task"],
        ),
        ids=read_text(child_dataset(group, "ids", path), path),
        words=words,
    )


def _read_modality(group: h5py.Group, shared: _SharedImages, path: Path) -> Modality:
    def read(name: str) -> NDArray[Any]:
        return read_numbers(child_dataset(group, name, path), path)

    made = read("generated") if "generated" in group else None
    if "rows" in group:
        images = shared.read(int(read("images")))
        return Modality(images, present=read("present"), rows=read("rows"), generated=made)
    steps = read("steps") if "steps" in group else None
    return Modality(read("values"), present=read("present"), steps=steps, generated=made)


def _encode(text: NDArray[np.str_]) -> NDArray[np.bytes_]:
    encoded = np.char.encode(text, "utf-8")
    return encoded.astype(f"S{max(encoded.dtype.itemsize, 1)}")
