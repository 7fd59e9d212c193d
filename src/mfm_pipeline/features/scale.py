"""Standardise modalities by statistics of the training split alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mfm_pipeline.data import Corpus, Modality, Split
from mfm_pipeline.errors import DataError

_BLOCK = 512


class ColumnScaling(BaseModel):
    """Mean and standard deviation of each feature of one modality."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: int = Field(ge=1, description="Number of features, d.")
    mean: list[float] = Field(description="Means over observed steps of the training split.")
    std: list[float] = Field(description="Standard deviations; 1 where a feature is constant.")

    @model_validator(mode="after")
    def _check(self) -> ColumnScaling:
        if not len(self.mean) == len(self.std) == self.features:
            raise ValueError(f"{len(self.mean)} means, {len(self.std)} stds for {self.features}")
        if not (np.isfinite(self.mean).all() and (np.asarray(self.std) > 0).all()):
            raise ValueError("means must be finite and standard deviations positive")
        return self

    def apply(self, modality: Modality, name: str, clip: float) -> tuple[Modality, int]:
        """Standardise a modality; see `Scaling.apply`.

        Returns
        -------
        modality : Modality
        clipped : int
            How many observed values were clipped.
        """
        width = modality.values.shape[-1]
        if width != self.features:
            raise DataError(
                f"modality '{name}': found {width} features; "
                f"expected {self.features}, as in the scaling statistics"
            )
        mean = np.asarray(self.mean)
        std = np.asarray(self.std)
        values = np.zeros_like(modality.values)
        clipped = 0
        for rows, observed in _observed(modality):
            scaled = (modality.values[rows][observed] - mean) / std
            clipped += int((np.abs(scaled) > clip).sum())
            values[rows][observed] = np.clip(scaled, -clip, clip)
        return replace(modality, values=values), clipped


class Scaling(BaseModel):
    """Fitted statistics of all sequence modalities; images are left as they are.

    They are an output of their own, so that new data is treated like the training data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clip: float = Field(gt=0, description="Standard deviations at which values are clipped.")
    modalities: dict[str, ColumnScaling] = Field(description="By modality.")

    @classmethod
    def load(cls, statistics: Mapping[str, Any]) -> Scaling:
        """Rebuild from what `model_dump` gave.

        Raises
        ------
        DataError
            If the statistics are not of that form.
        """
        try:
            return cls.model_validate(statistics)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "(all)"
            raise DataError(f"scaling statistics, {field}: {first['msg']}") from error

    def apply(self, split: Split) -> tuple[Split, dict[str, int]]:
        """Standardise and clip observed steps; every other step becomes zero.

        Returns
        -------
        split : Split
        clipped : dict of str to int
            Clipped values, by modality.

        Raises
        ------
        DataError
            If a modality has no statistics, or another number of features.
        """
        modalities, clipped = dict(split.modalities), {}
        for name, modality in split.modalities.items():
            if modality.is_image:
                continue
            if name not in self.modalities:
                known = ", ".join(self.modalities) or "none"
                raise DataError(f"modality '{name}' has no scaling statistics; found {known}")
            modalities[name], clipped[name] = self.modalities[name].apply(modality, name, self.clip)
        return replace(split, modalities=modalities), clipped


def fit_scaling(corpus: Corpus, clip: float) -> Scaling:
    """Fit means and standard deviations on the training split.

    Padding, steps without frames and absent samples do not count.

    Parameters
    ----------
    corpus : Corpus
    clip : float
        Standard deviations.
    """
    sequences = {name: m for name, m in corpus.train.modalities.items() if not m.is_image}
    return Scaling(clip=clip, modalities={name: _fit(m) for name, m in sequences.items()})


def _fit(modality: Modality) -> ColumnScaling:
    width = modality.values.shape[-1]
    count, total = 0, np.zeros(width)
    for rows, observed in _observed(modality):
        values = modality.values[rows][observed]
        count += len(values)
        total += values.sum(axis=0, dtype=np.float64)
    mean = total / max(count, 1)
    # The second pass is on deviations: squares of values with a large offset would cancel.
    square = np.zeros(width)
    for rows, observed in _observed(modality):
        square += ((modality.values[rows][observed] - mean) ** 2).sum(axis=0)
    std = np.sqrt(square / max(count, 1))
    # Below what float32 resolves at this offset, a spread is rounding: a constant feature.
    constant = std <= 10 * np.finfo(np.float32).eps * np.abs(mean)
    std = np.where(constant | (std == 0), 1.0, std)
    return ColumnScaling(features=width, mean=mean.tolist(), std=std.tolist())


def _observed(modality: Modality) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Blocks of samples with their step masks: float64 copies stay small."""
    assert modality.steps is not None
    for begin in range(0, len(modality.values), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        yield rows, modality.steps[rows]
