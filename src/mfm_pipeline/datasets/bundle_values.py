"""What lies under a name of a bundle, array or list, as numbers or as strings.

A list may hold one object a million times, which takes a pickle a few bytes: nothing is
copied before it is known how much it comes to. All here raise ValueError or TypeError
for what they cannot use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.hdf5 import MAX_CHARACTERS
from mfm_pipeline.datasets.track import video_of

# Numbers or characters that may be copied whatever they are.
_UNCHECKED = 2**24
# Characters of all ids of a split, as wide as the longest.
_MAX_WIDE = 2**27
_SEGMENT_MARK = "$_$"

FloatArray = NDArray[np.float32] | NDArray[np.float64]


def floats(value: Any) -> FloatArray:
    """Return numbers as float32, where that holds them exactly by their type, or as float64."""
    numbers = _numbers(value)
    if numbers.dtype.kind == "f" and numbers.dtype.itemsize <= 4:
        return numbers.astype(np.float32, copy=False)
    return numbers.astype(np.float64, copy=False)


def items(value: Any) -> list[Any]:
    """Return the n items of an array or list; a row of an array is a list."""
    if isinstance(value, np.ndarray) and value.ndim in (1, 2):
        listed: list[Any] = value.tolist()
        return listed
    if isinstance(value, list | tuple):
        return list(value)
    raise TypeError(_kind(value))


def first(item: Any) -> Any:
    """Return the first column of a row, or an item that is no row."""
    if isinstance(item, np.ndarray):
        if item.ndim != 1:
            raise TypeError(_kind(item))
        item = item[:1].tolist()
    return item[0] if isinstance(item, list | tuple) else item


def only(item: Any) -> Any:
    """Return the one column of a row, or an item that is no row."""
    if isinstance(item, list | tuple | np.ndarray) and len(item) != 1:
        raise ValueError(f"a row of {len(item)}")
    return first(item)


def strings(values: Sequence[Any]) -> list[str]:
    """Return strings, bytes and integers as strings; what is not UTF-8 is replaced."""
    _check_copies([value for value in values if isinstance(value, str | bytes)], len)
    return [_string(value) for value in values]


def segment_key(name: str) -> str:
    """Return ``video[segment]`` for MMSA's ``video$_$segment``, and others as they are."""
    video, mark, segment = name.rpartition(_SEGMENT_MARK)
    return f"{video}[{segment}]" if mark else name


def video_key(name: str) -> str:
    """Return the video of an id as it is stored: ``a`` for ``a$_$3``, ``a[3]`` and ``a``."""
    video, mark, _ = name.rpartition(_SEGMENT_MARK)
    return video if mark else video_of(name)


def numbered(names: Sequence[str]) -> list[str]:
    """Return the names, of which those that occur again are numbered: ``a[0]``, ``a[1]``."""
    total, seen = Counter(names), Counter[str]()
    found = []
    for name in names:
        found.append(f"{name}[{seen[name]}]" if total[name] > 1 else name)
        seen[name] += 1
    if len(set(found)) != len(found):
        raise ValueError("two samples of one id")
    return found


def string_array(names: Sequence[str]) -> NDArray[np.str_]:
    """Return names as an array, all as wide as the longest."""
    longest = max(map(len, names), default=0)
    if longest > MAX_CHARACTERS or longest * len(names) > _MAX_WIDE:
        raise ValueError(f"an id of {longest} characters")
    return np.array(names, dtype=np.str_)


def _numbers(value: Any, nested: bool = False) -> NDArray[Any]:
    """Return an array of numbers, or a list of numbers or of rows of equal shape as one."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise TypeError(_kind(value))
    if all(isinstance(item, bool | int | float) for item in value):
        return np.array(value, dtype=np.float64)
    if nested:
        raise TypeError("rows of rows")
    _check_copies([item for item in value if isinstance(item, list | tuple)], len)
    rows = [_numbers(item, nested=True) for item in value]
    _check_copies(rows, np.size)
    if len({row.shape for row in rows}) > 1:
        raise ValueError("rows of different shapes")
    return np.stack(rows)


def _check_copies(values: Sequence[Any], size: Callable[[Any], int]) -> None:
    """Check that copying `values` makes no more than twice what really is there."""
    total = sum(map(size, values))
    if total > _UNCHECKED:
        there = sum(size(value) for value in {id(value): value for value in values}.values())
        if total > 2 * there:
            raise ValueError("one large object many times over")


def _string(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        # Half a surrogate pair is no text and cannot be written.
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(_kind(value))


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array of {value.dtype} and shape {value.shape}"
    return type(value).__name__
