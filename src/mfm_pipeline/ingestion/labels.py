"""Labels of the raw form, by video: a computational sequence, or a CSV."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray, Targets
from mfm_pipeline.datasets.csd import SequenceReader
from mfm_pipeline.datasets.label_table import LabelTable
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.overlap import Intervals
from mfm_pipeline.features.targets import make_targets, with_known_values
from mfm_pipeline.ingestion.options import TargetOptions


class VideoLabels(NamedTuple):
    """The labelled segments of one video.

    Parameters
    ----------
    ids : ndarray of str, shape (S,)
    segments : ndarray, shape (S, 2)
        Seconds; NaN where the segment is the whole video.
    targets : Targets
        Of S segments.
    left_out : ndarray of str
        Ids of the segments whose label is none of those that are wanted.
    """

    ids: NDArray[np.str_]
    segments: Intervals
    targets: Targets
    left_out: NDArray[np.str_]


class Labels(Protocol):
    """The labels of a corpus.

    Attributes
    ----------
    path : Path
    splits : mapping of str to str, or None
        Split of each video, where the labels say it.
    speakers : mapping of str to str, or None
        Speaker of each video, where the labels say it.
    timed : bool
        Whether every segment has its times.
    """

    path: Path
    splits: Mapping[str, str] | None
    speakers: Mapping[str, str] | None
    timed: bool

    @property
    def videos(self) -> Collection[str]:
        """Ids of the labelled videos."""

    def ids_of(self, video: str) -> NDArray[np.str_]:
        """Return the ids of a video's segments."""

    def read(self, video: str) -> VideoLabels:
        """Return the segments of one video.

        Raises
        ------
        DataError
            If a label is not usable.
        """


class SequenceLabels:
    """Labels in a computational sequence."""

    splits: Mapping[str, str] | None = None
    speakers: Mapping[str, str] | None = None
    timed = True

    def __init__(self, reader: SequenceReader, options: TargetOptions) -> None:
        self.path = reader.path
        self._reader = reader
        self._options = options

    @property
    def videos(self) -> Collection[str]:
        """Ids of the labelled videos."""
        return self._reader.videos.keys()

    def read(self, video: str) -> VideoLabels:
        """Return the segments of one video."""
        where = f"{self.path}: video {video!r}"
        ids = self.ids_of(video)
        if len(set(ids.tolist())) != len(ids):
            raise DataError(f"{where}: found segment ids twice; expected once")
        track = self._reader.read_video(video)
        return _choose(
            ids, track.intervals, track.features.astype(np.float64), self._options,
            self._options.columns, where,
        )  # fmt: skip

    def ids_of(self, video: str) -> NDArray[np.str_]:
        """Return the ids of a video's segments: its own key, or a number a row."""
        ids: list[str] = []
        for key in self._reader.videos[video]:
            rows = self._reader.lengths[key]
            own_id = key != video and rows == 1
            ids += [key] if own_id else [f"{key}[{row}]" for row in range(rows)]
        return np.array(ids)


class TableSegments:
    """The segments of a CSV, whose labels are not known."""

    def __init__(self, table: LabelTable) -> None:
        self.path = table.path
        self._table = table
        self.timed = bool(np.isfinite(table.intervals).all())
        order = np.argsort(table.videos, kind="stable")
        names, begins = np.unique(table.videos[order], return_index=True)
        self._rows = dict(zip(names.tolist(), np.split(order, begins[1:]), strict=True))
        self.splits: Mapping[str, str] | None = self._one_a_video(table.splits, "split")
        self.speakers: Mapping[str, str] | None = self._one_a_video(table.speakers, "speaker")

    @property
    def videos(self) -> Collection[str]:
        """Ids of the videos."""
        return self._rows.keys()

    def ids_of(self, video: str) -> NDArray[np.str_]:
        """Return the ids of a video's segments."""
        return self._table.ids[self._rows[video]]

    def read(self, video: str) -> VideoLabels:
        """Return the segments of one video."""
        return _unlabelled(self.ids_of(video), self._table.intervals[self._rows[video]])

    def _one_a_video(self, values: NDArray[np.str_] | None, column: str) -> dict[str, str] | None:
        if values is None:
            return None
        found = {video: np.unique(values[rows]) for video, rows in self._rows.items()}
        for video, several in found.items():
            if len(several) > 1:
                raise DataError(
                    f"{self.path}: video {video!r}, {column}: found {', '.join(several[:3])}; "
                    f"expected one {column} a video"
                )
        return {video: str(one[0]) for video, one in found.items()}


class TableLabels(TableSegments):
    """Labels in a CSV; the targets' names are its columns."""

    def __init__(self, table: LabelTable, options: TargetOptions) -> None:
        self._options = options
        self._labels = _table_labels(table, options)
        super().__init__(table)

    def read(self, video: str) -> VideoLabels:
        """Return the segments of one video."""
        rows = self._rows[video]
        return _choose(
            self._table.ids[rows], self._table.intervals[rows], self._labels[rows], self._options,
            None, f"{self.path}: video {video!r}",
        )  # fmt: skip


class WholeVideos:
    """Videos of which nothing is known but their files: each is one segment.

    Parameters
    ----------
    path : Path
        The folder.
    videos : collection of str
    """

    splits: Mapping[str, str] | None = None
    speakers: Mapping[str, str] | None = None
    timed = False

    def __init__(self, path: Path, videos: Collection[str]) -> None:
        self.path = path
        self._videos = dict.fromkeys(videos)

    @property
    def videos(self) -> Collection[str]:
        """Ids of the videos."""
        return self._videos.keys()

    def ids_of(self, video: str) -> NDArray[np.str_]:
        """Return the id of a video's one segment."""
        return np.array([video])

    def read(self, video: str) -> VideoLabels:
        """Return the one segment of a video."""
        return _unlabelled(self.ids_of(video), np.full((1, 2), np.nan))


def _unlabelled(ids: NDArray[np.str_], segments: Intervals) -> VideoLabels:
    return VideoLabels(ids, segments, Targets.unknown(len(ids)), ids[:0])


def _table_labels(table: LabelTable, options: TargetOptions) -> NDArray[np.float64]:
    if options.values is None:
        return table.labels(options.names, options.task)
    columns = tuple(table.columns)
    if len(columns) != 1:
        raise DataError(
            f"{table.path}: found label columns {', '.join(columns) or 'none'}; "
            "expected one, as ingestion.targets.values names a label a class"
        )
    return table.labels(columns, "regression")


def _choose(
    ids: NDArray[np.str_],
    segments: Intervals,
    labels: NDArray[np.float64],
    options: TargetOptions,
    columns: tuple[int, ...] | None,
    where: str,
) -> VideoLabels:
    kept: BoolArray = np.ones(len(ids), dtype=np.bool_)
    if options.values is not None:
        labels, kept = with_known_values(labels, options.values, columns, where)
        columns = None
    targets = make_targets(
        labels[kept], task=options.task, names=options.names, columns=columns, source=where
    )
    return VideoLabels(ids[kept], segments[kept], targets, ids[~kept])
