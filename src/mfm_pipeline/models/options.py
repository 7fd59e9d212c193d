"""Options of the model, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from mfm_pipeline.models import per_modality
from mfm_pipeline.models.fusion import FUSIONS, FusionOptions
from mfm_pipeline.models.modality import KINDS
from mfm_pipeline.models.per_modality import (
    Probability,
    ProbabilityPerModality,
    NamePerModality,
    Size,
    SizePerModality,
    Weight,
    WeightPerModality,
)

FROZEN = ConfigDict(frozen=True, extra="forbid")

if TYPE_CHECKING:

    class FusionOptionsByName(BaseModel):
        """Options of every fusion encoder in the registry, by its name."""

else:
    FusionOptionsByName = create_model(
        "FusionOptionsByName",
        __config__=FROZEN,
        __doc__="Options of every fusion encoder in the registry, by its name.",
        **{name: (options, options()) for name, options in FUSIONS.items()},
    )


class DiscriminativeOptions(BaseModel):
    """Sizes on the way from the fusion encoder to the label."""

    model_config = FROZEN

    latent: Size = Field(default=32, description="Size of Zy.")
    factor: Size = Field(default=16, description="Size of Fy.")
    dropout: Probability = Field(default=0.0, description="Dropout from Zy to Fy.")
    head_dropout: Probability = Field(default=0.0, description="Dropout from Fy to Y.")


class GenerativeOptions(BaseModel):
    """Sizes of each modality's own half; one value, or one a modality."""

    model_config = FROZEN

    latent: SizePerModality = Field(default=32, description="Size of each Zai.")
    factor: SizePerModality = Field(default=16, description="Size of each Fai.")
    hidden: SizePerModality | None = Field(
        default=None, description="Size of each encoder's LSTM; by default that of its Zai."
    )
    encoder: NamePerModality = Field(default="lstm", description="Name of each Q(Zai | Xi).")
    dropout: ProbabilityPerModality = Field(default=0.0, description="Dropout from Zai to Fai.")

    @field_validator("encoder")
    @classmethod
    def _known_encoder(cls, encoder: NamePerModality) -> NamePerModality:
        allowed = sorted({name for kind in KINDS.values() for name in kind.encoders})
        for name in [encoder] if isinstance(encoder, str) else encoder.values():
            if name not in allowed:
                raise ValueError(f"unknown encoder '{name}'; expected one of {', '.join(allowed)}")
        return encoder


class ModelOptions(BaseModel):
    """Everything that shapes the model and its objective, Equation 4."""

    model_config = FROZEN

    fusion: str = Field(default="mfn", description="Name of the fusion encoder Q(Zy | X1:M).")
    fusion_options: FusionOptionsByName = Field(
        default=FusionOptionsByName(), description="Options of fusion encoders, by name."
    )
    prior: Literal["mmd", "kl"] = Field(
        default="mmd", description="How the latents are drawn to N(0, I)."
    )
    prior_weight: Weight = Field(default=1.0, description="Weight lambda of the prior.")
    reconstruction: WeightPerModality = Field(
        default=1.0, description="Weight of each modality's reconstruction."
    )
    discriminative: DiscriminativeOptions = Field(
        default=DiscriminativeOptions(), description="From the fusion encoder to the label."
    )
    generative: GenerativeOptions = Field(
        default=GenerativeOptions(), description="Each modality's own half."
    )

    @field_validator("fusion")
    @classmethod
    def _known_fusion(cls, fusion: str) -> str:
        _check_fusion(fusion)
        return fusion

    @field_validator("fusion_options", mode="before")
    @classmethod
    def _known_fusions(cls, options: Any) -> Any:
        if isinstance(options, Mapping):
            for name in options:
                _check_fusion(name)
        return options

    @property
    def chosen_fusion(self) -> FusionOptions:
        """Options of the fusion encoder that is used."""
        chosen: FusionOptions = getattr(self.fusion_options, self.fusion)
        return chosen

    def check_modalities(self, known: Iterable[str], parameter: str = "model") -> None:
        """Check that every mapping from modalities names known ones.

        Parameters
        ----------
        known : iterable of str
            Modalities of the corpus; with those that it had to leave out, if
            parameters may name them.
        parameter : str
            Name of the block these options come from, for the message.

        Raises
        ------
        ParameterError
            That names the parameter, the modality found, and those allowed.
        """
        per_modality.check_modalities(self, known, parameter)


def _check_fusion(name: object) -> None:
    if name not in FUSIONS:
        raise ValueError(f"unknown fusion encoder '{name}'; expected one of {', '.join(FUSIONS)}")
