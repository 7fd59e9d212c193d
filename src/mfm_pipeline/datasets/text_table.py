"""CSV tables whose cells stay text: ``007`` and ``1e5`` are ids like any other.

UTF-8, with a header; separated by comma, semicolon or tab. Column names are compared
without regard to case and to blanks around them.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.errors import DataError

#: Bytes of a table: a hundred thousand rows with transcripts have less.
MAX_BYTES = 2**24
#: Characters of the header line.
MAX_HEADER = 2**20
MAX_ROWS = 2**18
#: Bytes of the arrays, in which the longest cell of a column says how much each takes.
MAX_MEMORY = 2**28

_SEPARATORS = ",;\t"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

Cells = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table as text, without blanks around cells and without empty rows.

    Parameters
    ----------
    path : Path
    columns : mapping of str to ndarray of str, shape (n,)
        Cells by column name; a column without a name is left out.
    lines : ndarray of int, shape (n,)
        Line of the file in which each row ends, from 1 on.
    """

    path: Path
    columns: Mapping[str, Cells]
    lines: NDArray[np.int64]

    def find(self, name: str) -> str | None:
        """Return the column called `name`, upper or lower case alike, or None."""
        return next((key for key in self.columns if key.casefold() == name.casefold()), None)

    def error(self, row: int, column: str, expected: str) -> DataError:
        """Return the error that names the cell in `row` of `column`."""
        return DataError(
            f"{self.path}: line {self.lines[row]}, column '{column}': "
            f"found {shown(str(self.columns[column][row]))}; expected {expected}"
        )


def read_text_table(path: Path, required: tuple[str, ...]) -> TextTable:
    """Read a CSV file.

    Parameters
    ----------
    path : Path
    required : tuple of str
        Column names of which the header holds at least one: how it is recognised.

    Raises
    ------
    DataError
        If the file is missing, empty or too large, is not such a CSV, or has no rows.
    """
    text = read_text_file(path, "a CSV file")
    separator = _separator(text, required, path)
    rows = _rows(text, separator, path)
    _, names = next(rows)
    folded = Counter(name.casefold() for name in names if name)
    if repeated := [name for name, count in folded.items() if count > 1]:
        raise DataError(f"{path}: header: found column {shown(repeated[0])} twice; expected once")
    lines: list[int] = []
    columns: list[list[str]] = [[] for _ in names]
    for line, row in rows:
        if len(row) != len(names):
            raise DataError(
                f"{path}: line {line}: found {len(row)} cells; expected {len(names)}, as in "
                "the header"
            )
        if len(lines) == MAX_ROWS:
            raise DataError(f"{path}: found more than {MAX_ROWS} rows; expected no more")
        lines.append(line)
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    if not lines:
        raise DataError(f"{path}: found a header and no rows; expected at least one")
    named = {name: column for name, column in zip(names, columns, strict=True) if name}
    return TextTable(path, _arrays(named, path), np.array(lines, dtype=np.int64))


def read_text_file(path: Path, expected: str) -> str:
    """Read a small text file in UTF-8, with or without a byte order mark.

    Raises
    ------
    DataError
        If it is missing, empty, larger than 16 MiB, binary or not UTF-8.
    """
    check_file(path, expected)
    with reading(path, "text", f"{expected} in UTF-8"):
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise DataError(f"{path}: found more than {MAX_BYTES} bytes; expected {expected}")
        if b"\0" in content:
            raise DataError(f"{path}: found binary data; expected {expected} in UTF-8")
        return content.decode("utf-8-sig")


def parse_number(text: str) -> float | None:
    """Return a finite number written with a point, or None."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def shown(text: str) -> str:
    """Return text as it can stand in one line of an error."""
    if not text:
        return "an empty cell"
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."


def _separator(text: str, required: tuple[str, ...], path: Path) -> str:
    header = re.split("[\r\n]", text[: MAX_HEADER + 1], maxsplit=1)[0]
    if len(header) > MAX_HEADER:
        raise DataError(
            f"{path}: header: found more than {MAX_HEADER} characters in the first line; "
            "expected the names of columns"
        )
    found: list[str] = []
    for separator in _SEPARATORS:
        with reading(path, "header", "the names of columns"):
            names = _cells(next(_reader([header], separator), []))
        if {name.casefold() for name in names} & set(required):
            return separator
        found = max(found, names, key=len)
    listed = ", ".join(shown(name) for name in found[:20] if name) or "none"
    wanted = " or ".join(f"'{name}'" for name in required)
    raise DataError(f"{path}: header: found columns {listed}; expected a column {wanted}")


def _rows(text: str, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row that is not empty."""
    reader = _reader(io.StringIO(text, newline=""), separator)
    while True:
        try:
            row = _cells(next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}: line {reader.line_num}: found no CSV ({error}); expected cells, "
                "separated or quoted as in the header"
            ) from error
        if any(row):
            yield reader.line_num, row


def _reader(lines: Iterable[str], separator: str) -> Any:
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)


def _cells(row: list[str]) -> list[str]:
    return [cell.strip() for cell in row]


def _arrays(columns: Mapping[str, list[str]], path: Path) -> dict[str, Cells]:
    memory = sum(4 * len(column) * max(map(len, column)) for column in columns.values())
    if memory > MAX_MEMORY:
        raise DataError(
            f"{path}: found cells so long that an array of each column takes {memory} bytes; "
            f"expected at most {MAX_MEMORY}"
        )
    return {name: np.array(column, dtype=np.str_) for name, column in columns.items()}
