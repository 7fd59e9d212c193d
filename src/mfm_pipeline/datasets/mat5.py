"""Read one array of a MATLAB 5 file (`.mat`, versions 5 to 7) that came from a stranger.

The format is a header and then one element a variable, each a tag (type and bytes), and
packed by zlib as a whole or not at all. SciPy's reader is not made for damaged files: one
changed byte can crash the process, and half a megabyte become gigabytes. Here every
size is checked against the bytes there are before it is believed, and nothing but a full
array of real numbers is read.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.arrays import check_expansion, check_matrix
from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.errors import DataError

#: Variables of one file.
MAX_VARIABLES = 1000

_EXPECTED = "an intact MATLAB 5 file"
_HEADER, _TAG = 128, 8
# zlib packs at most 1,032 times: 33 MB at once.
_PIECE = 2**15
# Name, type and shape of a variable lie in its first bytes: names have 63 characters.
_HEAD = 1024
_MATRIX, _COMPRESSED = 14, 15
_STORAGE = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_STORAGE |= {12: "i8", 13: "u8"}
_KINDS = {6: "f", 7: "f"} | dict.fromkeys(range(8, 16), "i")
_OTHERS = {1: "a cell array", 2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix"}
_OPAQUE = 17
_COMPLEX, _LOGICAL = 0x0800, 0x0200

_Bytes = TypeVar("_Bytes", bytes, memoryview)


@dataclass(frozen=True)
class MatlabArray:
    """An array of numbers in a MATLAB 5 file, whose head has been read.

    Parameters
    ----------
    path : Path
    name : str
    shape : tuple of int
    kind : str
        Of its dtype: f, i, b for booleans, c for complex numbers.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    kind: str
    _element: _Element
    _start: int

    def read(self) -> NDArray[Any]:
        """Read the numbers, as they are stored.

        Raises
        ------
        DataError
            If they are damaged, or not as many as the shape says.
        """
        count = math.prod(self.shape)
        where = f"{self.path}: {self.name}"
        # They become float32, whatever they are stored as.
        check_expansion(max(self._element.size, 4 * count), self._element.stored, where)
        with reading(self.path, self.name, _EXPECTED):
            code, data, _ = _part(self._element.content(), self._start, self._element.order)
            numbers = np.frombuffer(data, dtype=self._element.order + _STORAGE[code])
            if numbers.size != count:
                raise DataError(
                    f"{where}: found {numbers.size} numbers; expected {count}, "
                    f"as the shape is {self.shape}"
                )
            return numbers.reshape(self.shape, order="F")


def find_matrix(path: Path, name: str) -> MatlabArray:
    """Find a matrix of real numbers, which can be the features of a video.

    Raises
    ------
    DataError
        See `find_array` and `check_matrix`.
    """
    found = find_array(path, name)
    check_matrix(found.shape, found.kind, f"{path}: {name}")
    return found


def find_array(path: Path, name: str) -> MatlabArray:
    """Find an array of numbers in a MATLAB 5 file, reading the heads of its variables.

    Parameters
    ----------
    path : Path
    name : str

    Returns
    -------
    MatlabArray

    Raises
    ------
    DataError
        If the file is missing, damaged or of another format, lacks the variable, or that
        is anything but a full array of numbers.
    """
    check_file(path, _EXPECTED)
    found: list[str] = []
    with reading(path, "structure", _EXPECTED):
        for element in _elements(path):
            head = _head(element)
            if head.name == name:
                return _array(head, element)
            found.append(head.name)
            if len(found) > MAX_VARIABLES:
                raise DataError(
                    f"{path}: found more than {MAX_VARIABLES} variables; expected fewer"
                )
    names = ", ".join(repr(other)[:80] for other in found[:5]) or "nothing"
    raise DataError(f"{path}: {name}: missing; found {names}")


@dataclass(frozen=True)
class _Element:
    """Where one variable lies in a file: `size` bytes, packed into `stored`."""

    path: Path
    order: str
    position: int
    stored: int
    packed: bool
    size: int

    def start(self) -> bytes:
        if not self.packed:
            return _bytes(self.path, self.position, min(self.stored, _HEAD))
        packed = _bytes(self.path, self.position, min(self.stored, 2 * _HEAD))
        return zlib.decompressobj().decompress(packed, _TAG + _HEAD)[_TAG:]

    def content(self) -> memoryview:
        """Return all of it, unpacked piece by piece: nothing large is in memory twice."""
        content = np.empty(self.size, np.uint8).data
        with self.path.open("rb") as file:
            file.seek(self.position)
            if not self.packed:
                file.readinto(content)
                return content
            unpacking, left, place = zlib.decompressobj(), self.stored, -_TAG
            while left and not unpacking.eof:
                packed = file.read(min(left, _PIECE))
                left -= len(packed)
                part = unpacking.decompress(packed)
                end = place + len(part)
                if end > self.size:
                    break
                content[max(place, 0) : max(end, 0)] = part[max(-place, 0) :]
                place = end
        if place != self.size or not unpacking.eof:
            raise ValueError(f"{self.size} bytes expected, and not those, are packed by zlib")
        return content


class _Head(NamedTuple):
    """What a variable says of itself, and where its numbers start."""

    name: str
    code: int
    flags: int
    shape: tuple[int, ...]
    start: int


def _elements(path: Path) -> Iterator[_Element]:
    """Yield the variables of a file, in their order."""
    header, end = _bytes(path, 0, _HEADER), path.stat().st_size
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(header[124:])
    if order is None:
        raise DataError(f"{path}: not a MATLAB 5 file: found {header[:20]!r} at its start")
    position = _HEADER
    while position < end:
        code, stored = struct.unpack(order + "II", _bytes(path, position, _TAG))
        position += _TAG
        if stored > end - position:
            raise ValueError(f"{stored} bytes of a variable, of which {end - position} are there")
        size, packed = stored, code == _COMPRESSED
        if packed:
            tag = _bytes(path, position, min(stored, 2 * _HEAD))
            code, size = struct.unpack(order + "II", zlib.decompressobj().decompress(tag, _TAG))
        if code != _MATRIX:
            raise ValueError(f"element of type {code} where a variable should be")
        yield _Element(path, order, position, stored, packed, size)
        position += stored


def _head(element: _Element) -> _Head:
    start = element.start()
    _, flags, position = _part(start, 0, element.order)
    (bits,) = struct.unpack_from(element.order + "I", flags)
    code = bits & 0xFF
    if code == _OPAQUE:  # An object of a MATLAB class, laid out in another way.
        return _Head("an object", code, bits, (), 0)
    _, dimensions, position = _part(start, position, element.order)
    _, name, position = _part(start, position, element.order)
    shape = np.frombuffer(dimensions, dtype=element.order + "i4").tolist()
    return _Head(name.decode("latin-1"), code, bits, tuple(shape), position)


def _array(head: _Head, element: _Element) -> MatlabArray:
    if head.code not in _KINDS:
        found = _OTHERS.get(head.code, f"a variable of class {head.code}")
        raise DataError(f"{element.path}: {head.name}: found {found}; expected numbers")
    kind = "c" if head.flags & _COMPLEX else "b" if head.flags & _LOGICAL else _KINDS[head.code]
    return MatlabArray(element.path, head.name, head.shape, kind, element, head.start)


def _part(content: _Bytes, position: int, order: str) -> tuple[int, _Bytes, int]:
    """Return type and bytes of the part of a variable at `position`, and where the next is."""
    code, size = struct.unpack_from(order + "II", content, position)
    start, after = position + _TAG, position + _TAG + size + -size % 8
    if code >> 16:  # A small one: type, size and up to four bytes in the place of a tag.
        code, size = code & 0xFFFF, code >> 16
        start, after = position + 4, position + _TAG
    if start + size > min(after, len(content)):
        raise ValueError(f"a part of {size} bytes, more than there are")
    return code, content[start : start + size], after


def _bytes(path: Path, position: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read(size)
