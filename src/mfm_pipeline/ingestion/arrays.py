"""Samples from arrays in memory, one a modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.clean import zero_bad_values

IDS = "ids"


def split_of_arrays(
    arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], source: str
) -> Split:
    """Return samples without labels.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        By modality, ``(n, T, d)`` numbers, padded on the left where samples are shorter, or
        images ``(n, C, H, W)`` uint8; and if wanted ``ids``, ``(n,)``. A row of a sequence
        that is all zero or NaN is a step without frames; a sample of such rows alone, or
        an image of zeros alone, lacks the modality.
    shapes : mapping of str to tuple of int
        Of one step, or one image, of the modalities that are expected: those without an
        array are absent.
    source : str
        For messages.

    Raises
    ------
    DataError
        If an array has another shape, or they are of different numbers of samples or steps.
    """
    modalities: dict[str, Modality] = {}
    steps_of = {name: array.shape[1] for name, array in arrays.items() if array.ndim == 3}
    if len(set(steps_of.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in steps_of.items())
        raise DataError(
            f"{source}: found steps of {told}; expected as many of each: they are aligned"
        )
    longest = max(steps_of.values(), default=0)
    for name, array in arrays.items():
        if name == IDS:
            continue
        if array.ndim == 4 and array.dtype == np.uint8:
            modalities[name] = Modality(array, np.asarray(array.any(axis=(1, 2, 3))))
        elif array.ndim == 3 and array.dtype.kind in "fiu":
            with np.errstate(over="ignore", invalid="ignore"):
                values, _ = zero_bad_values(array.astype(np.float32))
            steps = (values != 0).any(axis=2)
            modalities[name] = Modality(values, steps.any(axis=1), steps)
        else:
            raise DataError(
                f"{source}: {name}: found {array.dtype} of shape {array.shape}; expected numbers "
                f"(samples, steps, features), images (samples, C, H, W) uint8, or '{IDS}'"
            )
    if not modalities:
        raise DataError(f"{source}: found no modality; expected an array of one or more")
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) != 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items()) or "nothing"
        raise DataError(f"{source}: found samples of {told}; expected as many of each")
    n = next(iter(sizes.values()))
    for name in shapes.keys() - modalities.keys():
        modalities[name] = Modality.absent(n, shapes[name], longest)
    ids = arrays.get(IDS, np.arange(n))
    return Split(modalities, Targets.unknown(n), ids.astype(np.str_))
