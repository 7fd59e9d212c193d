"""Read HDF5 that came from a stranger: nothing outside the file, no surprise in size.

An HDF5 file can point elsewhere (soft and external links, external storage, virtual
datasets), hold references and types of its own, and claim arrays of terabytes that
compress to nothing. Everything here refuses those, and turns whatever h5py raises for
a damaged file into one `DataError` that names file and field.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.errors import DataError

#: Arrays up to this many bytes may be read whatever their compression.
UNCHECKED_BYTES = 64 * 2**20
#: Larger ones may be at most this many times what the file really stores.
MAX_COMPRESSION = 100
#: Characters of one string.
MAX_CHARACTERS = 1024

# deflate, shuffle, fletcher32, szip, n-bit, scale-offset (HDF5's own) and LZF (h5py's):
# any other filter would make HDF5 look for a plug-in to load.
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})


def open_hdf5(path: Path) -> h5py.File:
    """Open `path` for reading.

    Raises
    ------
    DataError
        If the file is missing, empty, not HDF5, truncated or damaged.
    """
    check_file(path, "an HDF5 file")
    with reading(path, "signature"):
        is_hdf5 = h5py.is_hdf5(path)
    if not is_hdf5:
        with path.open("rb") as file:
            start = file.read(8)
        raise DataError(f"{path}: not an HDF5 file: found {start!r} at its start")
    with reading(path, "superblock (is the file truncated?)"):
        file = h5py.File(path, "r")
        _keep_little(file)
        return file


def _keep_little(file: h5py.File) -> None:
    """Hold the cache of group and dataset headers at a megabyte; it grows to 32 a file."""
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = 2**20
    config.incr_mode = config.flash_incr_mode = config.decr_mode = 0
    file.id.set_mdc_config(config)


def child_group(parent: h5py.Group, name: str, path: Path) -> h5py.Group:
    """Return the group `name` that lies directly under `parent`.

    Raises
    ------
    DataError
        If it is missing, a link to elsewhere, or not a group.
    """
    child = _child(parent, name, path)
    if not isinstance(child, h5py.Group):
        raise DataError(f"{path}: {_field(parent, name)}: found no group; expected a group")
    return child


def child_dataset(parent: h5py.Group, name: str, path: Path) -> h5py.Dataset:
    """Return the dataset `name` that lies directly under `parent`, if it is safe to read.

    Raises
    ------
    DataError
        If it is missing, a link to elsewhere, not a dataset, stored outside the file,
        compressed by an unknown filter, or claims far more bytes than the file stores.
    """
    child = _child(parent, name, path)
    field = _field(parent, name)
    if not isinstance(child, h5py.Dataset):
        raise DataError(f"{path}: {field}: found no dataset; expected a dataset")
    with reading(path, field):
        _check_storage(child, path, field)
    return child


def read_numbers(dataset: h5py.Dataset, path: Path) -> NDArray[Any]:
    """Read an array of floats, integers or booleans, as stored.

    Raises
    ------
    DataError
        If it holds anything else, or cannot be read.
    """
    field = dataset.name
    with reading(path, field):
        if dataset.dtype.kind not in "fiub":
            raise DataError(f"{path}: {field}: found type {dataset.dtype}; expected numbers")
        array: NDArray[Any] = dataset[...]
    return array


def read_text(dataset: h5py.Dataset, path: Path) -> NDArray[np.str_]:
    """Read an array of byte strings of fixed length; what is not UTF-8 is replaced.

    Raises
    ------
    DataError
        If it holds anything else, a string is overlong, or it cannot be read.
    """
    field = dataset.name
    with reading(path, field):
        if dataset.dtype.kind != "S":
            raise DataError(f"{path}: {field}: found type {dataset.dtype}; expected byte strings")
        text = np.char.decode(dataset[...], "utf-8", "replace")
        longest = max((len(token) for token in text.flat), default=0)
        if longest > MAX_CHARACTERS:
            raise DataError(
                f"{path}: {field}: found a string of {longest} characters; "
                f"expected at most {MAX_CHARACTERS}"
            )
        return np.asarray(text, dtype=f"<U{max(longest, 1)}")


def read_one_string(dataset: h5py.Dataset, path: Path) -> str:
    """Read the one string of a dataset of shape (1,), of fixed or variable length.

    Raises
    ------
    DataError
        If it holds anything else, or cannot be read.
    """
    field = dataset.name
    with reading(path, field):
        fixed = dataset.dtype.kind == "S"
        if dataset.size != 1 or not (fixed or h5py.check_string_dtype(dataset.dtype)):
            raise DataError(
                f"{path}: {field}: found {dataset.dtype} of shape {dataset.shape}; "
                "expected one string"
            )
        if fixed:
            stored = bytes(np.asarray(dataset[...]).reshape(-1)[0])
        else:
            stored = _read_from_heap(dataset, path)
        return stored.decode("utf-8", "replace")


def update_digest(digest: Any, dataset: h5py.Dataset, path: Path) -> None:
    """Feed what the file stores of a dataset to a `hashlib` object, without decoding it."""
    digest.update(f"{dataset.dtype.str} {dataset.shape}".encode())
    offset = dataset.id.get_offset()
    if offset is not None:
        with path.open("rb") as file:
            file.seek(offset)
            digest.update(file.read(dataset.id.get_storage_size()))
        return
    # In chunks, or so short that it lies in the header.
    digest.update(np.ascontiguousarray(dataset[...]))


def _read_from_heap(dataset: h5py.Dataset, path: Path) -> bytes:
    """Follow the reference of one variable-length string into the file's global heap.

    HDF5 itself loops for ever on a damaged heap (2.0: free space of size 0), where no
    time limit reaches it; here every step moves on, and the file's end is the end.
    """
    with path.open("rb") as file:
        file.seek(dataset.id.get_offset())
        length, address, wanted = struct.unpack("<IQI", file.read(16))
        if length == 0:
            return b""
        file.seek(address)
        signature, version, size = struct.unpack("<4sB3xQ", file.read(16))
        if (signature, version) != (b"GCOL", 1):
            raise DataError(f"{path}: {dataset.name}: found no string heap; expected one")
        position, end = address + 16, address + size
        while position < end:
            file.seek(position)
            index, stored = struct.unpack("<H6xQ", file.read(16))
            if index == wanted:
                return file.read(min(length, stored))
            position += 16 + (stored + 7) // 8 * 8
    raise DataError(f"{path}: {dataset.name}: found a reference to no string; expected one")


def _child(parent: h5py.Group, name: str, path: Path) -> Any:
    field = _field(parent, name)
    with reading(path, field):
        # A name with a slash is a path and would be followed through links.
        if "/" in name or name in ("", "."):
            raise DataError(f"{path}: {field}: found a name that is a path; expected a plain name")
        key = name.encode("utf-8", "surrogateescape")
        if not parent.id.links.exists(key):
            found = ", ".join(repr(other)[:80] for other in list(parent)[:5]) or "nothing"
            raise DataError(f"{path}: {field}: missing; found {found}")
        if parent.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
            raise DataError(f"{path}: {field}: found a link; expected data in this file")
        return parent[name]


def _check_storage(dataset: h5py.Dataset, path: Path, field: str) -> None:
    if dataset.is_virtual or dataset.external:
        raise DataError(f"{path}: {field}: found data stored elsewhere; expected it in this file")
    if dataset.shape is None:
        raise DataError(f"{path}: {field}: found no shape; expected an array")
    creation = dataset.id.get_create_plist()
    filters = {creation.get_filter(i)[0] for i in range(creation.get_nfilters())}
    if unknown := filters - _FILTERS:
        raise DataError(
            f"{path}: {field}: found compression filter {min(unknown)}; expected gzip, lzf or none"
        )
    claimed = math.prod(dataset.shape) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if claimed > max(UNCHECKED_BYTES, MAX_COMPRESSION * stored):
        raise DataError(
            f"{path}: {field}: found shape {dataset.shape}, {claimed} bytes, of which the file "
            f"stores {stored}; expected at most {MAX_COMPRESSION} times what is stored"
        )


def _field(parent: h5py.Group, name: str) -> str:
    # Names from a damaged file may hold surrogates, which no terminal can print.
    return f"{parent.name.rstrip('/')}/{name}".encode("utf-8", "backslashreplace").decode()
