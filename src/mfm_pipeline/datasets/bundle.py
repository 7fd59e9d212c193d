"""Prepared arrays of all splits in one file: what MMSA and MultiBench hand out.

Each split is a mapping of names to arrays or lists, such as ``audio``, ``vision``,
``text``, ``raw_text``, ``id`` and ``labels``; n samples are in every one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray

from mfm_pipeline.datasets.bundle_values import (
    FloatArray,
    first,
    floats,
    items,
    numbered,
    only,
    segment_key,
    string_array,
    strings,
    video_key,
)
from mfm_pipeline.datasets.reading import reading
from mfm_pipeline.errors import DataError

_ALIASES = {"train": ("train",), "valid": ("valid", "val", "dev"), "test": ("test",)}
_IDS, _TEXT, _LENGTHS = "id", "raw_text", "_lengths"


@dataclass(frozen=True, eq=False)
class Bundle:
    """Prepared arrays of all splits in one file, by split and then by the names used there.

    Parameters
    ----------
    path : Path
        The file, for messages.
    splits : mapping of str to mapping of str to ndarray or list
        ``train``, ``valid`` and ``test``, whatever the file calls them.
    """

    path: Path
    splits: Mapping[str, Mapping[str, Any]]

    def array(self, name: str, split: str) -> FloatArray | None:
        """Return an array of numbers, or None if the split has none of that name.

        Parameters
        ----------
        name : str
        split : {"train", "valid", "test"}

        Returns
        -------
        ndarray of float32 or float64, shape (n, ...)
            In the precision that is stored; all but float32 and float16 is float64.
            A list of numbers, or of rows of equal shape, is stacked. May be read-only.

        Raises
        ------
        DataError
            If it is no numeric array.
        """
        if name not in self.splits[split]:
            return None
        with self._reading(name, split, "an array of numbers"):
            return floats(self.splits[split][name])

    def lengths(self, name: str, split: str) -> NDArray[np.int64] | None:
        """Return how many steps each sample of array `name` has, as ``<name>_lengths`` says.

        Returns
        -------
        ndarray of int64, shape (n,), or None if the file does not say.

        Raises
        ------
        DataError
            If they are no counts.
        """
        stored = self.array(name + _LENGTHS, split)
        if stored is None:
            return None
        with self._reading(name + _LENGTHS, split, "one count a sample"):
            counts = stored.reshape(len(stored))
            if not ((counts >= 0) & (counts < 2**31) & (counts == np.floor(counts))).all():
                raise ValueError("not all are whole numbers")
            return counts.astype(np.int64)

    def text(self, split: str) -> list[str] | None:
        """Return what is said in each sample (``raw_text``), or None if the file does not say.

        Raises
        ------
        DataError
            If it is not one string a sample.
        """
        if _TEXT not in self.splits[split]:
            return None
        with self._reading(_TEXT, split, "one string a sample"):
            return strings([only(item) for item in items(self.splits[split][_TEXT])])

    def ids(self, split: str) -> NDArray[np.str_] | None:
        """Return the ids of the samples, or None if the file gives none.

        Returns
        -------
        ndarray of str, shape (n,)
            ``video[segment]`` for MMSA's ``video$_$segment``. Samples of the same id, as
            of rows (video, start, end), are numbered in their order: ``video[0]``.

        Raises
        ------
        DataError
            If they are not one string, or one row, a sample.
        """
        stored = self._stored_ids(split)
        if stored is None:
            return None
        with self._reading(_IDS, split, "one id a sample"):
            return string_array(numbered([segment_key(name) for name in stored]))

    def groups(self, split: str) -> NDArray[np.str_] | None:
        """Return the video of each sample, or None if the file gives no ids.

        Returns
        -------
        ndarray of str, shape (n,)

        Raises
        ------
        DataError
            As `ids` does.
        """
        stored = self._stored_ids(split)
        if stored is None:
            return None
        with self._reading(_IDS, split, "one id a sample"):
            return string_array([video_key(name) for name in stored])

    def _stored_ids(self, split: str) -> list[str] | None:
        """Return the first column of the ids, as stored."""
        if _IDS not in self.splits[split]:
            return None
        with self._reading(_IDS, split, "one id a sample"):
            return strings([first(item) for item in items(self.splits[split][_IDS])])

    @contextmanager
    def _reading(self, name: str, split: str, expected: str) -> Iterator[None]:
        with reading(self.path, f"split '{split}', {name!r}", expected):
            yield


def bundle_of(path: Path, content: Any) -> Bundle:
    """Return what a file holds as a bundle.

    Parameters
    ----------
    path : Path
    content : dict of str to dict of str to ndarray or list
        As read; the splits ``train``, ``valid`` (or ``val``, ``dev``) and ``test``.

    Raises
    ------
    DataError
        If it is no such dict, or a split is missing.
    """
    if not isinstance(content, dict):
        raise DataError(f"{path}: found {type(content).__name__}; expected a dict of splits")
    splits = {}
    for split, aliases in _ALIASES.items():
        names = [alias for alias in aliases if alias in content]
        if len(names) != 1:
            there = ", ".join(repr(name)[:80] for name in list(content)[:10]) or "nothing"
            raise DataError(
                f"{path}: found {there}; expected one split called {' or '.join(aliases)}"
            )
        splits[split] = content[names[0]]
        if not isinstance(splits[split], dict):
            raise DataError(
                f"{path}: split '{split}': found {type(splits[split]).__name__}; "
                "expected a dict of arrays"
            )
    return Bundle(path, splits)


class BundleDataset(AbstractDataset[None, Bundle]):
    """Base of the Kedro datasets of such files; these only read.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    reader: ClassVar[staticmethod[[Path], Bundle]]

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> Bundle:
        """Read the file; see its reader for the errors."""
        return self.reader(self._path)

    def save(self, data: None) -> None:
        """Refuse: such files come from other programs."""
        raise DataError(f"{self._path}: is read only, never written")

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}
