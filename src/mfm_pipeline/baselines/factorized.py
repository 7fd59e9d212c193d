"""MFM, and MFM around other fusion encoders or with another prior (Section 3.2, Table 7)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from mfm_pipeline.baselines.base import Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.trained import Trained, TrainedOptions, train
from mfm_pipeline.data import Corpus
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.models.fusion import FusionName
from mfm_pipeline.models.per_modality import Probability, Size, Weight


class FactorizedOptions(TrainedOptions):
    """What MFM and its variants have: all of `model` and `training` but for what is set here."""

    family: ClassVar[Family] = "factorized"
    changes: ClassVar[dict[str, Any]] = {}
    """Fields of `ModelOptions` that make a variant."""
    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.001, high=0.02, log=True),
        "batch_size": Choice(of=(32, 64, 128)),
        "dropout": Choice(of=(0.0, 0.2, 0.5, 0.7)),
        "head_dropout": Choice(of=(0.0, 0.2, 0.5, 0.7)),
        "width": Choice(of=(16, 32, 64, 128)),
        "own": Choice(of=(16, 32, 64, 128)),
        "reconstruction": Range(low=0.01, high=10.0, log=True),
        "prior_weight": Range(low=0.01, high=10.0, log=True),
    }
    """As published with the paper, but for an MMD's weight of at most 10 in place of 200."""

    dropout: Probability | None = Field(None, description="Zy to Fy; null: as in model.")
    head_dropout: Probability | None = Field(None, description="Fy to Y; null: as in model.")
    width: Size | None = Field(None, description="Zy and Fy of each head; null: as in model.")
    own: Size | None = Field(None, description="Each Zai and Fai; null: as in model.")
    reconstruction: Weight | None = Field(None, description="Null: as in model.")
    prior_weight: Weight | None = Field(None, description="Null: as in model.")

    def fit(self, corpus: Corpus, session: Session) -> Trained:
        """Train by Equation 4."""
        return train(corpus, self.of(session.model), self.changed(session))

    def of(self, model: ModelOptions) -> ModelOptions:
        """Return the options of the model with what is set here."""
        heads = model.discriminative.heads
        width = None if self.width is None else heads * self.width
        changed = model.model_dump() | self.changes
        changed |= _set(reconstruction=self.reconstruction, prior_weight=self.prior_weight)
        changed["discriminative"] |= _set(
            latent=width, factor=width, dropout=self.dropout, head_dropout=self.head_dropout
        )
        changed["generative"] |= _set(latent=self.own, factor=self.own)
        return ModelOptions.model_validate(changed)


def _set(**values: Any) -> dict[str, Any]:
    """Return what is not None."""
    return {name: value for name, value in values.items() if value is not None}


class MfmOptions(FactorizedOptions):
    """MFM, around the fusion encoder that is best on valid."""

    label: ClassVar[str] = "MFM"
    space: ClassVar[Space] = {
        **FactorizedOptions.space,
        "fusion": Choice(of=("statistics", "df")),
    }

    fusion: FusionName | None = Field(None, description="Fusion encoder; null: as in model.")

    def of(self, model: ModelOptions) -> ModelOptions:
        """Return the options of the model with what is set here."""
        changed = super().of(model).model_dump() | _set(fusion=self.fusion)
        return ModelOptions.model_validate(changed)


class MfmKlOptions(FactorizedOptions):
    """MFM with Gaussian posteriors and their divergence from N(0, I) in place of the MMD.

    The divergence is a sum over the sizes of latents, while an MMD is at most 2: it is weighted
    less.
    """

    label: ClassVar[str] = "MFM (KL prior)"
    changes: ClassVar[dict[str, Any]] = {"prior": "kl", "noise": 0.0, "joint_prior": False}
    space: ClassVar[Space] = {
        **FactorizedOptions.space,
        "prior_weight": Range(low=0.0001, high=0.1, log=True),
    }

    prior_weight: Weight | None = Field(0.001, description="Null: as in model.")


class MfmMemoryFusionOptions(FactorizedOptions):
    """MFM around MFN, as published."""

    label: ClassVar[str] = "MFM (MFN)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "mfn"}


class MfmEarlyFusionOptions(FactorizedOptions):
    """MFM around EF-LSTM."""

    label: ClassVar[str] = "MFM (early fusion)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "ef_lstm"}


class MfmLateFusionOptions(FactorizedOptions):
    """MFM around late fusion."""

    label: ClassVar[str] = "MFM (late fusion)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "late_fusion"}


class MfmTensorFusionOptions(FactorizedOptions):
    """MFM around TFN."""

    label: ClassVar[str] = "MFM (TFN)"
    changes: ClassVar[dict[str, Any]] = {
        "fusion": "tfn",
        "fusion_options": {"tfn": {"embedding": 8, "dropout": 0.2}},
    }


class MfmMultiAttentionOptions(FactorizedOptions):
    """MFM around MARN."""

    label: ClassVar[str] = "MFM (MARN)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "marn"}


class MfmTransformerOptions(FactorizedOptions):
    """MFM around the crossmodal Transformer."""

    label: ClassVar[str] = "MFM (MulT)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "transformer"}
