"""Scale sequence modalities by statistics of the training split alone.

Acoustic and visual features are heavy-tailed: a few frames lie hundreds of standard
deviations out. With the transform ``signed_log`` a feature x first becomes
``sign(u) log(1 + |u|)`` of ``u = (x - median) / spread``, the spread being 1.4826 median
absolute deviations: linear within a spread of the median, logarithmic far from it. Then
one of three methods: ``standard`` subtracts the mean and divides by the standard
deviation, ``robust`` the median and the interquartile range, ``quantile`` maps the
distribution itself to a standard normal one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mfm_pipeline.data import Corpus, Modality, Split
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.scaling_steps import (
    Center,
    Linear,
    Method,
    Quantiles,
    SignedLog,
    by_deviations,
    by_moments,
    by_quartiles,
    is_constant,
    quantiles_of,
    signed_log,
)

Transform = Literal["identity", "signed_log"]

#: Values that are scaled at a time, in float64.
_BLOCK = 2**16


class ModalityScaling(BaseModel):
    """What is known of the columns of one modality."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signed_log: SignedLog | None = Field(description="The first step; null for none.")
    scale: Annotated[Linear | Quantiles, Field(discriminator="kind")] = Field(
        description="The second step."
    )

    @model_validator(mode="after")
    def _check(self) -> ModalityScaling:
        if not self.width:
            raise ValueError("no columns; expected at least one")
        if self.signed_log is not None and self.signed_log.width != self.width:
            raise ValueError(
                f"signed_log is of {self.signed_log.width} columns and scale of {self.width}; "
                "expected as many"
            )
        return self

    @property
    def width(self) -> int:
        """Number of columns, d."""
        return self.scale.width

    def apply(
        self, modality: Modality, name: str, clip: float, *, overwrite: bool = False
    ) -> tuple[Modality, int]:
        """Scale a modality; see `Scaling.apply`.

        Returns
        -------
        modality : Modality
        clipped : int
            How many observed values were clipped.
        """
        assert modality.steps is not None
        _, steps, width = modality.values.shape
        if width != self.width:
            raise DataError(
                f"modality '{name}': found {width} features; "
                f"expected {self.width}, as in the scaling statistics"
            )
        values = modality.values if overwrite else np.empty_like(modality.values)
        clipped = 0
        block = max(1, _BLOCK // max(1, steps * width))
        for begin in range(0, len(values), block):
            rows = slice(begin, begin + block)
            observed = modality.steps[rows]
            scaled = self._transform(modality.values[rows][observed])
            clipped += int(np.count_nonzero(np.abs(scaled) > clip))
            values[rows] = 0
            values[rows][observed] = np.clip(scaled, -clip, clip)
        return replace(modality, values=values), clipped

    def _transform(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.scale.apply(
            values if self.signed_log is None else self.signed_log.apply(values)
        )


class Scaling(BaseModel):
    """Fitted statistics of all sequence modalities; images are left as they are.

    They are an output of their own, so that new data is treated like the training data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clip: float = Field(gt=0, description="Where scaled values are clipped, on both sides.")
    modalities: dict[str, ModalityScaling] = Field(description="By modality.")

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

    def apply(
        self, split: Split, *, overwrite: Collection[str] = ()
    ) -> tuple[Split, dict[str, int]]:
        """Scale and clip observed steps; every other step becomes zero.

        Parameters
        ----------
        split : Split
        overwrite : collection of str
            Modalities whose arrays nothing else needs: their place is used again.

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
            modalities[name], clipped[name] = self.modalities[name].apply(
                modality, name, self.clip, overwrite=name in overwrite
            )
        return replace(split, modalities=modalities), clipped


def fit_scaling(
    corpus: Corpus,
    clip: float,
    transform: Transform = "signed_log",
    method: Method = "standard",
) -> Scaling:
    """Fit the statistics of every feature on the training split.

    Padding, steps without frames and absent samples do not count.

    Parameters
    ----------
    corpus : Corpus
    clip : float
        Where scaled values are clipped, on both sides.
    transform : {"identity", "signed_log"}
        What is done to a feature before it is scaled.
    method : {"standard", "robust", "quantile"}
        How it is scaled.
    """
    sequences = {name: m for name, m in corpus.train.modalities.items() if not m.is_image}
    return Scaling(
        clip=clip, modalities={name: _fit(m, transform, method) for name, m in sequences.items()}
    )


def observed_columns(modality: Modality) -> Iterator[NDArray[np.float64]]:
    """Yield each column's values at observed steps, one after the other to save memory."""
    assert modality.steps is not None
    for column in range(modality.values.shape[-1]):
        yield modality.values[..., column][modality.steps].astype(np.float64)


def _fit(modality: Modality, transform: Transform, method: Method) -> ModalityScaling:
    logs: list[Center] = []
    centers: list[Center] = []
    quantiles: list[list[float]] = []
    for column in observed_columns(modality):
        if is_constant(column):
            # What float32 rounds is no spread: one value says all.
            column = np.median(column, keepdims=True) if len(column) else np.zeros(1)
        if transform == "signed_log":
            logs.append(by_deviations(column))
            column = signed_log(column, *logs[-1])
        if method == "quantile":
            quantiles.append(quantiles_of(column))
        else:
            centers.append(by_moments(column) if method == "standard" else by_quartiles(column))
    return ModalityScaling(
        signed_log=SignedLog.of(logs) if logs else None,
        scale=Quantiles(quantiles=quantiles) if method == "quantile" else Linear.of(centers),
    )
