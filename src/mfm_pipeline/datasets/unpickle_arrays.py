"""What stands for NumPy's own classes while a stranger's pickle is read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Stands for `numpy.ndarray`, the class.
NDARRAY = object()

_CODE = re.compile(r"[iu][1248]|f[248]|b1|[SU][1-9][0-9]{0,5}|O[48]")
_BYTE_ORDERS = ("<", ">", "=", "|")


class Unfilled:
    """An array that waits for its state."""

    array: NDArray[Any] | None = None


class Dtype:
    """A dtype that waits for its byte order."""

    def __init__(self, code: str) -> None:
        self._code, self._order = code, "="

    def set_state(self, state: Any) -> None:
        """Take the byte order from the state that the file gives."""
        _, order, *structure = state
        if order not in _BYTE_ORDERS or structure[:3] != [None] * 3:
            raise ValueError("found a dtype with a structure")
        self._order = order

    def resolve(self) -> np.dtype[Any]:
        """Return NumPy's dtype."""
        return np.dtype(self._order + self._code)


def reconstruct(kind: Any, shape: Any, code: Any) -> Unfilled:
    """Stand for the function that makes the empty array; its own arguments say nothing."""
    if kind is not NDARRAY:
        raise ValueError("found an array of another class than NumPy's")
    return Unfilled()


def dtype_of(code: Any, align: Any = False, copy: Any = False) -> Dtype:
    """Stand for the class of dtypes; structures, dates and complex numbers are refused."""
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        shown = repr(code[:40]) if isinstance(code, str) else type(code).__name__
        raise ValueError(f"found dtype {shown}")
    return Dtype(code)


def resolved(dtype: Any) -> np.dtype[Any]:
    """Return NumPy's dtype for what ought to be one."""
    if not isinstance(dtype, Dtype):
        raise ValueError(f"found {type(dtype).__name__} in place of a dtype")
    return dtype.resolve()
