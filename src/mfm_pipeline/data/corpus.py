"""Splits of aligned samples, and the corpus that they make up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data.modality import BoolArray, Index, Modality
from mfm_pipeline.data.targets import Targets
from mfm_pipeline.errors import DataError

SPLIT_NAMES = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Aligned samples of two or more modalities, with their targets.

    Parameters
    ----------
    modalities : mapping of str to Modality
        At least two; sequences share ``T``.
    targets : Targets
    ids : ndarray of str, shape (n,)
        Unique; ``"video[3]"`` for the fourth segment of a video.
    words : ndarray of str, shape (n, T), optional
        For display; ``""`` where there is none.

    Raises
    ------
    DataError
        If sizes disagree or ids repeat.
    """

    modalities: Mapping[str, Modality]
    targets: Targets
    ids: NDArray[np.str_]
    words: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(self.modalities) < 2:
            found = ", ".join(self.modalities) or "none"
            raise DataError(f"modalities: {found}; expected at least two")
        sizes = {name: len(m) for name, m in self.modalities.items()}
        sizes["targets"] = len(self.targets.values)
        if wrong := {name: size for name, size in sizes.items() if size != n}:
            raise DataError(f"{n} ids, but sizes {wrong}; expected one sample per id")
        if len(np.unique(self.ids)) != n:
            raise DataError("sample ids repeat; expected unique ids")
        lengths = {m.values.shape[1] for m in self.modalities.values() if not m.is_image}
        if len(lengths) > 1:
            raise DataError(f"sequence lengths {sorted(lengths)}; expected one common T")
        if self.words is not None and self.words.shape != (n, *lengths):
            raise DataError(f"words have shape {self.words.shape}; expected {(n, *lengths)}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def step_mask(self) -> BoolArray | None:
        """Steps of each sample, shape ``(n, T)``; None without sequences.

        All from the first step that any modality observes, or that has a word.
        """
        observed = [m.steps for m in self.modalities.values() if m.steps is not None]
        if not observed:
            return None
        if self.words is not None:
            observed.append(self.words != "")
        used: BoolArray = np.logical_or.accumulate(np.logical_or.reduce(observed), axis=1)
        return used

    @property
    def has_any_modality(self) -> BoolArray:
        """Whether a sample has at least one modality, shape ``(n,)``."""
        return self.has_any(self.modalities)

    def has_any(self, names: Iterable[str]) -> BoolArray:
        """Whether a sample has at least one of the modalities in `names`, shape ``(n,)``."""
        result: BoolArray = np.logical_or.reduce([self.modalities[name].present for name in names])
        return result

    def select(self, index: Index) -> Split:
        """Return the samples at `index`."""
        return Split(
            modalities={name: m.select(index) for name, m in self.modalities.items()},
            targets=self.targets.select(index),
            ids=self.ids[index],
            words=None if self.words is None else self.words[index],
        )

    def keep(self, names: Iterable[str]) -> Split:
        """Return the split with the modalities in `names` alone."""
        return replace(self, modalities={name: self.modalities[name] for name in names})


@dataclass(frozen=True, eq=False)
class Corpus:
    """The splits of one corpus and what was done to obtain them.

    Parameters
    ----------
    name : str
    splits : mapping of str to Split
        ``train``, ``valid`` and ``test``; or one alone, of new data. None is empty, and
        they are alike in modalities and targets.
    synthetic : bool
        Whether the data was generated; said wherever its numbers appear.
    left_out : tuple of str
        Modalities that were asked for but that no training sample has.
    counts : mapping of str to int
        What ingestion dropped, shortened or repaired, by reason.
    features : mapping of str to tuple of str
        Names of the d columns of a modality, for those whose files name them.
    preparation : mapping of str to any
        What was done to the values since they were aligned, as JSON can hold it: new data
        has to go through the same before a model sees it. Empty until they are scaled.

    Raises
    ------
    DataError
        If a split is missing or empty, the splits are not alike, or there are not as
        many names as columns.
    """

    name: str
    splits: Mapping[str, Split]
    synthetic: bool = False
    left_out: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    preparation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = tuple(self.splits)
        if names != SPLIT_NAMES and len(names) != 1:
            raise DataError(
                f"corpus {self.name}: splits are {', '.join(self.splits) or 'none'}; "
                f"expected {', '.join(SPLIT_NAMES)}, or one alone"
            )
        first = self.splits[names[0]]
        for name, split in self.splits.items():
            if len(split) == 0:
                raise DataError(f"corpus {self.name}: split '{name}' is empty")
            if split.targets.names != first.targets.names:
                raise DataError(
                    f"corpus {self.name}: targets of '{name}' are {split.targets.names}; "
                    f"those of '{names[0]}' are {first.targets.names}"
                )
            shapes = {key: m.shape for key, m in split.modalities.items()}
            expected = {key: m.shape for key, m in first.modalities.items()}
            if shapes != expected:
                raise DataError(
                    f"corpus {self.name}: modalities of '{name}' are {shapes}; "
                    f"those of '{names[0]}' are {expected}"
                )
        for key, names in self.features.items():
            modality = first.modalities.get(key)
            if modality is None or modality.is_image or modality.shape != (len(names),):
                found = "no such modality" if modality is None else f"shape {modality.shape}"
                raise DataError(
                    f"corpus {self.name}: features of '{key}': found {len(names)} names and "
                    f"{found}; expected a name a column"
                )

    @property
    def label(self) -> str:
        """The corpus's name for people, which says when its data is not real."""
        return f"{self.name} (synthetic data)" if self.synthetic else self.name

    @property
    def train(self) -> Split:
        """The training split."""
        return self._split("train")

    @property
    def valid(self) -> Split:
        """The validation split."""
        return self._split("valid")

    @property
    def test(self) -> Split:
        """The test split."""
        return self._split("test")

    def _split(self, name: str) -> Split:
        if name not in self.splits:
            raise DataError(
                f"corpus {self.name}: found split '{', '.join(self.splits)}' alone; "
                f"expected '{name}' beside it"
            )
        return self.splits[name]
