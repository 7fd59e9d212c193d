"""Options of the model, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model, field_validator, model_validator

from mfm_pipeline.models import per_modality
from mfm_pipeline.models.fusion import FUSIONS, FusionOptions
from mfm_pipeline.models.modality import KINDS
from mfm_pipeline.models.per_modality import (
    DEFAULT,
    NamePerModality,
    Probability,
    ProbabilityPerModality,
    Size,
    SizePerModality,
    Weight,
    WeightPerModality,
)
from mfm_pipeline.options import Options

if TYPE_CHECKING:

    class FusionOptionsByName(Options):
        """Options of every fusion encoder in the registry, by its name."""

else:
    FusionOptionsByName = create_model(
        "FusionOptionsByName",
        __base__=Options,
        __doc__="Options of every fusion encoder in the registry, by its name.",
        **{name: (options, options()) for name, options in FUSIONS.items()},
    )


class DiscriminativeOptions(Options):
    """Sizes on the way from the fusion encoder to the label."""

    latent: Size = Field(default=32, description="Size of Zy.")
    factor: Size = Field(default=16, description="Size of Fy.")
    dropout: Probability = Field(default=0.0, description="Dropout from Zy to Fy.")
    head_dropout: Probability = Field(default=0.0, description="Dropout from Fy to Y.")
    heads: Size = Field(
        default=1, description="Networks side by side from Zy to Y, whose mean predicts."
    )
    share: float = Field(
        default=1.0, gt=0, le=1, description="Share of the fusion encoder's state a head sees."
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> DiscriminativeOptions:
        for name in ("latent", "factor"):
            if getattr(self, name) % self.heads:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; expected a multiple of heads, {self.heads}"
                )
        return self


class GenerativeOptions(Options):
    """Sizes of each modality's own half; one value, or one a modality."""

    latent: SizePerModality = Field(default={DEFAULT: 32}, description="Size of each Zai.")
    factor: SizePerModality = Field(default={DEFAULT: 16}, description="Size of each Fai.")
    hidden: SizePerModality | None = Field(
        default=None, description="Size of each encoder's LSTM; by default that of its Zai."
    )
    decoder: SizePerModality | None = Field(
        default=None, description="Size of each decoder's LSTM; by default that of [Fy, Fai]."
    )
    encoder: NamePerModality = Field(
        default={DEFAULT: "lstm"}, description="Name of each Q(Zai | Xi)."
    )
    dropout: ProbabilityPerModality = Field(
        default={DEFAULT: 0.0}, description="Dropout from Zai to Fai."
    )

    @field_validator("encoder")
    @classmethod
    def _known_encoder(cls, encoder: dict[str, str]) -> dict[str, str]:
        allowed = sorted({name for kind in KINDS.values() for name in kind.encoders})
        for name in encoder.values():
            if name not in allowed:
                raise ValueError(f"unknown encoder '{name}'; expected one of {', '.join(allowed)}")
        return encoder


class ModelOptions(Options):
    """Everything that shapes the model and its objective, Equation 4."""

    fusion: str = Field(default="mfn", description="Name of the fusion encoder Q(Zy | X1:M).")
    fusion_options: FusionOptionsByName = Field(
        default=FusionOptionsByName(), description="Options of fusion encoders, by name."
    )
    prior: Literal["mmd", "kl"] = Field(
        default="mmd", description="How the latents are drawn to N(0, I)."
    )
    prior_weight: Weight = Field(default=1.0, description="Weight lambda of the prior.")
    reconstruction: WeightPerModality = Field(
        default={DEFAULT: 1.0}, description="Weight of each modality's reconstruction."
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
        if fusion not in FUSIONS:
            raise ValueError(f"expected one of {', '.join(FUSIONS)}")
        return fusion

    @field_validator("fusion_options", mode="before")
    @classmethod
    def _known_fusions(cls, options: Any) -> Any:
        if isinstance(options, Mapping):
            for name in options:
                if name not in FUSIONS:
                    raise ValueError(f"'{name}' is none; expected among {', '.join(FUSIONS)}")
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
