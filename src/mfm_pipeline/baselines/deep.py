"""Deep discriminative models: a fusion encoder, and the label from its state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from mfm_pipeline.baselines.base import BaselineOptions, Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.trained import Trained, train
from mfm_pipeline.data import Corpus
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.models.per_modality import Probability, Size

LEARNING: Space = {
    "learning_rate": Range(low=0.001, high=0.02, log=True),
    "batch_size": Choice(of=(32, 64, 128)),
    "dropout": Choice(of=(0.0, 0.2, 0.5, 0.7)),
}
"""What every deep model searches of training, as published with the paper."""

SIZES = Choice(of=(32, 64, 128, 256))


class DeepOptions(BaselineOptions):
    """What every deep model has."""

    family: ClassVar[Family] = "deep"
    fusion: ClassVar[str]
    """Name of the fusion encoder."""

    learning_rate: float | None = Field(None, gt=0, le=1, description="Null: as in training.")
    batch_size: int | None = Field(None, ge=2, description="Null: as in training.")
    dropout: Probability = Field(0.2, description="Between the two layers to the label.")

    @abstractmethod
    def fusion_options(self) -> Mapping[str, Any]:
        """Return the options of the fusion encoder."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, session: Session) -> Trained:
        """Train the encoder and a head over its state, on the label alone."""
        model = ModelOptions.model_validate(
            {
                "fusion": self.fusion,
                "fusion_options": {self.fusion: self.fusion_options()},
                "generates": (),
                "predicts_from": "fused",
                "prior_weight": 0.0,
                "discriminative": {"head_dropout": self.dropout},
            }
        )
        return train(
            corpus,
            model,
            session,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
        )


class EarlyFusionOptions(DeepOptions):
    """EF-LSTM: one LSTM over the features of all modalities side by side (Hochreiter 1997)."""

    label: ClassVar[str] = "EF-LSTM"
    fusion: ClassVar[str] = "ef_lstm"
    space: ClassVar[Space] = {**LEARNING, "hidden": SIZES}

    hidden: Size = Field(128, description="Size of the LSTM.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return the size of the LSTM."""
        return {"hidden": self.hidden}


class MemoryFusionOptions(DeepOptions):
    """MFN: memory fusion network (Zadeh et al. 2018), with its published sizes."""

    label: ClassVar[str] = "MFN"
    fusion: ClassVar[str] = "mfn"
    space: ClassVar[Space] = {
        **LEARNING,
        "hidden": Choice(of=(32, 64, 88, 128)),
        "memory": Choice(of=(64, 128, 256)),
        "attention": SIZES,
    }

    hidden: Size = Field(64, description="Size of each modality's LSTM.")
    memory: Size = Field(64, description="Size of the memory.")
    attention: Size = Field(128, description="Hidden layers of attention and gates.")
    window: Size = Field(2, description="Steps that are attended over at once.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return the sizes."""
        layer = {"hidden": self.attention}
        return {
            "hidden": self.hidden,
            "memory": self.memory,
            "window": self.window,
            "attention": layer,
            "proposal": layer,
            "gates": layer,
        }
