"""Samples as rows of nested lists, which is what JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.clean import zero_bad_values

ID = "id"

Shapes = Mapping[str, tuple[int, ...]]
Array = NDArray[Any]


def split_of_records(records: pd.DataFrame, shapes: Shapes) -> Split:
    """Return the samples that a table of nested lists holds.

    Parameters
    ----------
    records : DataFrame
        A row a sample, a column a modality: lists of T steps of d numbers, T the same for
        all sequences of a sample, or an image (C, H, W) of 0 to 255. Null or an empty list
        where a sample lacks the modality, null or only zeros (or NaN) where it lacks a
        step. Columns may be missing; one called ``id`` names the samples.
    shapes : mapping of str to tuple of int
        ``(d,)`` or ``(C, H, W)`` of each modality that may be there.

    Returns
    -------
    Split
        Of the modalities in `shapes`, with unknown targets; padded on the left to the
        longest.

    Raises
    ------
    DataError
        If a column is of no modality, or a sample is not of these shapes.
    """
    if unknown := [str(c) for c in records.columns if c not in {ID, *shapes}]:
        raise DataError(
            f"found a column '{unknown[0]}'; expected some of {', '.join(shapes)}, or '{ID}'"
        )
    if records.empty:
        raise DataError("found no samples; expected at least one")
    n = len(records)
    given = records[ID] if ID in records else [None] * n
    ids = np.array([str(row if pd.isna(own) else own) for row, own in enumerate(given)])
    samples = {
        name: [
            _sample(records[name].iloc[row] if name in records else None, shape, name, ids[row])
            for row in range(n)
        ]
        for name, shape in shapes.items()
    }
    sequences = [name for name, shape in shapes.items() if len(shape) == 1]
    longest = 1
    for row in range(n):
        lengths = {
            name: len(found) for name in sequences if (found := samples[name][row]) is not None
        }
        if len(set(lengths.values())) > 1:
            raise DataError(
                f"sample '{ids[row]}': found steps of "
                f"{', '.join(f'{name} {length}' for name, length in lengths.items())}; "
                "expected as many of each: they are aligned"
            )
        longest = max(longest, *lengths.values(), 0)
    modalities = {
        name: _sequences(samples[name], longest, shape[0])
        if name in sequences
        else _images(samples[name], shape)
        for name, shape in shapes.items()
    }
    return Split(modalities, Targets.unknown(n), ids)


def _sample(value: Any, shape: tuple[int, ...], name: str, sample: str) -> Array | None:
    """Return one sample of a modality, ``(T, d)`` or ``(C, H, W)``; None if it has none."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or not len(value):
        return None
    expected = "steps × " + str(shape[0]) if len(shape) == 1 else " × ".join(map(str, shape))
    if len(shape) == 1:
        nothing = [np.nan] * shape[0]
        value = [nothing if step is None or not np.size(step) else step for step in value]
    try:
        array = np.array([np.asarray(step, dtype=np.float64) for step in value])
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.ndim != (2 if len(shape) == 1 else 3) or array.shape[-len(shape) :] != shape:
        found = " × ".join(map(str, array.shape)) if array.size else "something else"
        raise DataError(
            f"sample '{sample}', {name}: found {found}; expected {expected} numbers, as the "
            "model was trained on"
        )
    if len(shape) == 3 and not ((array >= 0) & (array <= 255)).all():
        raise DataError(
            f"sample '{sample}', {name}: found {array.min():g} to {array.max():g} in an image; "
            "expected 0 to 255"
        )
    return array


def _sequences(samples: list[Array | None], length: int, width: int) -> Modality:
    values = np.zeros((len(samples), length, width), np.float32)
    for row, sample in enumerate(samples):
        if sample is not None:
            values[row, length - len(sample) :] = sample
    values, _ = zero_bad_values(values)
    steps = (values != 0).any(axis=2)
    return Modality(values, steps.any(axis=1), steps)


def _images(samples: list[Array | None], shape: tuple[int, ...]) -> Modality:
    values = np.zeros((len(samples), *shape), np.uint8)
    for row, sample in enumerate(samples):
        if sample is not None:
            values[row] = sample.round()
    return Modality(values, np.array([sample is not None for sample in samples]))
