"""Parameters of interpretation; each checked before anything runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mfm_pipeline.options import Options


class KernelOptions(Options):
    """How likeness of two samples is measured."""

    bandwidth: float | Literal["median"] = Field(
        "median", description="Sigma of exp(-|a - b|^2 / (2 sigma^2)), or the median distance."
    )
    scale: Literal["standard", "none"] = Field(
        "standard", description="Each feature of factors and modalities to unit variance, or as is."
    )
    estimator: Literal["unbiased", "biased"] = Field(
        "unbiased",
        description="Equation 10 without the pairs of a sample with itself, or as published.",
    )
    time: Literal["mean", "gak"] = Field(
        "mean", description="Sequences by their mean (Equation 11), or the Global Alignment Kernel."
    )

    @property
    def unbiased(self) -> bool:
        """Whether pairs of a sample with itself are left out."""
        return self.estimator == "unbiased"

    @field_validator("bandwidth")
    @classmethod
    def _positive(cls, bandwidth: float | str) -> float | str:
        if bandwidth != "median" and not 0 < float(bandwidth) < float("inf"):
            raise ValueError("expected a positive number, or median")
        return bandwidth


class InformationOptions(Options):
    """How much each modality tells of the factors, by normalised HSIC."""

    kernels: tuple[KernelOptions, ...] = Field(
        (
            KernelOptions(),
            KernelOptions(bandwidth=1.0, scale="none", estimator="biased"),
        ),
        min_length=1,
        description="Each gives rows of the table; the first is what figures and metrics show.",
    )
    subsample: int = Field(
        2000, ge=10, le=20_000, description="Samples, at most, that chance is measured on."
    )
    permutations: int = Field(999, ge=19, le=100_000, description="Of the test of independence.")
    resamples: int = Field(1000, ge=100, le=100_000, description="Of the interval of the ratio.")
    level: float = Field(0.95, gt=0.5, lt=1, description="Of the interval.")
