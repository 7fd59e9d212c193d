"""Unpickle NumPy arrays and plain containers, and nothing else.

A pickle is a program. The machine that runs it here knows the opcodes and names that
such data needs; a name stands for a function of this module, never for the object that
it names, and any other name ends the reading. What the file can make us allocate is
bounded by its size. The machine is Python's own: its twin in C resizes its memo to any
index that the file names.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.array_bytes import array_of, check_shape
from mfm_pipeline.datasets.hdf5 import UNCHECKED_BYTES
from mfm_pipeline.datasets.unpickle_arrays import (
    NDARRAY,
    Dtype,
    Unfilled,
    dtype_of,
    reconstruct,
    resolved,
)
from mfm_pipeline.errors import DataError

EXPECTED = "NumPy arrays and plain containers only"

#: Opcodes of one file, unless it is large: an array takes about fifty, a string two.
MAX_STEPS = 2**21
#: Bytes of a large file for each opcode: of thousands of arrays, one a sample, there are more.
BYTES_A_STEP = 64

# No persistent ids, registered extensions, instances, frozen sets or outside buffers.
_OPCODES = """
    PROTO FRAME STOP MARK POP POP_MARK DUP PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
    NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_LIST LIST APPEND APPENDS
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT GLOBAL STACK_GLOBAL INST REDUCE
"""
# Modules as NumPy 2 and Python 2 call them.
_RENAMED = {
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
    "__builtin__": "builtins",
}
_OBJECT_ITEMS = (str, bytes, int, float, bool, type(None))
_SET_BYTES = 216
_MAX_KEY = 2**16

_Machine = pickle._Unpickler
_Order = Literal["C", "F"]


class SafeUnpickler(_Machine):
    """Python's unpickler, reduced to arrays, dict, list, tuple, set, strings and numbers.

    Arrays are read-only views of the file's bytes. Byte arrays become bytes, ordered
    dictionaries plain ones, NumPy's scalars Python's. Python 2's strings are decoded as
    Latin-1.

    Parameters
    ----------
    file : binary file
    path : Path
        Of the file, for its size and for messages.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: BinaryIO, path: Path) -> None:
        size = path.stat().st_size
        super().__init__(_Bounded(file, size, path), encoding="latin1")
        self._path = path
        # Once for an array and once for the bytes that Python 2's text is turned into.
        self._allowance = UNCHECKED_BYTES + 2 * size
        steps = max(MAX_STEPS, size // BYTES_A_STEP)
        self.memo = _Memo(steps)
        self.dispatch = _Steps(_STEPS, steps)  # type: ignore[misc]  # Counts, so one a file.
        self._names: Mapping[str, Any] = {
            "numpy.ndarray": NDARRAY,
            "numpy.dtype": dtype_of,
            "numpy.core.multiarray._reconstruct": reconstruct,
            "numpy.core.multiarray.scalar": self._scalar,
            "numpy.core.numeric._frombuffer": self._from_buffer,
            "_codecs.encode": self._encode,
            "collections.OrderedDict": self._ordered_dict,
            "builtins.set": self._set,
            "builtins.bytes": _no_bytes,
        }

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands here for a name in the file, or refuse it.

        Raises
        ------
        DataError
            If data does not need it.
        """
        known = f"{_RENAMED.get(module, module)}.{name}"
        if known not in self._names:
            found = f"{module}.{name}"[:100]
            raise DataError(f"{self._path}: found {found!r} in the pickle; expected {EXPECTED}")
        return self._names[known]

    def _charge(self, size: int) -> None:
        """Count `size` bytes that an opcode makes out of what is there already."""
        self._allowance -= size
        if self._allowance < 0:
            raise ValueError("found far more data than the file's size allows")

    def _bytes(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else self._encode(data, "latin1")

    def _encode(self, text: Any, codec: str) -> bytes:
        """Stand for `_codecs.encode`, by which protocols before 3 write bytes."""
        if not isinstance(text, str) or codec != "latin1":
            raise ValueError("found bytes that are not written as Latin-1")
        self._charge(len(text))
        return text.encode("latin1")

    def _array(self, data: Any, dtype: Any, shape: Any, order: _Order) -> NDArray[Any]:
        stored = self._bytes(data)
        self._charge(len(stored))
        return array_of(stored, resolved(dtype), shape, order)

    def _objects(self, items: list[Any], shape: tuple[int, ...], order: _Order) -> NDArray[Any]:
        """Return an array of plain objects or of arrays, which hold no objects."""
        check_shape(shape, len(items), 1)
        self._charge(8 * len(items))
        array = np.empty(len(items), dtype=object)
        for index, item in enumerate(items):
            nested = isinstance(item, np.ndarray) and item.dtype.kind != "O"
            if not nested and type(item) not in _OBJECT_ITEMS:
                raise ValueError(f"found {type(item).__name__} in an array of objects")
            array[index] = item
        array.flags.writeable = False
        return array.reshape(shape, order=order)

    def _scalar(self, dtype: Any, data: Any) -> Any:
        return self._array(data, dtype, (), "C").item()

    def _from_buffer(
        self, data: Any, dtype: Any, shape: Any, order: str, axes: Any = None
    ) -> NDArray[Any]:
        """Stand for the function by which protocol 5 writes contiguous arrays."""
        array = self._array(data, dtype, shape, "F" if order == "F" else "C")
        return array.transpose(axes) if order == "K" and axes is not None else array

    def _ordered_dict(self, pairs: Any = ()) -> dict[Any, Any]:
        self._charge(_SET_BYTES * (1 + len(pairs)))
        return {_key(key): value for key, value in pairs}

    def _set(self, items: Any = ()) -> set[Any]:
        self._charge(_SET_BYTES * (1 + len(items)))
        return set(map(_key, items))

    def _build(self) -> None:
        """Give an array or a dtype its state; arrays take their place in the memo too."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Dtype):
            target.set_state(state)
        elif isinstance(target, Unfilled):
            shape, dtype, columnwise, data = state[-4:]
            order: _Order = "F" if columnwise else "C"
            if isinstance(data, list) and resolved(dtype).kind == "O":
                target.array = self._objects(data, shape, order)
            else:
                target.array = self._array(data, dtype, shape, order)
            self.stack[-1] = target.array
        else:
            raise ValueError(f"found a state for {type(target).__name__}")

    def _new_dict(self) -> None:
        items = self.pop_mark()
        self.append(_filled({}, items))

    def _set_item(self) -> None:
        pair = self.stack[-2:]
        del self.stack[-2:]
        _filled(self.stack[-1], pair)

    def _set_items(self) -> None:
        items = self.pop_mark()
        _filled(self.stack[-1], items)

    def _new_set(self) -> None:
        self.append(self._set())

    def _add_items(self) -> None:
        items = self.pop_mark()
        self.stack[-1].update(map(_key, items))


_Step = Callable[[Any], None]


def _standard(names: str) -> dict[int, _Step]:
    codes = [getattr(pickle, name)[0] for name in names.split()]
    return {code: _Machine.dispatch[code] for code in codes}


_STEPS: Mapping[int, _Step] = {
    **_standard(_OPCODES),
    pickle.BYTEARRAY8[0]: _Machine.dispatch[pickle.BINBYTES8[0]],
    pickle.BUILD[0]: SafeUnpickler._build,
    pickle.DICT[0]: SafeUnpickler._new_dict,
    pickle.SETITEM[0]: SafeUnpickler._set_item,
    pickle.SETITEMS[0]: SafeUnpickler._set_items,
    pickle.EMPTY_SET[0]: SafeUnpickler._new_set,
    pickle.ADDITEMS[0]: SafeUnpickler._add_items,
}


class _Steps(dict[int, _Step]):
    """What each opcode does; every look-up is one step of the machine."""

    def __init__(self, steps: Mapping[int, _Step], most: int) -> None:
        super().__init__(steps)
        self._most = self._left = most

    def __getitem__(self, opcode: int) -> _Step:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"found more than {self._most} opcodes")
        return super().__getitem__(opcode)

    def __missing__(self, opcode: int) -> _Step:
        raise ValueError(f"found opcode {bytes([opcode])!r}")


class _Memo(dict[int, Any]):
    """Objects that the file refers to again; an array in place of what it was filled from."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, index: int, value: Any) -> None:
        if index >= self._most:
            raise ValueError(f"found a memo index beyond {self._most}")
        super().__setitem__(index, value)

    def __getitem__(self, index: int) -> Any:
        value = super().__getitem__(index)
        filled = isinstance(value, Unfilled) and value.array is not None
        return value.array if filled else value


class _Bounded:
    """A file of which no more is asked for than is there."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self._file, self._left, self._path = file, size, path

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self._left:
            raise DataError(
                f"{self._path}: found {self._left} bytes left in the pickle; expected {size}: "
                "is the file truncated?"
            )
        self._left -= size
        return self._file.read(size)

    def readline(self) -> bytes:
        line = self._file.readline()
        self._left -= len(line)
        return line


def _no_bytes() -> bytes:
    """Stand for `bytes`, by which protocols before 3 write no bytes at all."""
    return b""


def _key(value: Any) -> Any:
    """Return a key whose hash is quick, and not of the file's choice."""
    small = type(value) is int and -_MAX_KEY < value < _MAX_KEY
    if not small and type(value) not in (str, bytes):
        raise ValueError(f"found {type(value).__name__} as a key, expected strings or small int")
    return value


def _filled(target: Any, items: Iterable[Any]) -> Any:
    """Put keys and values, which lie one behind the other, into a dictionary."""
    if type(target) is not dict:
        raise ValueError(f"found items set in {type(target).__name__}")
    rest = iter(items)
    target.update((_key(key), value) for key, value in zip(rest, rest, strict=True))
    return target
