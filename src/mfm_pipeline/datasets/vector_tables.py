"""The rows of word vectors: text of GloVe, word2vec and fastText, and word2vec's binary."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, takewhile

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.track import MAX_FEATURES
from mfm_pipeline.datasets.unpacking import Unpacked
from mfm_pipeline.errors import DataError

#: Words, and a row of float32 each.
Table = tuple[tuple[str, ...], NDArray[np.float32]]

_LINE = "a token and numbers, separated by single spaces"
_MAX_LINE = 2**20
_MAX_TOKEN = 2**12
_CHUNK = 2**20  # Of a binary file; more than the longest token and vector.
_HEADER = re.compile(rb"(\d{1,18}) (\d{1,18})\s*")
_PLAIN = re.compile(rb"[-+.\deE ]+")
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class _Kept:
    """The wanted words that were found so far, and their numbers, as one growing buffer."""

    def __init__(self, where: str, wanted: Collection[str], width: int) -> None:
        if not 1 <= width <= MAX_FEATURES:
            raise DataError(
                f"{where}: line 1: found vectors of {width} numbers; expected 1 to {MAX_FEATURES}"
            )
        self.missing, self.width, self._where = set(wanted), width, where
        self._words: list[str] = []
        self._numbers = bytearray()

    def add(
        self, word: str, numbers: list[float] | NDArray[np.float32] | bytes, place: str
    ) -> None:
        """Keep a word; the numbers may be the text of one that is none."""
        where = f"{self._where}: {place}: vector of {word[:80]!r}"
        if isinstance(numbers, bytes):
            raise DataError(f"{where}: found {numbers[:40]!r}; expected a number")
        with np.errstate(over="ignore", invalid="ignore"):
            vector = np.asarray(numbers, dtype=np.float64).astype(np.float32)
        if not np.isfinite(vector).all():
            raise DataError(f"{where}: found a number that is not finite; expected float32")
        self.missing.remove(word)
        self._words.append(word)
        self._numbers += vector.tobytes()

    def table(self) -> Table:
        """Return what was kept."""
        vectors = np.frombuffer(self._numbers, dtype=np.float32)
        return tuple(self._words), vectors.reshape(len(self._words), self.width)


def read_text(file: Unpacked, wanted: Collection[str]) -> Table:
    """Read the wanted rows of a text file; see `read_word_vectors` for the rest.

    The last D fields of a line are its vector, as tokens may hold spaces. D is said by a
    header, or is that of the first line.
    """
    lines = _lines(file)
    number, line = next(lines, (1, b""))
    first = line.removeprefix(BOM_UTF8)
    header = _HEADER.fullmatch(first)
    kept = _Kept(file.where, wanted, int(header[2]) if header else _width_of(first))
    width, missing = kept.width, kept.missing
    rows = lines if header else chain([(1, first)], lines)
    for number, line in rows:
        # The usual case: as many spaces as numbers, so that the token has none.
        if line.count(b" ") == width:
            token = line[: line.find(b" ")]
        else:
            token = _spaced_token(line, width, f"{file.where}: line {number}")
        word = token.decode("utf-8", "surrogateescape")
        if word in missing:
            kept.add(word, _parse(line[len(token) + 1 :]), f"line {number}")
    if header and number - 1 != int(header[1]):
        raise DataError(
            f"{file.where}: found {number - 1} words; expected {int(header[1])}, as line 1 says"
        )
    return kept.table()


def read_binary(file: Unpacked, wanted: Collection[str]) -> Table:
    """Read the wanted rows of word2vec's binary form; see `read_word_vectors` for the rest."""
    line = file.file.readline(_MAX_TOKEN)
    header = _HEADER.fullmatch(line)
    if not header or not line.endswith(b"\n"):
        raise DataError(
            f"{file.where}: header: found {line[:40]!r}; expected a line with the numbers of "
            "words and of dimensions, as word2vec writes it"
        )
    kept = _Kept(file.where, wanted, int(header[2]))
    for number, token, numbers in _entries(file, int(header[1]), kept.width):
        word = token.decode("utf-8", "surrogateescape")
        if word in kept.missing:
            kept.add(word, np.frombuffer(numbers, dtype="<f4"), f"entry {number}")
    return kept.table()


def _lines(file: Unpacked) -> Iterator[tuple[int, bytes]]:
    """Yield numbers and lines without the blanks at their ends; the file's last may be blank."""
    lines = iter(partial(file.file.readline, _MAX_LINE + 1), b"")
    for number, line in enumerate(lines, start=1):
        if len(line) > _MAX_LINE:
            raise DataError(
                f"{file.where}: line {number}: found more than {_MAX_LINE} bytes; expected {_LINE}"
            )
        stripped = line.rstrip()
        if stripped:
            yield number, stripped
        elif file.file.read(1):
            raise DataError(f"{file.where}: line {number}: found a blank line; expected {_LINE}")


def _width_of(line: bytes) -> int:
    """Count the numbers at the end of the first line, whose first field is of the token."""
    fields = line.split(b" ")[1:]
    return sum(1 for _ in takewhile(_NUMBER.fullmatch, reversed(fields)))


def _spaced_token(line: bytes, width: int, where: str) -> bytes:
    """Return the token of a line with more fields than usual, or fail."""
    token, *numbers = line.rsplit(b" ", width)
    extra = token.split(b" ")[1:]
    if len(numbers) < width or _NUMBER.fullmatch(extra[-1]):
        raise DataError(
            f"{where}: found {line.count(b' ') + 1} fields; "
            f"expected {width + 1}: a token and {width} numbers"
        )
    return token


def _parse(text: bytes) -> list[float] | bytes:
    """Return the numbers, or the first field that is none."""
    fields = text.split(b" ")
    # Python's float would take nan, inf and 1_000 too.
    if _PLAIN.fullmatch(text):
        with suppress(ValueError):
            return list(map(float, fields))
    return next(field for field in fields if not _NUMBER.fullmatch(field))


def _entries(file: Unpacked, count: int, width: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the number, the token and the vector's bytes of each entry."""
    size = 4 * width
    buffer, begin = b"", 0
    for number in range(1, count + 1):
        space = buffer.find(b" ", begin, begin + _MAX_TOKEN)
        if space < 0 or len(buffer) <= space + size:
            buffer, begin = buffer[begin:] + file.file.read(_CHUNK), 0
            space = buffer.find(b" ", 0, _MAX_TOKEN)
        end = space + 1 + size
        if space < 0 or end > len(buffer):
            raise DataError(
                f"{file.where}: entry {number}: found no token and {width} numbers in the next "
                f"{len(buffer)} bytes; expected {count} entries, as the header says"
            )
        # Some writers end an entry with a newline.
        yield number, buffer[begin:space].removeprefix(b"\n"), buffer[space + 1 : end]
        begin = end
    if (buffer[begin:] + file.file.read(2)).strip():
        raise DataError(
            f"{file.where}: found more bytes; expected {count} entries of {width} numbers, "
            "as the header says"
        )
