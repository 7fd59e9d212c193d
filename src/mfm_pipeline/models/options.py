"""Options of the model, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model, field_validator, model_validator

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import per_modality
from mfm_pipeline.models.fusion import FUSIONS, FusionName, FusionOptions
from mfm_pipeline.models.modality import EncoderPerModality
from mfm_pipeline.models.per_modality import (
    DEFAULT,
    Probability,
    ProbabilityPerModality,
    Size,
    SizePerModality,
    SizesPerModality,
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
        default=None,
        description="Size of each encoder's LSTM or dense layer; by default that of its Zai.",
    )
    decoder: SizePerModality | None = Field(
        default=None,
        description="Size of each decoder's LSTM, by default that of [Fy, Fai]; of an image's "
        "first dense layer, by default none.",
    )
    encoder: EncoderPerModality | None = Field(
        default=None,
        description="Name of each Q(Zai | Xi); by default lstm for sequences, convolution for "
        "images.",
    )
    channels: SizesPerModality = Field(
        default={DEFAULT: (32, 64)},
        description="Channels of each image encoder's convolutions, which halve its sides; "
        "its decoder mirrors them.",
    )
    dropout: ProbabilityPerModality = Field(
        default={DEFAULT: 0.0}, description="Dropout from Zai to Fai."
    )
    joint: bool = Field(
        default=False,
        description="One Za of all modalities in place of each Zai, through a fusion encoder of "
        "its own and of their sizes together.",
    )


class ModelOptions(Options):
    """Everything that shapes the model and its objective, Equation 4."""

    fusion: FusionName = Field(
        default="mfn", description="Name of the fusion encoder Q(Zy | X1:M)."
    )
    fusion_options: FusionOptionsByName = Field(
        default=FusionOptionsByName(), description="Options of fusion encoders, by name."
    )
    reads: tuple[str, ...] | None = Field(
        default=None, description="Modalities that Zy is inferred from; by default all."
    )
    generates: tuple[str, ...] | None = Field(
        default=None,
        description="Modalities that have a Zai and are generated; by default all. With none "
        "the model is discriminative alone.",
    )
    predicts_from: Literal["discriminative", "generative", "fused"] = Field(
        default="discriminative",
        description="What Y comes from: Fy; every Fai, and there is no Fy; or the fusion "
        "encoder's state, and there are no factors.",
    )
    generates_from: Literal["both", "discriminative", "generative"] = Field(
        default="both",
        description="What each modality is generated from: Fy and its Fai; Fy, and there are no "
        "Fai; or its Fai.",
    )
    prior: Literal["mmd", "kl"] = Field(
        default="mmd", description="How the latents are drawn to N(0, I)."
    )
    noise: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Standard deviation of noise on every latent in training, which bounds what "
        "each can carry; with 'mmd' (under 'kl' the variance is learned).",
    )
    kernel: Literal["gaussian", "multiquadric"] = Field(
        default="gaussian", description="Of the MMD: as published, or one that sees every scale."
    )
    joint_prior: bool = Field(
        default=False,
        description="Draw all latents together to N(0, I), as Equation 4 has it, which makes "
        "them independent of each other; else each by itself, as published.",
    )
    prior_weight: Weight = Field(default=1.0, description="Weight lambda of the prior.")
    task_weight: Weight = Field(
        default=1.0, description="Weight of the label; 0 for a purely generative model."
    )
    reconstruction: WeightPerModality = Field(
        default={DEFAULT: 1.0}, description="Weight of each modality's reconstruction."
    )
    style_swap: WeightPerModality = Field(
        default={DEFAULT: 0.0},
        description="Weight of the label where it is read from each modality alone, generated "
        "from Fy and the Fai of another sample; so what is generated shows the label, whatever "
        "the style. 0 for none.",
    )
    discriminative: DiscriminativeOptions = Field(
        default=DiscriminativeOptions(), description="From the fusion encoder to the label."
    )
    generative: GenerativeOptions = Field(
        default=GenerativeOptions(), description="Each modality's own half."
    )

    @field_validator("reads", "generates", mode="before")
    @classmethod
    def _allow_one_name(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @field_validator("reads")
    @classmethod
    def _reads_something(cls, reads: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if reads is not None and not reads:
            raise ValueError("no modality to read; expected one or more, or null for all")
        return reads

    @model_validator(mode="after")
    def _joint_by_mmd(self) -> ModelOptions:
        if self.joint_prior and self.prior != "mmd":
            raise ValueError(
                f"joint_prior is true with prior '{self.prior}', which takes latents one by one; "
                "expected prior 'mmd'"
            )
        return self

    @model_validator(mode="after")
    def _factors_connect(self) -> ModelOptions:
        """Refuse models that have a factor without use, or fall apart into two."""
        label, generates = self.predicts_from, self.generates != ()
        heads, share, joint = (
            self.discriminative.heads, self.discriminative.share, self.generative.joint
        )  # fmt: skip
        refused = (
            (
                label == "fused" and generates,
                "generates []: there is no factor to generate from",
            ),
            (
                label == "generative" and (not generates or self.reads is not None),
                "modalities in generates and null for reads: what is generated is what is read",
            ),
            (
                (label == "generative") != (self.generates_from == "generative"),
                f"generates_from and predicts_from both 'generative', or neither; "
                f"generates_from is '{self.generates_from}'",
            ),
            (
                label != "discriminative" and (heads > 1 or share < 1),
                f"discriminative.heads 1 and share 1, as Fy alone has parts; found {heads} and "
                f"{share}",
            ),
            (
                joint and not (generates and self.generates_from == "both"),
                f"generative.joint false, as no modality comes from Za: generates_from is "
                f"'{self.generates_from}', generates {self.generates}",
            ),
        )
        for wrong, expected in refused:
            if wrong:
                raise ValueError(f"predicts_from is '{label}'; expected {expected}")
        return self

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
        """Check that whatever names modalities names known ones.

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
        allowed = tuple(known)
        per_modality.check_modalities(self, allowed, parameter)
        for field in ("reads", "generates"):
            for name in getattr(self, field) or ():
                if name not in allowed:
                    raise ParameterError(
                        f"{parameter}.{field} names modality '{name}'; "
                        f"expected one of {', '.join(allowed)}"
                    )
