"""Tables of numbers in text files: a header, and rows of as many fields.

Separated by commas, semicolons or tabs, whichever the header has most of; UTF-8. Numbers
are decimal; a field that is empty or says NaN is NaN. Names may be quoted, and blanks around
a field do not count.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.datasets.track import MAX_FEATURES
from mfm_pipeline.errors import DataError

#: Bytes of the first line.
MAX_HEADER = 4 * 2**20

_SEPARATORS = ",;\t"
_EXPECTED = "a text file (UTF-8) with a header and rows of numbers"
#: As C and C++ programs write it on Linux, macOS and Windows.
_NAN = ("", "nan", "NaN", "NAN", "-nan", "-NaN", "-nan(ind)")
_BLANKS = " \t\v\f"


@dataclass(frozen=True)
class CsvTable:
    """A table whose header has been read; its rows are read when asked for.

    Parameters
    ----------
    path : Path
    separator : str
    names : tuple of str
        Of its columns: each its own, none empty.
    """

    path: Path
    separator: str
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> CsvTable:
        """Read the header, and nothing else.

        Raises
        ------
        DataError
            If the file is missing, empty or not text, or its header lacks a name, repeats
            one, or is far too long.
        """
        line = _first_line(path)
        separator = max(_SEPARATORS, key=line.count)
        with reading(path, "header", _EXPECTED):
            rows = csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True)
            row = next(rows, [])
        names = tuple(name.strip() for name in row)
        _check_names(names, path)
        return cls(path, separator, names)

    def position(self, name: str) -> int | None:
        """Return where the column `name` is, upper or lower case alike, or None.

        Raises
        ------
        DataError
            If there are several.
        """
        found = [i for i, other in enumerate(self.names) if other.casefold() == name.casefold()]
        if len(found) > 1:
            raise DataError(
                f"{self.path}: header: found columns {found[0] + 1} and {found[1] + 1} "
                f"called {name!r}; expected one"
            )
        return found[0] if found else None

    def where(self, row: int, position: int) -> str:
        """Return the place of a field for an error: file, line and column."""
        return f"{self.path}: line {row + 2}, column {self.names[position]!r}"

    def numbers(self, positions: Sequence[int]) -> NDArray[np.float64]:
        """Read some columns of all rows; the others may hold anything.

        Returns
        -------
        ndarray, shape (rows, len(positions))

        Raises
        ------
        DataError
            If there are no rows, a row is longer or shorter than the header, or a field
            of these columns is not a number.
        """
        with reading(self.path, "rows", _EXPECTED):
            body = self._body()
            fast = self._parse(body, positions)
            return self._parse_by_row(body, positions) if fast is None else fast

    def _body(self) -> bytes:
        """Return all lines after the header, each with one newline at its end."""
        content = self.path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\0" in content:
            raise DataError(f"{self.path}: found NUL bytes; expected {_EXPECTED}")
        content.decode("utf-8")
        body = content.partition(b"\n")[2].rstrip(b"\n")
        if not body:
            raise DataError(f"{self.path}: found a header without rows; expected {_EXPECTED}")
        return body + b"\n"

    def _parse(self, body: bytes, positions: Sequence[int]) -> NDArray[np.float64] | None:
        """Read a plain table; None if that takes, or finds, more than plain numbers."""
        if b'"' in body or not self._is_rectangular(body):
            return None
        try:
            frame = pd.read_csv(
                BytesIO(body),
                sep=self.separator,
                header=None,
                usecols=sorted(positions),
                index_col=False,
                na_values=list(_NAN),
                keep_default_na=False,
                skipinitialspace=True,
                skip_blank_lines=False,
                quoting=csv.QUOTE_NONE,
                low_memory=False,
            )
        except ValueError:
            return None
        # Booleans too would become numbers.
        if any(dtype.kind not in "fiu" for dtype in frame.dtypes):
            return None
        return frame[list(positions)].to_numpy(dtype=np.float64)

    def _is_rectangular(self, body: bytes) -> bool:
        """Return whether every row has as many fields as the header; pandas would not say."""
        codes = np.frombuffer(body, dtype=np.uint8)
        newline = ord("\n")
        marks = codes[(codes == newline) | (codes == ord(self.separator))] == newline
        width = len(self.names)
        if marks.size % width:
            return False
        rows = marks.reshape(-1, width)
        return bool(rows[:, -1].all()) and not rows[:, :-1].any()

    def _parse_by_row(self, body: bytes, positions: Sequence[int]) -> NDArray[np.float64]:
        """Read any table, slowly; says what is wrong with it, and where."""
        values = array("d")
        for row, fields in enumerate(self._rows(body)):
            values.extend(self._number(fields[at], row, at) for at in positions)
        return np.array(values).reshape(-1, len(positions))

    def _rows(self, body: bytes) -> Iterator[list[str]]:
        lines = StringIO(body.decode("utf-8"), newline="")
        rows = csv.reader(lines, delimiter=self.separator, skipinitialspace=True)
        for row, found in enumerate(rows):
            fields = found or [""]
            if rows.line_num != row + 1:
                raise DataError(
                    f"{self.path}: line {row + 2}: found a quoted field without an end; "
                    "expected one line a row"
                )
            if len(fields) != len(self.names):
                raise DataError(
                    f"{self.path}: line {row + 2}: found {len(fields)} fields; "
                    f"expected {len(self.names)}, as in the header"
                )
            yield fields

    def _number(self, field: str, row: int, position: int) -> float:
        # Python's float also takes 1_000 and the digits of all scripts.
        if field.isascii() and "_" not in field:
            try:
                return float(field)
            except ValueError:
                if field.strip(_BLANKS) in _NAN:
                    return np.nan
        raise DataError(f"{self.where(row, position)}: found {field[:40]!r}; expected a number")


def _first_line(path: Path) -> str:
    """Return the first line of a text file, without its end.

    Raises
    ------
    DataError
        If the file is missing, empty or not text, or the line is far too long.
    """
    check_file(path, _EXPECTED)
    with reading(path, "first line", _EXPECTED), path.open(encoding="utf-8-sig") as file:
        line = file.readline(MAX_HEADER + 1)
    if "\0" in line:
        raise DataError(f"{path}: first line: found NUL bytes; expected {_EXPECTED}")
    if len(line) > MAX_HEADER:
        raise DataError(
            f"{path}: first line: found more than {MAX_HEADER} characters; expected {_EXPECTED}"
        )
    return line.removesuffix("\n")


def _check_names(names: Sequence[str], path: Path) -> None:
    if not 1 <= len(names) <= MAX_FEATURES:
        raise DataError(f"{path}: header: found {len(names)} columns; expected 1 to {MAX_FEATURES}")
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{path}: header: found no name of column {number}; expected one")
        if name in seen:
            raise DataError(
                f"{path}: header: found columns {seen[name]} and {number} both called {name!r}; "
                "expected different names"
            )
        seen[name] = number
