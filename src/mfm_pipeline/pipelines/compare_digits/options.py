"""How models are compared; checked before any node runs."""

from __future__ import annotations

from pydantic import Field

from mfm_pipeline.options import Options


class Setting(Options):
    """A setting of training that each model tries; what is null stays as in training."""

    learning_rate: float | None = Field(None, gt=0, le=1)
    weight_decay: float | None = Field(None, ge=0, le=1)
    batch_size: int | None = Field(None, ge=2)


class ComparisonOptions(Options):
    """Equal budgets: each model tries each setting, and its best one with each seed."""

    settings: tuple[Setting, ...] = Field(
        (Setting(),), min_length=1, description="Tried with the first seed, judged on valid."
    )
    seeds: int = Field(3, ge=1, description="Final trainings: seeds training.seed and on.")
