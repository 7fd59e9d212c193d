"""Standardise modalities by statistics of the training split alone.

Acoustic and visual features are heavy-tailed: a few frames lie hundreds of standard
deviations out. With the transform ``signed_log`` a feature x first becomes
``sign(u) log(1 + |u|)`` of ``u = (x - median) / spread``, the spread being 1.4826 median
absolute deviations: linear within a spread of the median, logarithmic far from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mfm_pipeline.data import Corpus, Modality, Split
from mfm_pipeline.errors import DataError

_BLOCK = 512
_ROUNDING = 10 * np.finfo(np.float32).eps


Transform = Literal["identity", "signed_log"]


class ColumnScaling(BaseModel):
    """What is known of each feature of one modality."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: int = Field(ge=1, description="Number of features, d.")
    center: list[float] | None = Field(description="Medians; null without signed_log.")
    spread: list[float] | None = Field(description="Robust spreads; null without signed_log.")
    mean: list[float] = Field(description="Means over observed steps, once transformed.")
    std: list[float] = Field(description="Standard deviations; 1 where a feature is constant.")

    @model_validator(mode="after")
    def _check(self) -> ColumnScaling:
        if (self.center is None) != (self.spread is None):
            raise ValueError("center and spread go together")
        for name in ("center", "spread", "mean", "std"):
            values = getattr(self, name)
            if values is None:
                continue
            if len(values) != self.features or not np.isfinite(values).all():
                raise ValueError(f"'{name}' must be {self.features} finite numbers")
            if name in ("spread", "std") and (np.asarray(values) <= 0).any():
                raise ValueError(f"'{name}' must be positive")
        return self

    def transform(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return values ``(..., d)`` on the scale that mean and std are measured on."""
        if self.center is None or self.spread is None:
            return values.astype(np.float64)
        return _signed_log(values, np.asarray(self.center), np.asarray(self.spread))

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
            scaled = (self.transform(modality.values[rows][observed]) - mean) / std
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


def fit_scaling(corpus: Corpus, clip: float, transform: Transform = "signed_log") -> Scaling:
    """Fit the statistics of every feature on the training split.

    Padding, steps without frames and absent samples do not count.

    Parameters
    ----------
    corpus : Corpus
    clip : float
        Standard deviations.
    transform : {"identity", "signed_log"}
        What is done to a feature before it is standardised.
    """
    sequences = {name: m for name, m in corpus.train.modalities.items() if not m.is_image}
    return Scaling(
        clip=clip, modalities={name: _fit(m, transform) for name, m in sequences.items()}
    )


def _fit(modality: Modality, transform: Transform) -> ColumnScaling:
    width = modality.values.shape[-1]
    center = spread = None
    if transform == "signed_log":
        center, spread = _center_and_spread(modality)

    def observed() -> Iterator[NDArray[np.float64]]:
        for rows, mask in _observed(modality):
            values = modality.values[rows][mask]
            if center is None or spread is None:
                yield values
            else:
                yield _signed_log(values, center, spread)

    count, total = 0, np.zeros(width)
    for values in observed():
        count += len(values)
        total += values.sum(axis=0, dtype=np.float64)
    mean = total / max(count, 1)
    # The second pass is on deviations: squares of values with a large offset would cancel.
    square = np.zeros(width)
    for values in observed():
        square += ((values - mean) ** 2).sum(axis=0)
    std = _or_one(np.sqrt(square / max(count, 1)), mean)
    return ColumnScaling(
        features=width,
        center=None if center is None else center.tolist(),
        spread=None if spread is None else spread.tolist(),
        mean=mean.tolist(),
        std=std.tolist(),
    )


def _center_and_spread(modality: Modality) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and robust spread of each feature, column by column to save memory."""
    assert modality.steps is not None
    width = modality.values.shape[-1]
    center, spread = np.zeros(width), np.ones(width)
    for column in range(width):
        values = modality.values[..., column][modality.steps].astype(np.float64)
        if not len(values):
            continue
        center[column] = np.median(values)
        spread[column] = 1.4826 * np.median(np.abs(values - center[column]))
        if spread[column] <= _ROUNDING * abs(center[column]):
            # More than half of the values are one and the same.
            spread[column] = values.std()
    return center, _or_one(spread, center)


def _signed_log(
    values: NDArray[Any], center: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    units = (values - center) / spread
    return np.asarray(np.sign(units) * np.log1p(np.abs(units)))


def _or_one(spread: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where a spread is below what float32 resolves at this offset: a constant."""
    return np.where(spread <= _ROUNDING * np.abs(offset), 1.0, spread)


def _observed(modality: Modality) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Blocks of samples with their step masks: float64 copies stay small."""
    assert modality.steps is not None
    for begin in range(0, len(modality.values), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        yield rows, modality.steps[rows]
