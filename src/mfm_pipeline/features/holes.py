"""Samples that lose modalities: which, and what is then left of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mfm_pipeline.data import BoolArray, Modality, Split
from mfm_pipeline.errors import DataError


def draw_holes(split: Split, share: float, rng: np.random.Generator) -> dict[str, BoolArray]:
    """Draw which modalities samples lose.

    A `share` of the samples that have two or more modalities loses some: each a pattern
    that is drawn with equal chance from those that leave it something.

    Parameters
    ----------
    split : Split
    share : float
        Of samples, 0 to 1.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray of bool, shape (n,)
        Holes of each modality, as `punch` takes them.
    """
    names = tuple(split.modalities)
    present = np.stack([split.modalities[name].present for name in names], axis=1)
    holes = np.zeros_like(present)
    able = np.flatnonzero(present.sum(axis=1) > 1)
    chosen = rng.permutation(able)[: round(share * len(able))]
    for row in np.sort(chosen):
        there = np.flatnonzero(present[row])
        # One of the subsets of what is there, but for none and all.
        code = int(rng.integers(1, 2 ** len(there) - 1))
        holes[row, there] = [bool(code >> bit & 1) for bit in range(len(there))]
    return {name: holes[:, column] for column, name in enumerate(names)}


def punch(split: Split, holes: Mapping[str, BoolArray], fill: float = 0.0) -> Split:
    """Return a split whose samples lack modalities, and no trace of what they held.

    Steps that only what is lost had observed are steps no more, and their words go, so
    that a sample is no longer than what is left of it.

    Parameters
    ----------
    split : Split
    holes : mapping of str to ndarray of bool, shape (n,)
        Samples that lose a modality, by its name; those not named lose nothing.
    fill : float
        What sequences hold in holes. Nothing may read it: NaN serves to prove that.
        Images stay where they lie, for samples may share them.

    Raises
    ------
    DataError
        If a name is not that of a modality, or a mask has another shape.
    """
    for name, mask in holes.items():
        if name not in split.modalities or mask.shape != (len(split),) or mask.dtype != np.bool_:
            raise DataError(
                f"holes of '{name}' are {mask.dtype} of shape {mask.shape}; expected bool of "
                f"shape ({len(split)},) for one of {', '.join(split.modalities)}"
            )
    # What a sample lacks anyway, it does not lose.
    holes = {name: mask & split.modalities[name].present for name, mask in holes.items()}
    modalities = {
        name: _without(modality, holes[name], fill) if name in holes else modality
        for name, modality in split.modalities.items()
    }
    punched = replace(split, modalities=modalities, words=None)
    if split.words is None:
        return punched
    lost = np.logical_or.reduce(list(holes.values())) if holes else np.zeros(len(split), np.bool_)
    left = punched.step_mask
    words = split.words
    if left is not None and lost.any():
        words = np.where(lost[:, None] & ~left, "", words)
    return replace(punched, words=words)


def _without(modality: Modality, holes: BoolArray, fill: float) -> Modality:
    present = modality.present & ~holes
    if modality.steps is None:
        return replace(modality, present=present)
    values = modality.values.copy()
    values[holes] = fill
    return replace(modality, values=values, present=present, steps=modality.steps & ~holes[:, None])
