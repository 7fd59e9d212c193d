"""What is generated, and how it is judged; checked before any node runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mfm_pipeline.generation import SamplerOptions, ScoreOptions
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.options import Options
from mfm_pipeline.training import TrainingOptions


class JudgeOptions(Options):
    """The classifiers that read generated images, one a modality, trained on real ones."""

    model: ModelOptions = Field(description="Whose Q(Zy | Xi), Gy and D each judge has.")
    training: TrainingOptions

    @field_validator("training")
    @classmethod
    def _starts_anew(cls, training: TrainingOptions) -> TrainingOptions:
        if training.resume:
            raise ValueError("resume is true; expected false: judges are trained anew in each run")
        return training


class GenerationOptions(Options):
    """What is drawn."""

    split: Literal["valid", "test"] = Field(
        "test",
        description="Whose samples are generated from and compared with: valid to choose settings "
        "by, test to report.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Of samples chosen and latents drawn.")
    samplers: SamplerOptions = Field(SamplerOptions(), description="What latents are drawn from.")
    scores: ScoreOptions = Field(ScoreOptions(), description="How much is generated for scores.")
    columns: int = Field(8, ge=2, le=20, description="Images side by side in figures.")
