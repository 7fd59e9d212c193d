"""Splits with every irregularity the contract allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mfm_pipeline.data import Modality, Split, Targets

FEATURES = {"language": 7, "acoustic": 3, "visual": 4}


def ragged_split(
    features: Mapping[str, int] = FEATURES, *, n: int = 9, steps: int = 6, seed: int = 0
) -> Split:
    """Return samples of length 0, 1 and more, with absent modalities and holes of NaN.

    The first sample has no modality at all, the second one step, the third all
    steps of everything; the fourth has a step without any frame, but with a word; the
    sixth has all modalities, but no step of any.
    """
    rng = np.random.default_rng(seed)
    start = rng.integers(0, steps, size=n)
    start[:4] = steps, steps - 1, 0, 0
    start[5:6] = steps
    used = np.arange(steps) >= start[:, None]
    modalities = {}
    for k, (name, d) in enumerate(features.items()):
        present = rng.random(n) > 0.3
        present[0] = False
        present[1:4] = True
        if n > 4:
            present[4] = k == 0
        mask = used & present[:, None] & (rng.random((n, steps)) > 0.2)
        mask[1:3] = used[1:3]
        mask[3, 2] = False
        mask[:, -1] = present
        if n > 5:
            present[5], mask[5] = True, False
        values = rng.normal(size=(n, steps, d)).astype(np.float32)
        values[~mask] = np.nan
        modalities[name] = Modality(values, present, mask)
    words = np.where(used, "word", "")
    words[0] = ""
    targets = Targets(rng.normal(size=(n, 1)).astype(np.float32), ("score",), "regression")
    return Split(modalities, targets, np.array([f"v[{i}]" for i in range(n)]), words)


def whole_split(features: Mapping[str, int], *, n: int, steps: int, seed: int = 0) -> Split:
    """Return samples that all have every step of every modality."""
    rng = np.random.default_rng(seed)
    modalities = {
        name: Modality(
            rng.normal(size=(n, steps, d)).astype(np.float32),
            np.ones(n, dtype=bool),
            np.ones((n, steps), dtype=bool),
        )
        for name, d in features.items()
    }
    targets = Targets(rng.normal(size=(n, 1)).astype(np.float32), ("score",), "regression")
    return Split(modalities, targets, np.array([f"v[{i}]" for i in range(n)]))


def padded(split: Split, extra: int) -> Split:
    """Return `split` with `extra` more steps of padding in front."""

    def pad(array: np.ndarray, value: object) -> np.ndarray:
        width = [(0, 0), (extra, 0)] + [(0, 0)] * (array.ndim - 2)
        return np.pad(array, width, constant_values=value)

    modalities = {
        name: Modality(pad(m.values, np.nan), m.present, pad(m.steps, False))
        for name, m in split.modalities.items()
    }
    words = None if split.words is None else pad(split.words, "")
    return replace(split, modalities=modalities, words=words)


def unobserved_as(split: Split, value: float) -> Split:
    """Return `split` with `value` wherever nothing was observed."""
    modalities = {
        name: Modality(
            np.where(m.steps[..., None], m.values, np.float32(value)), m.present, m.steps
        )
        for name, m in split.modalities.items()
    }
    return replace(split, modalities=modalities)
