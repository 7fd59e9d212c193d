"""What takes the place of missing modalities: those of the nearest training samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from mfm_pipeline.data import Split
from mfm_pipeline.evaluation.missing.fills import MeanFill
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.pooling import masked_statistics

Array = NDArray[Any]

TINY = 1e-6
"""Spread below which a coordinate is constant."""


class NeighbourFill:
    """Fill with the mean of the k nearest training samples that have what is missing.

    Samples are near by the modalities that both of them have: by the mean and spread of
    each feature over observed steps, in units of train; by the pixels of images, in
    units of their overall spread. Distances over few coordinates are scaled up to all
    of them (`sklearn.metrics.pairwise.nan_euclidean_distances`). Neighbours' sequences
    are averaged step by step from the first one on, each step over those that observe
    it; a step that none observes gets the mean over all their steps. Where no training
    sample shares a modality, the train mean has to do.

    Parameters
    ----------
    train : Split
    k : int
        Neighbours; all there are, if they are fewer.
    """

    def __init__(self, train: Split, k: int) -> None:
        self.k = k
        self.mean = MeanFill(train)
        self.train = Inputs.from_split(train)
        self._spread: dict[str, tuple[Array, Array]] = {}
        inputs = self.train.gather()
        features = self._features(inputs)
        self._search: dict[str, NearestNeighbors | None] = {}
        self._rows: dict[str, Array] = {}
        for name in inputs.present:
            others = _without(features, name)
            known = inputs.present[name].numpy() & ~np.isnan(others).all(axis=1)
            self._rows[name] = np.flatnonzero(known)
            self._search[name] = None
            if known.any():
                self._search[name] = NearestNeighbors(
                    n_neighbors=min(k, int(known.sum())), metric="nan_euclidean"
                ).fit(others[known])

    def __call__(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return values of each modality where samples lack it; elsewhere the train mean."""
        inputs = inputs.gather()
        filled = {name: value.clone() for name, value in self.mean(inputs).items()}
        features = self._features(inputs)
        for name, value in filled.items():
            others = _without(features, name)
            asked = ~inputs.present[name].numpy() & ~np.isnan(others).all(axis=1)
            search = self._search[name]
            if search is None or not asked.any():
                continue
            distances, nearest = search.kneighbors(others[asked])
            near = torch.from_numpy(np.isfinite(distances))
            rows = torch.from_numpy(self._rows[name][nearest])
            found = near.any(dim=1)
            position = torch.from_numpy(np.flatnonzero(asked))[found]
            value[position] = self._average(name, rows[found], near[found]).to(value.dtype)
        return filled

    def _average(self, name: str, rows: Tensor, near: Tensor) -> Tensor:
        """Return the mean of a modality over the training samples `rows`, ``(n, k)``."""
        if name in self.train.images:
            images, places = self.train.images[name]
            pixels = images[places[rows]].float() / 255
            weight = near[:, :, None, None, None].float()
            return (pixels * weight).sum(dim=1) / weight.sum(dim=1)
        values, steps = self.train.values[name], self.train.steps[name]
        # Neighbour by neighbour: all at once would be k times the batch.
        total = torch.zeros(len(rows), *values.shape[1:])
        count = torch.zeros(len(rows), values.shape[1], 1)
        for row, counts in zip(rows.T, near.T, strict=True):
            observed = (steps[row] & counts[:, None])[:, :, None].float()
            total += observed * values[row]
            count += observed
        overall = total.sum(dim=1, keepdim=True) / count.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.where(count > 0, total / count.clamp(min=1), overall)

    def _features(self, inputs: Inputs) -> dict[str, Array]:
        """Return coordinates of each modality, ``(n, c)`` float64, NaN where it is absent."""
        features = {}
        for name, value in inputs.values.items():
            present = inputs.present[name]
            if name in inputs.steps:
                pooled = masked_statistics(value, inputs.steps[name], present)
                # Without step count and presence, which are no features.
                coordinates = pooled[:, : 2 * value.shape[2]]
            else:
                coordinates = value.flatten(1)
            table = coordinates.numpy().astype(np.float64)
            there = present.numpy()
            if name not in self._spread:
                axis = 0 if name in inputs.steps else None
                known = table[there] if there.any() else np.zeros_like(table[:1])
                center, spread = known.mean(axis=0), known.std(axis=axis)
                self._spread[name] = center, np.where(spread > TINY, spread, 1.0)
            center, spread = self._spread[name]
            table = (table - center) / spread
            table[~there] = np.nan
            features[name] = table
        return features


def _without(features: dict[str, Array], name: str) -> Array:
    """Return the coordinates of all other modalities side by side."""
    return np.concatenate([table for other, table in features.items() if other != name], axis=1)
