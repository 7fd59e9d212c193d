"""Labels as a CSV file, the simplest thing to have: a row a video, or a segment of one.

Columns: ``video`` (or ``id``); optional ``start`` and ``end`` in seconds, both empty for a
whole video; optional ``segment``, ``split`` and ``speaker``. Every other column holds
labels. See `text_table` for the format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray

from mfm_pipeline.data import Task
from mfm_pipeline.datasets.split_file import SPLITS_EXPECTED, split_called
from mfm_pipeline.datasets.text_table import (
    Cells,
    TextTable,
    parse_number,
    read_text_table,
    shown,
)
from mfm_pipeline.datasets.track import video_of
from mfm_pipeline.errors import DataError


@dataclass(frozen=True, eq=False)
class LabelTable:
    """The rows of a CSV of labels.

    Parameters
    ----------
    path : Path
    videos : ndarray of str, shape (n,)
    ids : ndarray of str, shape (n,)
        Unique: ``video[segment]``; without a segment ``video[0]``, ``video[1]``, ... in the
        order of the file; the bare ``video`` where one row without times is all it has.
        An ``id`` such as ``abc[3]``, with times, is segment 3 of video ``abc``.
    intervals : ndarray of float64, shape (n, 2)
        Start and end in seconds; NaN for the whole video.
    splits : ndarray of str, shape (n,), or None
        ``train``, ``valid`` or ``test``.
    speakers : ndarray of str, shape (n,), or None
    table : TextTable
        The label columns alone.
    """

    path: Path
    videos: Cells
    ids: Cells
    intervals: NDArray[np.float64]
    splits: Cells | None
    speakers: Cells | None
    table: TextTable

    @property
    def columns(self) -> Mapping[str, Cells]:
        """The label columns as text, each of shape (n,), by name."""
        return self.table.columns

    def labels(self, names: Sequence[str], task: Task) -> NDArray[np.float64]:
        """Read labels as numbers.

        Parameters
        ----------
        names : sequence of str
            Names of the targets or labels, each a column; or of the classes.
        task : {"regression", "multiclass", "multilabel"}

        Returns
        -------
        ndarray of float64, shape (n, c)
            Regression and multilabel: a column a name. Multiclass: one-hot, a column a
            name, if there are columns of all these names; otherwise ``c`` is 1 and the
            class index of the only label column, whose cells all are names or all indices.

        Raises
        ------
        DataError
            If a column is missing, or a cell is not what the task wants.
        """
        columns = [self.table.find(name) for name in names]
        found = [column for column in columns if column is not None]
        if task == "multiclass" and len(found) < len(names):
            return self._class_index(names)
        if len(found) < len(names):
            missing = names[columns.index(None)]
            raise self._no_column(f"a column {shown(missing)}")
        labels = np.stack([self._numbers(column, task) for column in found], axis=1)
        if task == "multiclass" and len(bad := np.flatnonzero(labels.sum(axis=1) != 1)):
            raise DataError(
                f"{self.path}: line {self.table.lines[bad[0]]}: found "
                f"{labels[bad[0]].sum():g} classes; expected 1 in one of the columns "
                f"{', '.join(found)} and 0 in the others"
            )
        return labels

    def _numbers(self, column: str, task: Task) -> NDArray[np.float64]:
        if task == "regression":
            return _numbers(self.table, column, "a number")
        values = _numbers(self.table, column, "0 or 1")
        if len(bad := np.flatnonzero(~np.isin(values, (0, 1)))):
            raise self.table.error(int(bad[0]), column, "0 or 1")
        return values

    def _class_index(self, names: Sequence[str]) -> NDArray[np.float64]:
        if len(self.columns) != 1:
            raise self._no_column(
                f"one column with the class, or a column for each of {', '.join(names)}"
            )
        column, cells = next(iter(self.columns.items()))
        index = {name: float(number) for number, name in enumerate(names)}
        by_name = [index.get(cell) for cell in cells.tolist()]
        by_number = [_index_below(len(names), cell) for cell in cells.tolist()]
        for values in (by_name, by_number):
            if None not in values:
                return np.array(values, dtype=np.float64)[:, None]
        neither = [
            row
            for row, pair in enumerate(zip(by_name, by_number, strict=True))
            if pair == (None, None)
        ]
        row = neither[0] if neither else by_name.index(None)
        raise self.table.error(
            row, column, f"one of {', '.join(names)}, or 0 to {len(names) - 1} in every row"
        )

    def _no_column(self, expected: str) -> DataError:
        listed = ", ".join(shown(name) for name in list(self.columns)[:20]) or "none"
        return DataError(f"{self.path}: found label columns {listed}; expected {expected}")


def read_label_table(path: Path) -> LabelTable:
    """Read a CSV of labels.

    Raises
    ------
    DataError
        If the file is not such a CSV; or a row has no video, a start without an end or
        before 0, an unknown split, or the id or the times of another row of its video.
    """
    table = read_text_table(path, ("video", "id"))
    video = table.find("video") or table.find("id")
    assert video is not None
    special = {name: table.find(name) for name in ("start", "end", "segment", "split", "speaker")}
    used = {video, *special.values()}
    videos = _filled(table, video, "a video")
    intervals = _intervals(table, special["start"], special["end"])
    _check_once(table, videos, intervals)
    segments = None if special["segment"] is None else table.columns[special["segment"]]
    timed = ~np.isnan(intervals[:, 0])
    if video == table.find("id") and segments is None and timed.all():
        videos, segments = _split_keys(videos)
    labels = {name: cells for name, cells in table.columns.items() if name not in used}
    return LabelTable(
        path=path,
        videos=videos,
        ids=_ids(table, videos, segments, timed),
        intervals=intervals,
        splits=None if special["split"] is None else _splits(table, special["split"]),
        speakers=None
        if (name := special["speaker"]) is None
        else _filled(table, name, "a speaker"),
        table=TextTable(path, labels, table.lines),
    )


class LabelTableDataset(AbstractDataset[None, LabelTable]):
    """Kedro dataset of a CSV of labels; it only reads.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> LabelTable:
        """Read the file; see `read_label_table` for its errors."""
        return read_label_table(self._path)

    def save(self, data: None) -> None:
        """Refuse: labels come from people."""
        raise DataError(f"{self._path}: is read only, never written")

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


def _split_keys(ids: Cells) -> tuple[Cells, Cells]:
    """Take ids such as ``abc[3]`` for segment 3 of video ``abc``."""
    videos = [video_of(name) for name in ids.tolist()]
    segments = [name[len(video) + 1 : -1] for name, video in zip(ids.tolist(), videos, strict=True)]
    return np.array(videos, dtype=np.str_), np.array(segments, dtype=np.str_)


def _filled(table: TextTable, column: str, expected: str) -> Cells:
    cells = table.columns[column]
    if len(empty := np.flatnonzero(cells == "")):
        raise table.error(int(empty[0]), column, expected)
    return cells


def _numbers(table: TextTable, column: str, expected: str) -> NDArray[np.float64]:
    values = [parse_number(cell) for cell in table.columns[column].tolist()]
    if None in values:
        raise table.error(values.index(None), column, expected)
    return np.array(values, dtype=np.float64)


def _splits(table: TextTable, column: str) -> Cells:
    splits = [split_called(cell) for cell in table.columns[column].tolist()]
    if None in splits:
        raise table.error(splits.index(None), column, SPLITS_EXPECTED)
    return np.array(splits, dtype=np.str_)


def _intervals(table: TextTable, start: str | None, end: str | None) -> NDArray[np.float64]:
    """Return start and end of each row, NaN where both cells are empty."""
    intervals = np.full((len(table.lines), 2), np.nan)
    if start is None and end is None:
        return intervals
    if start is None or end is None:
        found, missing = (start, "end") if end is None else (end, "start")
        raise DataError(f"{table.path}: found column '{found}'; expected a column '{missing}' too")
    timed = (table.columns[start] != "") | (table.columns[end] != "")
    rows = np.flatnonzero(timed)
    part = TextTable(
        table.path,
        {name: table.columns[name][rows] for name in (start, end)},
        table.lines[rows],
    )
    for place, name in enumerate((start, end)):
        intervals[rows, place] = _numbers(part, name, "seconds; or start and end both empty")
    if len(bad := rows[intervals[rows, 0] < 0]):
        raise table.error(int(bad[0]), start, "seconds from 0 on")
    if len(bad := rows[~(intervals[rows, 0] < intervals[rows, 1])]):
        raise table.error(int(bad[0]), end, f"more than the start, {intervals[bad[0], 0]:g} s")
    return intervals


def _check_once(table: TextTable, videos: Cells, intervals: NDArray[np.float64]) -> None:
    line_of: dict[tuple[str, float, float], int] = {}
    for video, (start, end), line in zip(
        videos.tolist(), intervals.tolist(), table.lines, strict=True
    ):
        # Times that are not there are NaN, which equals nothing.
        if line_of.setdefault((video, start, end), line) != line:
            raise DataError(
                f"{table.path}: line {line}: found {shown(video)} from {start:g} to {end:g} s "
                f"again, as in line {line_of[video, start, end]}; expected each segment once"
            )


def _ids(
    table: TextTable, videos: Cells, segments: Cells | None, timed: NDArray[np.bool_]
) -> Cells:
    names: list[str] = videos.tolist()
    parts: Iterable[str] = [""] * len(names) if segments is None else segments.tolist()
    rows_of, seen, line_of = Counter(names), Counter[str](), dict[str, int]()
    ids = []
    for name, part, has_time, line in zip(names, parts, timed, table.lines, strict=True):
        alone = not part and not has_time and rows_of[name] == 1
        found = name if alone else f"{name}[{part or seen[name]}]"
        seen[name] += 1
        if line_of.setdefault(found, line) != line:
            raise DataError(
                f"{table.path}: line {line}: found {shown(found)} again, as in line "
                f"{line_of[found]}; expected each segment once"
            )
        ids.append(found)
    return np.array(ids, dtype=np.str_)


def _index_below(count: int, cell: str) -> float | None:
    number = parse_number(cell)
    if number is None or not number.is_integer() or not 0 <= number < count:
        return None
    return number
