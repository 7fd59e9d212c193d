"""The split of each video as a file: what a corpus's authors publish as its folds.

JSON, ``{"train": ["id", ...], "valid": [...], "test": [...]}``, or a CSV with the columns
``video`` (or ``id``) and ``split``. ``dev``, ``val`` and ``validation`` mean ``valid``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mfm_pipeline.data import SPLIT_NAMES
from mfm_pipeline.datasets.reading import reading
from mfm_pipeline.datasets.text_table import read_text_file, read_text_table, shown
from mfm_pipeline.errors import DataError

_NAMES = {name: name for name in SPLIT_NAMES} | dict.fromkeys(("dev", "val", "validation"), "valid")
#: What a split may be called, for errors.
SPLITS_EXPECTED = "train, valid (or dev, val, validation) or test"

Member = tuple[str, str]


def split_called(name: str) -> str | None:
    """Return the split that `name` means, upper or lower case alike, or None."""
    return _NAMES.get(name.strip().casefold())


def read_split_file(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the ids of each split.

    Parameters
    ----------
    path : Path
        JSON if it ends in ``.json``, otherwise CSV.

    Returns
    -------
    dict of str to tuple of str
        Ids of ``train``, ``valid`` and ``test``, each once, in the order of the file.

    Raises
    ------
    DataError
        If the file is not of either form, an id is in two splits, or a split is empty.
    """
    members = _json(path) if path.suffix.lower() == ".json" else _csv(path)
    split_of: dict[str, str] = {}
    for video, split in members:
        if split_of.setdefault(video, split) != split:
            raise DataError(
                f"{path}: id {shown(video)}: found in {split_of[video]} and in {split}; "
                "expected in one split"
            )
    splits = {
        name: tuple(video for video, split in split_of.items() if split == name)
        for name in SPLIT_NAMES
    }
    if empty := [name for name, videos in splits.items() if not videos]:
        raise DataError(f"{path}: {empty[0]}: found no ids; expected at least one")
    return splits


def _json(path: Path) -> Iterable[Member]:
    text = read_text_file(path, "a JSON file")
    with reading(path, "JSON", '{"train": [ids], "valid": [ids], "test": [ids]}'):
        # As pairs: of a key that is there twice, JSON would hide the first.
        content = json.loads(text, object_pairs_hook=_Pairs)
    if not isinstance(content, _Pairs):
        raise DataError(f"{path}: found {_kind(content)}; expected an object of splits")
    return [member for key, ids in content for member in _members(key, ids, path)]


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object."""


def _members(key: str, ids: Any, path: Path) -> list[Member]:
    split = split_called(key)
    if split is None:
        raise DataError(f"{path}: found key {shown(key)}; expected {SPLITS_EXPECTED}")
    if not isinstance(ids, list) or isinstance(ids, _Pairs):
        raise DataError(f"{path}: {key}: found {_kind(ids)}; expected a list of ids")
    for number, video in enumerate(ids):
        # Half of a surrogate pair, which JSON can write, is not printable.
        if not isinstance(video, str) or not video.strip() or not video.isprintable():
            found = shown(video) if isinstance(video, str) else _kind(video)
            raise DataError(f"{path}: {key}[{number}]: found {found}; expected an id in quotes")
    return [(video.strip(), split) for video in ids]


def _kind(value: Any) -> str:
    return "object" if isinstance(value, _Pairs) else type(value).__name__


def _csv(path: Path) -> Iterable[Member]:
    table = read_text_table(path, ("video", "id"))
    video, split = table.find("video") or table.find("id"), table.find("split")
    if video is None or split is None:
        raise DataError(
            f"{path}: header: found columns {', '.join(map(shown, table.columns))}; "
            "expected a column 'split'"
        )
    members = []
    for row, (name, called) in enumerate(
        zip(table.columns[video].tolist(), table.columns[split].tolist(), strict=True)
    ):
        meant = split_called(called)
        if not name:
            raise table.error(row, video, "an id")
        if meant is None:
            raise table.error(row, split, SPLITS_EXPECTED)
        members.append((name, meant))
    return members
