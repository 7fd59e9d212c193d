"""MFM, and MFM around other fusion encoders or with another prior (Section 3.2, Table 7)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from mfm_pipeline.baselines.base import BaselineOptions, Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.deep import TENSOR_ENCODERS
from mfm_pipeline.baselines.trained import Trained, train
from mfm_pipeline.data import Corpus
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.models.per_modality import Probability, Weight


class MfmOptions(BaselineOptions):
    """MFM as the parameters of `model` and `training` have it, but for what is set here."""

    label: ClassVar[str] = "MFM"
    family: ClassVar[Family] = "factorized"
    changes: ClassVar[dict[str, Any]] = {}
    """Fields of `ModelOptions` that make a variant."""
    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.001, high=0.01, log=True),
        "dropout": Choice(of=(0.0, 0.2, 0.5)),
        "head_dropout": Choice(of=(0.0, 0.2, 0.5)),
        "reconstruction": Range(low=0.01, high=1.0, log=True),
        "prior_weight": Range(low=0.01, high=1.0, log=True),
    }

    learning_rate: float | None = Field(None, gt=0, le=1, description="Null: as in training.")
    dropout: Probability | None = Field(None, description="Zy to Fy; null: as in model.")
    head_dropout: Probability | None = Field(None, description="Fy to Y; null: as in model.")
    reconstruction: Weight | None = Field(None, description="Null: as in model.")
    prior_weight: Weight | None = Field(None, description="Null: as in model.")

    def fit(self, corpus: Corpus, session: Session) -> Trained:
        """Train by Equation 4."""
        return train(corpus, self.of(session.model), session, learning_rate=self.learning_rate)

    def of(self, model: ModelOptions) -> ModelOptions:
        """Return the options of the model with what is set here."""
        own = {"reconstruction": self.reconstruction, "prior_weight": self.prior_weight}
        discriminative = {"dropout": self.dropout, "head_dropout": self.head_dropout}
        changed = model.model_dump() | self.changes | _set(own)
        changed["discriminative"] = changed["discriminative"] | _set(discriminative)
        return ModelOptions.model_validate(changed)


def _set(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


class MfmKlOptions(MfmOptions):
    """MFM with Gaussian posteriors and their divergence from N(0, I) in place of the MMD."""

    label: ClassVar[str] = "MFM (KL prior)"
    changes: ClassVar[dict[str, Any]] = {"prior": "kl", "noise": 0.0, "joint_prior": False}


class MfmMemoryFusionOptions(MfmOptions):
    """MFM around MFN, as published."""

    label: ClassVar[str] = "MFM (MFN)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "mfn"}


class MfmEarlyFusionOptions(MfmOptions):
    """MFM around EF-LSTM."""

    label: ClassVar[str] = "MFM (early fusion)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "ef_lstm"}


class MfmLateFusionOptions(MfmOptions):
    """MFM around late fusion."""

    label: ClassVar[str] = "MFM (late fusion)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "late_fusion"}


class MfmTensorFusionOptions(MfmOptions):
    """MFM around TFN."""

    label: ClassVar[str] = "MFM (TFN)"
    changes: ClassVar[dict[str, Any]] = {
        "fusion": "tfn",
        "fusion_options": {"tfn": {"encoder": TENSOR_ENCODERS, "embedding": 8}},
    }


class MfmMultiAttentionOptions(MfmOptions):
    """MFM around MARN."""

    label: ClassVar[str] = "MFM (MARN)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "marn"}


class MfmTransformerOptions(MfmOptions):
    """MFM around the crossmodal Transformer."""

    label: ClassVar[str] = "MFM (MulT)"
    changes: ClassVar[dict[str, Any]] = {"fusion": "transformer"}
