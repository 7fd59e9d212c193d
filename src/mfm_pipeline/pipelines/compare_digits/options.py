"""How models are compared; checked before any node runs."""

from __future__ import annotations

from pydantic import Field, field_validator

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
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1, description="Of the final runs.")

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError("seeds repeat or are negative; expected different ones from 0 on")
        return seeds
