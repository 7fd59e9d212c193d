"""Labels of a file to the targets of a task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray, Targets, Task
from mfm_pipeline.errors import DataError


def make_targets(
    labels: NDArray[np.floating[Any]],
    *,
    task: Task,
    names: tuple[str, ...],
    columns: tuple[int, ...] | None = None,
    source: str,
) -> Targets:
    """Choose the columns of a label array and check them.

    Parameters
    ----------
    labels : ndarray, shape (n, c)
        Regression: a number a target. Multilabel: 0 or 1 a label. Multiclass: one
        column a class, of which one is 1 (one-hot), or one column with the class index.
    task : {"regression", "multiclass", "multilabel"}
    names : tuple of str
        Names of the k targets, labels or classes.
    columns : tuple of int, optional
        Which columns to use, in this order; all by default.
    source : str
        File and field, for errors.

    Raises
    ------
    DataError
        If a label is missing or not finite, or the columns do not fit names and task.
    """
    count = labels.shape[1]
    if columns is not None and (beyond := [c for c in columns if c >= count]):
        raise DataError(
            f"{source}: found {count} label column(s); "
            f"expected column {beyond[0]}, which ingestion.targets.columns names"
        )
    chosen = labels if columns is None else labels[:, list(columns)]
    with np.errstate(over="ignore"):
        held = chosen.astype(np.float32)
    if len(bad := np.flatnonzero(~np.isfinite(held).all(axis=1))):
        raise DataError(
            f"{source}: found {len(bad)} label(s) missing or not finite, the first in row "
            f"{bad[0]}: {chosen[bad[0]].tolist()}; expected numbers that float32 holds"
        )
    if task == "multiclass":
        return Targets(_class_index(chosen, len(names), source), names, task)
    if chosen.shape[1] != len(names):
        raise DataError(
            f"{source}: found {chosen.shape[1]} label column(s); "
            f"expected {len(names)}, one for each of ingestion.targets.names"
        )
    if task == "multilabel" and not np.isin(chosen, (0, 1)).all():
        raise DataError(f"{source}: found labels other than 0 and 1; expected yes/no labels")
    return Targets(held, names, task)


def with_known_values(
    labels: NDArray[np.floating[Any]],
    values: tuple[float, ...],
    columns: tuple[int, ...] | None,
    source: str,
) -> tuple[NDArray[np.float64], BoolArray]:
    """Turn labels that stand for classes into indices; say which stand for none.

    Parameters
    ----------
    labels : ndarray, shape (n, c)
    values : tuple of float
        Label of each class, in their order.
    columns : tuple of int, optional
        The one column to use, if there are several.
    source : str
        File and field, for errors.

    Returns
    -------
    index : ndarray, shape (n, 1)
    known : ndarray of bool, shape (n,)

    Raises
    ------
    DataError
        If more than one column is left.
    """
    chosen = labels if columns is None else labels[:, [c for c in columns if c < labels.shape[1]]]
    if chosen.shape[1] != 1:
        raise DataError(
            f"{source}: found {chosen.shape[1]} label column(s); "
            "expected one, as ingestion.targets.values names a label a class"
        )
    equal = np.isclose(chosen, np.asarray(values))
    known: BoolArray = equal.any(axis=1)
    return equal.argmax(axis=1).astype(np.float64)[:, None], known


def check_varied(targets: Targets, source: str) -> None:
    """Check that no target is the same for all samples.

    Raises
    ------
    DataError
        If one is: nothing could be learnt, and correlations are undefined.
    """
    columns = targets.values.reshape(len(targets.values), -1)
    constant = np.flatnonzero((columns == columns[:1]).all(axis=0))
    if not len(columns) or not len(constant):
        return
    value = columns[0, constant[0]]
    if targets.task == "multiclass":
        raise DataError(
            f"{source}: found class '{targets.names[int(value)]}' alone in all "
            f"{len(columns)} training samples; expected at least two classes"
        )
    raise DataError(
        f"{source}: found target '{targets.names[constant[0]]}' constant ({value:g}) in all "
        f"{len(columns)} training samples; expected it to vary"
    )


def _class_index(labels: NDArray[Any], classes: int, source: str) -> NDArray[np.int64]:
    if labels.shape[1] == 1:
        index = labels[:, 0]
        if not ((index >= 0) & (index < classes) & (index == np.floor(index))).all():
            raise DataError(
                f"{source}: found class indices from {index.min():g} to {index.max():g}; "
                f"expected whole numbers from 0 to {classes - 1}"
            )
        return index.astype(np.int64)
    if labels.shape[1] != classes:
        raise DataError(
            f"{source}: found {labels.shape[1]} class columns; "
            f"expected {classes}, one for each of ingestion.targets.names"
        )
    one_hot = np.isin(labels, (0, 1)).all(axis=1) & (labels.sum(axis=1) == 1)
    if not one_hot.all():
        row = int(np.flatnonzero(~one_hot)[0])
        raise DataError(
            f"{source}: found {labels[row].tolist()} in row {row}; expected one 1 among 0s"
        )
    classes_found: NDArray[np.int64] = labels.argmax(axis=1).astype(np.int64)
    return classes_found
