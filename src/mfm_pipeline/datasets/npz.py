"""Prepared arrays of all splits in NumPy's `.npz`, named ``train/audio`` or ``train_audio``."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.array_bytes import array_of
from mfm_pipeline.datasets.arrays import check_compression, check_expansion
from mfm_pipeline.datasets.bundle import Bundle, BundleDataset, bundle_of
from mfm_pipeline.datasets.reading import check_file, reading

_EXPECTED = "an intact .npz file of numbers and strings"
_NAME = re.compile(r"([^/_]+)[/_](.+)", re.DOTALL)
_ANY = re.compile(r".+", re.DOTALL)


def read_npz(path: Path) -> Bundle:
    """Read a `.npz` file; nothing in it is unpickled, and no size in it believed.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If it is missing, empty or damaged, holds Python objects, claims to unpack to far
        more than it stores, or has no train, valid and test.
    """
    splits: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in read_arrays(path, _NAME).items():
        match = _NAME.fullmatch(name)
        assert match is not None
        splits.setdefault(match[1], {})[match[2]] = array
    return bundle_of(path, splits)


def read_arrays(path: Path, wanted: re.Pattern[str] = _ANY) -> dict[str, NDArray[Any]]:
    """Read the arrays of a `.npz` file whose names fit a pattern; see `read_npz`.

    Returns
    -------
    dict of str to ndarray
        In their order.
    """
    check_file(path, "a .npz file")
    arrays: dict[str, NDArray[Any]] = {}
    with reading(path, "archive", _EXPECTED), ZipFile(path) as archive:
        members = archive.infolist()
        _check_sizes(path, members)
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name != member.filename and wanted.fullmatch(name):
                with reading(path, repr(member.filename), _EXPECTED), archive.open(member) as file:
                    arrays[name] = _read_array(file)
    return arrays


class NpzDataset(BundleDataset):
    """Kedro dataset of one `.npz` file of prepared arrays; read only.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    reader = staticmethod(read_npz)


def _check_sizes(path: Path, members: list[ZipInfo]) -> None:
    """Check what the archive claims: all members together, as they may overlap."""
    for member in members:
        check_compression(member, f"{path}: {member.filename!r}")
    check_expansion(sum(member.file_size for member in members), path.stat().st_size, str(path))


def _read_array(file: IO[bytes]) -> NDArray[Any]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):  # The others are for structures.
        raise ValueError(f"version {version} of the format")
    with warnings.catch_warnings():  # Of headers that Python 2 wrote.
        warnings.simplefilter("ignore")
        shape, columnwise, dtype = np.lib.format.read_array_header_1_0(file)
    return array_of(file.read(), dtype, shape, "F" if columnwise else "C")
