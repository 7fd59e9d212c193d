"""Prepared sequences without times: of unequal length, or padded on the wrong side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.features.align import align
from mfm_pipeline.features.overlap import Intervals

Values = Mapping[str, NDArray[np.float32]]


def align_by_share(
    values: Values, lengths: Mapping[str, NDArray[np.integer[Any]] | None]
) -> dict[str, NDArray[np.float32]]:
    """Average each modality over the steps of the shortest one, by share of the time.

    Without times, all that is known is the order: the steps of a sample divide its time
    into equal parts, and so do the frames of each modality. Frames are then averaged over
    the steps that they overlap, as by `align`.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n, T of its own, d)
    lengths : mapping of str to ndarray of int, shape (n,), or None
        Frames of each sample; where not known, from the first to the last that is not zero.

    Returns
    -------
    dict of str to ndarray, shape (n, T of the shortest, d)
        Padded on the left.
    """
    anchor = min(values, key=lambda name: values[name].shape[1])
    steps = values[anchor].shape[1]
    extents = {name: _extents(array, lengths.get(name)) for name, array in values.items()}
    aligned = {name: np.zeros((len(a), steps, a.shape[2]), a.dtype) for name, a in values.items()}
    for sample in range(len(values[anchor])):
        begin, end = extents[anchor][sample]
        count = int(end - begin) or steps
        words = _equal_parts(count)
        for name, array in values.items():
            first, last = extents[name][sample]
            frames = array[sample, first:last]
            if len(frames):
                means, _ = align(words, _equal_parts(len(frames)), frames)
                aligned[name][sample, steps - count :] = means
    return aligned


def justify_right(values: Values) -> dict[str, NDArray[np.float32]]:
    """Move what pads a sample on the right, in all its modalities, to the left.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n, T, d)
        Aligned: step t is the same time in all of them.
    """
    used = np.logical_or.reduce([(array != 0).any(axis=2) for array in values.values()])
    steps = used.shape[1]
    trailing = np.where(used.any(axis=1), np.argmax(used[:, ::-1], axis=1), 0)
    if not trailing.any():
        return dict(values)
    source = (np.arange(steps) - trailing[:, None]) % steps
    return {
        name: np.take_along_axis(array, source[..., None], axis=1) for name, array in values.items()
    }


def _extents(
    array: NDArray[np.float32], lengths: NDArray[np.integer[Any]] | None
) -> NDArray[np.intp]:
    """First frame and end of each sample, shape (n, 2)."""
    steps = array.shape[1]
    used = (array != 0).any(axis=2)
    first = np.where(used.any(axis=1), used.argmax(axis=1), 0)
    last = np.where(used.any(axis=1), steps - used[:, ::-1].argmax(axis=1), 0)
    if lengths is not None:
        # Counted from the first frame on: some pad on the left, some on the right.
        known = np.clip(lengths, 0, steps)
        first = np.where(first + known > steps, steps - known, first)
        last = np.where(used.any(axis=1), first + known, 0)
    return np.stack([first, last], axis=1).astype(np.intp)


def _equal_parts(count: int) -> Intervals:
    edges = np.arange(count + 1) / count
    return np.stack([edges[:-1], edges[1:]], axis=1)
