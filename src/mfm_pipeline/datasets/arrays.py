"""Matrices of features in binary files of strangers: their shape, type and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.hdf5 import MAX_COMPRESSION, UNCHECKED_BYTES
from mfm_pipeline.datasets.track import MAX_FEATURES
from mfm_pipeline.errors import DataError

#: What the kinds of dtypes are called in messages.
KINDS = {"f": "numbers", "i": "numbers", "u": "numbers", "c": "complex numbers", "b": "booleans"}


def check_matrix(shape: Sequence[int], kind: str, where: str) -> None:
    """Check that an array can be the features of a video, before it is read.

    Parameters
    ----------
    shape : sequence of int
        As (frames, features).
    kind : str
        Of its dtype.
    where : str
        File and field, for the message.

    Raises
    ------
    DataError
        If it is not a matrix of real numbers, has no frame, or too many features.
    """
    if len(shape) != 2 or kind not in "fiu":
        raise DataError(
            f"{where}: found {KINDS.get(kind, 'no numbers')} of shape {tuple(shape)}; "
            "expected real numbers of shape (frames, features)"
        )
    frames, width = shape
    if frames < 1 or not 1 <= width <= MAX_FEATURES:
        raise DataError(
            f"{where}: found {frames} frames of {width} features; "
            f"expected at least 1 frame of 1 to {MAX_FEATURES} features"
        )


def check_expansion(claimed: int, stored: int, where: str) -> None:
    """Check that compressed data does not claim to become memory without measure.

    Raises
    ------
    DataError
        If `claimed` bytes are many, and very many more than the `stored` ones.
    """
    if claimed > max(UNCHECKED_BYTES, MAX_COMPRESSION * stored):
        raise DataError(
            f"{where}: found {claimed} bytes, of which the file stores {stored}; "
            f"expected at most {MAX_COMPRESSION} times what is stored"
        )


def check_compression(member: ZipInfo, where: str) -> None:
    """Check that a member of a zip archive unpacks piece by piece.

    What bzip2 and LZMA make of a few bytes has no bound that Python's reader would keep.

    Raises
    ------
    DataError
        If it is compressed by anything but deflate.
    """
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise DataError(
            f"{where}: found compression {member.compress_type}; expected deflate or none"
        )


def as_features(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return `values` as float32; what that cannot hold becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def numbered_columns(width: int) -> tuple[str, ...]:
    """Return names for features that have none in their file."""
    return tuple(f"feature {index}" for index in range(width))
