"""What is predicted: numbers, classes, or several yes/no labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data.modality import Index
from mfm_pipeline.errors import DataError

Task = Literal["regression", "multiclass", "multilabel"]


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
