"""The one in-memory contract: modalities, presence, targets, ids, splits.

Everything after ingestion takes a `Corpus` and nothing else. Dimension letters
used throughout the project: ``n`` samples, ``T`` steps, ``d`` features of a
modality, ``k`` targets, ``N`` images of ``C`` channels, ``H`` rows and ``W`` columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.errors import DataError

Task = Literal["regression", "multiclass", "multilabel"]
BoolArray = NDArray[np.bool_]
Index = NDArray[np.integer[Any]] | NDArray[np.bool_] | slice

SPLIT_NAMES = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Modality:
    """One modality of a split.

    Parameters
    ----------
    values : ndarray
        Sequences ``(n, T, d)`` float32, left-padded; or images
        ``(N, C, H, W)`` uint8.
    present : ndarray of bool, shape (n,)
        Whether the sample has this modality at all.
    steps : ndarray of bool, shape (n, T), optional
        Steps that hold a frame; sequences only. No step of an absent sample
        may be set. Values at other steps are never read as data.
    rows : ndarray of int64, shape (n,), optional
        Which of the images each sample has; images only. Samples, and splits,
        may share images, and none is copied. Without, N is n and each sample
        has its own.
    generated : ndarray of bool, shape (n,), optional
        Samples whose values a model made, of what else they have; none without.

    Raises
    ------
    DataError
        If shapes, dtypes or masks disagree, an observed value is not finite, or a
        row is not that of an image.
    """

    values: NDArray[Any]
    present: BoolArray
    steps: BoolArray | None = None
    rows: NDArray[np.int64] | None = None
    generated: BoolArray | None = None

    def __post_init__(self) -> None:
        n = len(self.values) if self.rows is None else len(self.rows)
        made = self.generated
        if made is not None and (made.shape != (n,) or made.dtype != np.bool_):
            raise DataError(
                f"what is generated is {made.dtype} of shape {made.shape}; "
                f"expected bool of shape ({n},)"
            )
        if self.present.shape != (n,) or self.present.dtype != np.bool_:
            raise DataError(
                f"presence is {self.present.dtype} of shape {self.present.shape}; "
                f"expected bool of shape ({n},)"
            )
        if self.is_image:
            if self.values.dtype != np.uint8 or self.steps is not None:
                raise DataError(
                    f"images are {self.values.dtype}; expected uint8 without a step mask"
                )
            _check_rows(self.rows, len(self.values))
            return
        if self.rows is not None:
            raise DataError("a sequence has rows; expected them of images only")
        if self.values.ndim != 3 or self.values.dtype != np.float32:
            raise DataError(
                f"values are {self.values.dtype} of shape {self.values.shape}; "
                "expected sequences (n, T, d) float32 or images (n, C, H, W) uint8"
            )
        steps = self.steps
        if steps is None or steps.shape != self.values.shape[:2] or steps.dtype != np.bool_:
            found = None if steps is None else (steps.dtype, steps.shape)
            raise DataError(f"step mask is {found}; expected bool of shape {self.values.shape[:2]}")
        if steps[~self.present].any():
            raise DataError("the step mask is set in a sample whose modality is absent")
        if not _all_finite(self.values, steps):
            raise DataError("an observed step holds NaN or infinity; expected finite values")

    @property
    def is_image(self) -> bool:
        """Whether the values are images rather than sequences."""
        return self.values.ndim == 4

    @property
    def kind(self) -> Literal["sequence", "image"]:
        """Name of the modality kind, as the model's registry knows it."""
        return "image" if self.is_image else "sequence"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what one step (``(d,)``) or one image (``(C, H, W)``) holds."""
        return self.values.shape[1:] if self.is_image else self.values.shape[2:]

    def __len__(self) -> int:
        return len(self.present)

    @classmethod
    def absent(cls, n: int, shape: tuple[int, ...], steps: int) -> Modality:
        """Return a modality that none of `n` samples has.

        Parameters
        ----------
        n : int
        shape : tuple of int
            Of one step, ``(d,)``, or of one image, ``(C, H, W)``.
        steps : int
            Steps T; of images it does not count.
        """
        present = np.zeros(n, dtype=np.bool_)
        if len(shape) == 3:
            image = np.zeros((1, *shape), dtype=np.uint8)
            return cls(image, present, rows=np.zeros(n, dtype=np.int64))
        mask = np.zeros((n, steps), dtype=np.bool_)
        return cls(np.zeros((*mask.shape, *shape), dtype=np.float32), present, mask)

    def select(self, index: Index) -> Modality:
        """Return the samples at `index`; of images with rows, the rows alone."""
        present = self.present[index]
        made = None if self.generated is None else self.generated[index]
        if self.rows is not None:
            return Modality(self.values, present, rows=self.rows[index], generated=made)
        steps = None if self.steps is None else self.steps[index]
        return Modality(self.values[index], present, steps, generated=made)


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """A set of images, each with its class: what image pairs are drawn from.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, H, W)
    labels : ndarray of int64, shape (N,)
        Index of the class of each image, from 0.

    Raises
    ------
    DataError
        If shapes or dtypes are others, or a label is negative.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise DataError(
                f"images are {self.images.dtype} of shape {self.images.shape}; "
                "expected uint8 of shape (N, C, H, W)"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"labels are {self.labels.dtype} of shape {self.labels.shape}; "
                f"expected int64 of shape ({len(self.images)},)"
            )
        if (self.labels < 0).any():
            raise DataError(f"a label is {self.labels.min()}; expected 0 or more")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Targets:
    """What is predicted.

    Parameters
    ----------
    values : ndarray
        Regression: ``(n, k)`` float32. Multilabel: ``(n, k)`` float32 of 0 and
        1. Multiclass: ``(n,)`` int64, the index of the class.
    names : tuple of str
        Names of the ``k`` targets or labels, or of the classes; none where nothing is
        known of them, see `unknown`.
    task : {"regression", "multiclass", "multilabel"}

    Raises
    ------
    DataError
        If shapes disagree or a value is not finite or not allowed by the task.
    """

    values: NDArray[Any]
    names: tuple[str, ...]
    task: Task

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise DataError(f"task is '{self.task}'; expected one of {', '.join(get_args(Task))}")
        k = len(self.names)
        if self.task == "multiclass":
            if self.values.ndim != 1 or self.values.dtype != np.int64:
                raise DataError(
                    f"class targets are {self.values.dtype} of shape {self.values.shape}; "
                    "expected int64 of shape (n,)"
                )
            if ((self.values < 0) | (self.values >= k)).any():
                raise DataError(f"a class index lies outside 0 .. {k - 1}")
            return
        if self.values.ndim != 2 or self.values.shape[1] != k or self.values.dtype != np.float32:
            raise DataError(
                f"targets are {self.values.dtype} of shape {self.values.shape}; "
                f"expected float32 of shape (n, {k}) for {k} named targets"
            )
        if not np.isfinite(self.values).all():
            bad = int((~np.isfinite(self.values)).any(axis=1).sum())
            raise DataError(f"targets of {bad} sample(s) are missing or not finite")
        if self.task == "multilabel" and not np.isin(self.values, (0.0, 1.0)).all():
            raise DataError("multilabel targets hold something other than 0 and 1")

    @classmethod
    def unknown(cls, n: int) -> Targets:
        """Return targets of `n` samples without labels: a regression on nothing."""
        return cls(np.zeros((n, 0), dtype=np.float32), (), "regression")

    @property
    def typical(self) -> NDArray[np.float64]:
        """What is said of a sample that nothing is known of, shape ``(k,)``.

        The median of each target, or how frequent each class or label is.
        """
        if self.task == "regression":
            return np.asarray(np.median(self.values, axis=0), dtype=np.float64)
        if self.task == "multilabel":
            return np.asarray(self.values.mean(axis=0), dtype=np.float64)
        counts = np.bincount(self.values, minlength=len(self.names))
        return np.asarray(counts / counts.sum())

    def select(self, index: Index) -> Targets:
        """Return the targets of the samples at `index`."""
        return replace(self, values=self.values[index])


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


def _check_rows(rows: NDArray[np.int64] | None, images: int) -> None:
    if rows is None:
        return
    if rows.dtype != np.int64 or rows.ndim != 1:
        raise DataError(
            f"rows are {rows.dtype} of shape {rows.shape}; expected int64 of shape (n,)"
        )
    if len(rows) and not (rows.min() >= 0 and rows.max() < images):
        raise DataError(f"rows reach from {rows.min()} to {rows.max()}; expected 0 .. {images - 1}")


def _all_finite(values: NDArray[np.float32], steps: BoolArray) -> bool:
    """Whether observed steps are finite; sample by sample, for a mask copies what it picks."""
    return all(
        bool(np.isfinite(sample[observed]).all())
        for sample, observed in zip(values, steps, strict=True)
    )
