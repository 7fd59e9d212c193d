"""How scores fall with the share of samples that lack modalities, and with noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mfm_pipeline.data import Modality, Split
from mfm_pipeline.evaluation.missing.methods import Method
from mfm_pipeline.evaluation.missing.score import score_method
from mfm_pipeline.evaluation.options import EvaluationOptions
from mfm_pipeline.features.holes import draw_holes

_BLOCK = 4096
"""Images whose spread is added up at once."""


def score_holes(
    methods: Mapping[str, Method],
    test: Split,
    train: Split,
    shares: Sequence[float],
    draws: int,
    options: EvaluationOptions,
) -> pd.DataFrame:
    """Score methods on test while a growing share of its samples loses modalities.

    Holes are drawn by `mfm_pipeline.features.holes.draw_holes`, the same for every method;
    where there are none, once.

    Returns
    -------
    DataFrame
        A row a method, share and draw: ``method``, ``share``, ``draw`` and the metrics
        of the task.
    """
    rows = []
    for share in shares:
        for draw in range(draws if share else 1):
            holes = draw_holes(test, share, np.random.default_rng(draw))
            for name, method in methods.items():
                scores = score_method(method, test, holes, train.targets, options)
                rows.append({"method": name, "share": share, "draw": draw, **_of_task(scores)})
    return pd.DataFrame(rows)


def score_noise(
    methods: Mapping[str, Method],
    test: Split,
    train: Split,
    levels: Sequence[float],
    draws: int,
    options: EvaluationOptions,
) -> pd.DataFrame:
    """Score methods on test while Gaussian noise on one modality grows.

    It is drawn once where there is none.

    Returns
    -------
    DataFrame
        A row a method, modality, level and draw: ``method``, ``modality``, ``sd`` (in
        standard deviations of each feature over the observed steps of train), ``draw``
        and the metrics of the task.
    """
    rows = []
    for modality in test.modalities:
        spread = feature_spread(train.modalities[modality])
        for level in levels:
            for draw in range(draws if level else 1):
                rng = np.random.default_rng(draw)
                noisy = add_noise(test, modality, level * spread, rng)
                for name, method in methods.items():
                    scores = score_method(method, noisy, {}, train.targets, options)
                    place = {"method": name, "modality": modality, "sd": level, "draw": draw}
                    rows.append(place | _of_task(scores))
    return pd.DataFrame(rows)


def add_noise(split: Split, name: str, sd: NDArray[Any], rng: np.random.Generator) -> Split:
    """Return a split with Gaussian noise on what is observed of one modality.

    Parameters
    ----------
    split : Split
    name : str
    sd : ndarray, shape (d,) or (C, H, W)
        Standard deviation of each feature; pixels are rounded and stay in 0 .. 255.
    rng : numpy.random.Generator
    """
    modality = split.modalities[name]
    if modality.steps is None:
        # Samples may share an image, but not its noise.
        rows = np.arange(len(modality)) if modality.rows is None else modality.rows
        pixels = modality.values[rows]
        moved = np.rint(pixels + sd * rng.normal(size=pixels.shape))
        noisy = Modality(moved.clip(0, 255).astype(np.uint8), modality.present)
    else:
        moved = modality.values + sd * rng.normal(size=modality.values.shape)
        values = np.where(modality.steps[..., None], moved, 0).astype(np.float32)
        noisy = replace(modality, values=values)
    return replace(split, modalities={**split.modalities, name: noisy})


def feature_spread(modality: Modality) -> NDArray[Any]:
    """Return the standard deviation of each feature over what is observed; 0 without any."""
    if modality.steps is not None:
        observed = modality.values[modality.steps].astype(np.float64)
        return np.asarray(observed.std(axis=0) if len(observed) else np.zeros(modality.shape))
    rows = np.arange(len(modality)) if modality.rows is None else modality.rows
    rows = rows[modality.present]
    total, squares = np.zeros(modality.shape), np.zeros(modality.shape)
    for start in range(0, len(rows), _BLOCK):
        block = modality.values[rows[start : start + _BLOCK]].astype(np.float64)
        total += block.sum(axis=0)
        squares += np.square(block).sum(axis=0)
    n = max(len(rows), 1)
    return np.asarray(np.sqrt(np.maximum(squares / n - np.square(total / n), 0)))


def _of_task(scores: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in scores.items() if not key.startswith("mse/")}
