"""Segments of a video as steps: what a model reads that knows a segment's neighbours."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray, Modality, Split
from mfm_pipeline.errors import DataError

PLACE = "place"
"""Modality whose only step is the sample's own place among its neighbours."""

_SEGMENT = re.compile(r"(.*)\[(\d+)\]", re.DOTALL)


def neighbours(ids: NDArray[np.str_], window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the samples around each one in its own video.

    Parameters
    ----------
    ids : ndarray of str, shape (n,)
        ``video[3]`` for the fourth segment of a video; any other is a video of one segment.
    window : int
        Segments on each side, at most.

    Returns
    -------
    rows : ndarray of int64, shape (n, T)
        Positions of the neighbours and of the sample itself, in the order of segments,
        behind -1 where there are fewer than of the sample that has most.
    place : ndarray of int64, shape (n,)
        Column of the sample itself.
    """
    videos: dict[str, list[tuple[int, int]]] = {}
    for row, name in enumerate(ids):
        found = _SEGMENT.fullmatch(str(name))
        video, segment = (found[1], int(found[2])) if found else (str(name), 0)
        # A video of one segment may be called like one of several.
        videos.setdefault(f"{video}[" if found else video, []).append((segment, row))
    around: dict[int, tuple[list[int], int]] = {}
    for segments in videos.values():
        order = [row for _, row in sorted(segments)]
        for at, row in enumerate(order):
            around[row] = order[max(0, at - window) : at + window + 1], min(at, window)
    width = max(len(inside) for inside, _ in around.values())
    rows = np.full((len(ids), width), -1, dtype=np.int64)
    place = np.zeros(len(ids), dtype=np.int64)
    for row, (inside, own) in around.items():
        rows[row, width - len(inside) :] = inside
        place[row] = width - len(inside) + own
    return rows, place


def in_context(split: Split, features: Mapping[str, NDArray[np.float32]], window: int) -> Split:
    """Return samples whose steps are the segments around them.

    Parameters
    ----------
    split : Split
        No segment of another split is seen.
    features : mapping of str to ndarray, shape (n, d)
        Of every sample, by modality; those of samples without the modality are not read.
    window : int
        Segments on each side, at most.

    Returns
    -------
    Split
        Of the same samples and targets: a step a segment, observed where that segment has
        the modality; and the modality `PLACE`, whose only step is the sample itself. It is
        absent of samples that have nothing around them either.

    Raises
    ------
    DataError
        If a modality is called `PLACE`.
    """
    if PLACE in split.modalities:
        raise DataError(f"a modality is called '{PLACE}'; expected another name")
    rows, place = neighbours(split.ids, window)
    modalities = {}
    for name, values in features.items():
        steps: BoolArray = split.modalities[name].present[rows]
        steps[rows < 0] = False
        around = np.where(steps[:, :, None], values[rows], np.float32(0))
        modalities[name] = Modality(around, np.asarray(steps.any(axis=1)), steps)
    # Nothing can be learned from a sample without anything, neighbours included.
    something = np.logical_or.reduce([modality.present for modality in modalities.values()])
    own = np.zeros(rows.shape, dtype=np.bool_)
    own[np.arange(len(rows)), place] = something
    marker = own.astype(np.float32)[:, :, None]
    modalities[PLACE] = Modality(marker, something, own)
    return Split(modalities, split.targets, split.ids)
