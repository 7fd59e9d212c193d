"""The formats of one file a video, by name, and how to tell which one a file has."""

from __future__ import annotations

import re
from pathlib import Path

from mfm_pipeline.datasets.array_file import ArrayFile
from mfm_pipeline.datasets.covarep import Covarep
from mfm_pipeline.datasets.csv_table import CsvTable
from mfm_pipeline.datasets.facet import Facet
from mfm_pipeline.datasets.openface import OpenFace
from mfm_pipeline.datasets.opensmile import OpenSmile
from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.datasets.segment_words import SegmentWords
from mfm_pipeline.datasets.table import Table
from mfm_pipeline.datasets.textgrid import TextGrid
from mfm_pipeline.datasets.track import TrackFormat
from mfm_pipeline.datasets.words import decode_transcript
from mfm_pipeline.errors import DataError

#: Of every format; `kind` says which hold words.
FORMATS: dict[str, type[TrackFormat]] = {
    "array": ArrayFile,
    "covarep": Covarep,
    "facet": Facet,
    "openface": OpenFace,
    "opensmile": OpenSmile,
    "segment_words": SegmentWords,
    "table": Table,
    "textgrid": TextGrid,
}

_BY_SUFFIX = {".mat": "covarep", ".npy": "array", ".npz": "array", ".textgrid": "textgrid"}
_TEXT = (".csv", ".tsv", ".txt")
_START = 4096
# Such as `0,WORD,0.1,0.2,3.1,3.2`.
_SEGMENT_WORD = re.compile(r"\s*\d+\s*,[^,]*(,\s*[-+.\de]+\s*){4}", re.ASCII | re.IGNORECASE)


def sniff_format(path: Path) -> str:
    """Return the name of the format that a file has, by its suffix and its first line.

    Facet's files have nothing that tells them from other tables, and are never
    recognised.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        A key of `FORMATS`.

    Raises
    ------
    DataError
        If the suffix is none of these formats', or a text file has no header.
    """
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if suffix not in _TEXT:
        known = ", ".join((*_BY_SUFFIX, *_TEXT))
        raise DataError(f"{path}: found suffix {suffix!r}; expected one of {known}")
    if suffix == ".txt" and _SEGMENT_WORD.fullmatch(_start_of(path)):
        return "segment_words"
    table = CsvTable.open(path)
    names = {name.casefold() for name in table.names}
    if {"confidence", "success"} <= names:
        return "openface"
    if table.separator == ";" and "frametime" in names:
        return "opensmile"
    return "table"


def _start_of(path: Path) -> str:
    """Return the first line, as far as it lies in the first bytes, in whatever encoding."""
    expected = "a text file"
    check_file(path, expected)
    with reading(path, "first line", expected), path.open("rb") as file:
        return next(iter(decode_transcript(file.read(_START)).splitlines()), "")
