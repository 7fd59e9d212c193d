"""Parameters of surrogate inference."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from mfm_pipeline.models.fusion import FUSIONS
from mfm_pipeline.models.per_modality import Size, Weight
from mfm_pipeline.options import Options


class SurrogateWeights(Options):
    """Weights of the costs of Equation 5."""

    latent: Weight = Field(
        default=3.0,
        description="Of the distance to the full model's latents, as a share of their variance.",
    )
    reconstruction: Weight = Field(
        default=1.0,
        description="Of the reconstruction of what is missing, times the full model's weights.",
    )
    task: Weight = Field(default=1.0, description="Of the label that is decoded.")


class SurrogateOptions(Options):
    """What infers latents where modalities are missing (Section 2.3), and its training."""

    form: Literal["per_pattern", "amortised"] = Field(
        default="per_pattern",
        description="A network for each pattern of what is observed, as published, or one for "
        "all of them.",
    )
    patterns: tuple[tuple[str, ...], ...] | None = Field(
        default=None,
        min_length=1,
        description="What may be observed, each ``language+acoustic``; by default every "
        "non-empty subset that lacks something.",
    )
    fusion: str | None = Field(
        default=None,
        description="Encoder of what is observed, of those of the model's fusion; by default the "
        "model's own. Its options are those in the model.",
    )
    hidden: Size | None = Field(
        default=None,
        description="Size of a layer between the encoder's state and each latent; by default none.",
    )
    weights: SurrogateWeights = Field(default=SurrogateWeights(), description="Of the costs.")
    fine_tune: bool = Field(
        default=False,
        description="Train copies of the generating half along, which then decode whatever "
        "lacks something.",
    )
    epochs: int | None = Field(default=None, ge=1, description="By default those of training.")
    learning_rate: float | None = Field(
        default=None, gt=0, le=1, description="By default that of training."
    )

    @field_validator("patterns", mode="before")
    @classmethod
    def _split_names(cls, patterns: Any) -> Any:
        if isinstance(patterns, str):
            patterns = [patterns]
        if not isinstance(patterns, list | tuple):
            return patterns
        return [one.split("+") if isinstance(one, str) else one for one in patterns]

    @field_validator("fusion")
    @classmethod
    def _known_fusion(cls, fusion: str | None) -> str | None:
        if fusion is not None and fusion not in FUSIONS:
            raise ValueError(f"expected one of {', '.join(FUSIONS)}, or null")
        return fusion
