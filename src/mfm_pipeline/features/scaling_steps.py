"""The fitted steps of scaling, each for all columns of one modality.

`SignedLog` first, where it is wanted, then `Linear` or `Quantiles`. A step is fitted
column by column: that costs the memory of one column as float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.special import ndtri

Method = Literal["standard", "robust", "quantile"]
Column = NDArray[np.float64]

_ROUNDING = 10 * np.finfo(np.float32).eps
_MAX_QUANTILES = 1000
#: Where the normal distribution is cut, as in scikit-learn: about 5.2.
_NORMAL_BOUND = -float(ndtri(1e-7))

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]


class Center(NamedTuple):
    """The middle of one column, and how far its values lie from it."""

    location: float
    spread: float


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Centered(_Step):
    location: list[Finite] = Field(description="Of each column: its mean or median.")
    spread: list[Positive] = Field(description="Of each column; 1 where it is constant.")

    @classmethod
    def of(cls, centers: Sequence[Center]) -> Self:
        """Gather the centres of all columns."""
        return cls(location=[c.location for c in centers], spread=[c.spread for c in centers])

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.location) != len(self.spread):
            raise ValueError(
                f"{len(self.location)} locations and {len(self.spread)} spreads; "
                "expected as many of one as of the other"
            )
        return self

    @property
    def width(self) -> int:
        """Number of columns, d."""
        return len(self.location)


class SignedLog(_Centered):
    """``sign(u) log(1 + |u|)`` of ``u = (x - location) / spread``, as `by_deviations` gives."""

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Transform values ``(m, d)``."""
        return signed_log(values, np.asarray(self.location), np.asarray(self.spread))


class Linear(_Centered):
    """``(x - location) / spread``, as `by_moments` or `by_quartiles` give."""

    kind: Literal["linear"] = "linear"

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Scale values ``(m, d)``."""
        return np.asarray((values - np.asarray(self.location)) / np.asarray(self.spread))


class Quantiles(_Step):
    """To a standard normal distribution, between fitted quantiles by interpolation.

    What lies at or beyond the first or the last quantile becomes minus or plus 5.2.
    """

    kind: Literal["quantiles"] = "quantiles"
    quantiles: list[Annotated[list[Finite], Field(min_length=1)]] = Field(
        description="Of each column, evenly spaced; one alone where it is constant."
    )

    @model_validator(mode="after")
    def _check(self) -> Quantiles:
        for number, quantiles in enumerate(self.quantiles):
            if (np.diff(quantiles) < 0).any():
                raise ValueError(f"quantiles of column {number} fall; expected ascending numbers")
        return self

    @property
    def width(self) -> int:
        """Number of columns, d."""
        return len(self.quantiles)

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Transform values ``(m, d)``."""
        result = np.empty(values.shape)
        for number, quantiles in enumerate(self.quantiles):
            column = values[:, number].astype(np.float64)
            result[:, number] = _to_normal(column, np.asarray(quantiles))
        return result


def signed_log(values: NDArray[Any], location: Any, spread: Any) -> NDArray[np.float64]:
    """Return ``sign(u) log(1 + |u|)`` of ``u = (values - location) / spread``."""
    units = (values - location) / spread
    return np.asarray(np.sign(units) * np.log1p(np.abs(units)))


def is_constant(column: Column) -> bool:
    """Return whether no two values differ by more than float32 rounds, or there are none."""
    return not len(column) or bool(np.ptp(column) <= _ROUNDING * np.abs(column).max())


def by_moments(column: Column) -> Center:
    """Return mean and standard deviation, 1 where that is 0."""
    return Center(float(column.mean()), float(column.std()) or 1.0)


def by_quartiles(column: Column) -> Center:
    """Return median and interquartile range; where that is 0, as `by_moments`."""
    lower, median, upper = np.percentile(column, (25, 50, 75))
    return _center(column, median, upper - lower)


def by_deviations(column: Column) -> Center:
    """Return median and 1.4826 median absolute deviations; where they are 0, as `by_moments`."""
    median = np.percentile(column, 50)
    return _center(column, median, 1.4826 * np.percentile(np.abs(column - median), 50))


def quantiles_of(column: Column) -> list[float]:
    """Return evenly spaced quantiles, 1000 or as many as there are values; see `Quantiles`."""
    shares = np.linspace(0, 1, min(_MAX_QUANTILES, len(column)))
    # Interpolation rounds: equal quantiles may fall by one unit in the last place.
    quantiles: list[float] = np.maximum.accumulate(np.quantile(column, shares)).tolist()
    return quantiles


def _center(column: Column, median: float, spread: float) -> Center:
    """Take the standard deviation as spread where most values are one and the same."""
    if spread <= _ROUNDING * abs(median):
        spread = by_moments(column).spread
    return Center(float(median), float(spread))


def _to_normal(column: Column, quantiles: Column) -> Column:
    if len(quantiles) == 1:
        return np.zeros_like(column)
    shares = np.linspace(0, 1, len(quantiles))
    # From both sides: where quantiles repeat, the middle of their shares counts.
    rising = np.interp(column, quantiles, shares)
    falling = np.interp(-column, -quantiles[::-1], -shares[::-1])
    share = (rising - falling) / 2
    share[column <= quantiles[0]] = 0
    share[column >= quantiles[-1]] = 1
    return np.asarray(np.clip(ndtri(share), -_NORMAL_BOUND, _NORMAL_BOUND))
