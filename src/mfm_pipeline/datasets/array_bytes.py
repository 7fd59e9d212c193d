"""Arrays from the bytes of a stranger's file, whose shape is believed only if it fits."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

#: Kinds of dtype that are taken: numbers, booleans and strings of fixed length.
PLAIN_KINDS = frozenset("fiubSU")
_MAX_DIMENSIONS = 32


def array_of(
    data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: Literal["C", "F"]
) -> NDArray[Any]:
    """Return a read-only view of `data` as an array.

    Raises
    ------
    ValueError
        If the dtype is not plain, or `data` is not exactly what dtype and shape need.
    """
    if dtype.kind not in PLAIN_KINDS or dtype.itemsize == 0:
        raise ValueError(f"found an array of {dtype}, expected numbers or strings")
    check_shape(shape, len(data), dtype.itemsize)
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def check_shape(shape: tuple[int, ...], size: int, itemsize: int) -> None:
    """Check that `size` bytes are those of an array of `shape`, before anything is made of it.

    Raises
    ------
    ValueError
        If they are not, or it is no shape.
    """
    whole = len(shape) <= _MAX_DIMENSIONS and all(
        type(length) is int and 0 <= length < 2**48 for length in shape
    )
    if not whole:
        raise ValueError("found a shape that is none")
    if math.prod(shape) * itemsize != size:
        raise ValueError(f"found {size} bytes for {shape} items of {itemsize}")
