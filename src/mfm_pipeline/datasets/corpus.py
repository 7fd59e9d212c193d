"""A `Corpus` as one HDF5 file.

Layout, version 2: at the root an attribute ``schema_version`` and one string ``corpus``
(JSON: name, synthetic, left_out, counts, features, modalities, targets, task); a group a
split with ``ids``, ``targets``, ``words`` (optional), and a group a modality with
``values``, ``present`` and ``steps`` (sequences only). Strings are UTF-8 of fixed length.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray

from mfm_pipeline.data import SPLIT_NAMES, Corpus, Modality, Split, Targets
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

SCHEMA_VERSION = 2


def write_corpus(path: Path, corpus: Corpus) -> None:
    """Write `corpus`, whole or not at all.

    Raises
    ------
    DataError
        If a modality's name cannot be the name of an HDF5 group.
    """
    header = {
        "name": corpus.name,
        "synthetic": corpus.synthetic,
        "left_out": list(corpus.left_out),
        "counts": dict(corpus.counts),
        "features": {key: list(names) for key, names in corpus.features.items()},
        "modalities": list(corpus.train.modalities),
        "targets": list(corpus.train.targets.names),
        "task": corpus.train.targets.task,
    }
    for name in corpus.train.modalities:
        if not name or "/" in name or name == ".":
            raise DataError(f"{path}: found modality '{name}'; expected a name without '/'")
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["schema_version"] = SCHEMA_VERSION
        # No attribute: HDF5 stores 64 kB in one, too few for the names of many features.
        file.create_dataset("corpus", data=np.bytes_(json.dumps(header).encode()))
        for name, split in corpus.splits.items():
            _write_split(file.create_group(name), split)


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
        try:
            return Corpus(
                name=header["name"],
                splits={
                    name: _read_split(child_group(file, name, path), header, path)
                    for name in SPLIT_NAMES
                },
                synthetic=header["synthetic"],
                left_out=tuple(header["left_out"]),
                counts=header["counts"],
                features={key: tuple(names) for key, names in header["features"].items()},
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
        return read_corpus(self._path)

    def save(self, data: Corpus) -> None:
        """Write the file, whole or not at all."""
        write_corpus(self._path, data)

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


def _write_split(group: h5py.Group, split: Split) -> None:
    group.create_dataset("ids", data=_encode(split.ids))
    group.create_dataset("targets", data=split.targets.values)
    if split.words is not None:
        group.create_dataset("words", data=_encode(split.words))
    for name, modality in split.modalities.items():
        stored = group.create_group("modalities/" + name)
        stored.create_dataset("values", data=modality.values)
        stored.create_dataset("present", data=modality.present)
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


def _read_split(group: h5py.Group, header: dict[str, Any], path: Path) -> Split:
    modalities = child_group(group, "modalities", path)
    words = read_text(child_dataset(group, "words", path), path) if "words" in group else None
    return Split(
        modalities={
            name: _read_modality(child_group(modalities, name, path), path)
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


def _read_modality(group: h5py.Group, path: Path) -> Modality:
    steps = read_numbers(child_dataset(group, "steps", path), path) if "steps" in group else None
    return Modality(
        values=read_numbers(child_dataset(group, "values", path), path),
        present=read_numbers(child_dataset(group, "present", path), path),
        steps=steps,
    )


def _encode(text: NDArray[np.str_]) -> NDArray[np.bytes_]:
    encoded = np.char.encode(text, "utf-8")
    return encoded.astype(f"S{max(encoded.dtype.itemsize, 1)}")
