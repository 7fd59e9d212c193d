"""Models of the comparison that are configurations of the one model, trained by gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from mfm_pipeline.baselines.base import BaselineOptions, Session
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.models import MFM, Inputs, ModelOptions
from mfm_pipeline.training import TrainedPredictor, fit, fit_predictor
from mfm_pipeline.training.predictor import BATCH, Cost


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model.

    Parameters
    ----------
    model : MFM
        In evaluation mode, on the CPU.
    """

    model: MFM

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(weights.numel() for weights in self.model.parameters())

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return values in target units, or probabilities of classes or labels."""
        with torch.inference_mode():
            parts = [self.model.predict(b) for b in Inputs.from_split(split).batches(BATCH)]
        return np.asarray(torch.cat(parts).numpy())


class TrainedOptions(BaselineOptions):
    """What every model that is trained by gradient can set of training."""

    learning_rate: float | None = Field(None, gt=0, le=1, description="Null: as in training.")
    batch_size: int | None = Field(None, ge=2, description="Null: as in training.")

    def changed(self, session: Session) -> Session:
        """Return the session with what is set here."""
        settings = {"learning_rate": self.learning_rate, "batch_size": self.batch_size}
        changes = {name: value for name, value in settings.items() if value is not None}
        return replace(session, training=session.training.model_copy(update=changes))


def train(corpus: Corpus, model: ModelOptions, session: Session) -> Trained:
    """Train a model on the label and whatever else it is to minimise.

    Parameters
    ----------
    corpus : Corpus
    model : ModelOptions
    session : Session
    """
    trained = fit(
        corpus,
        model,
        session.training,
        session.folder,
        after_epoch=session.after_epoch,
        progress=False,
    )
    return Trained(trained.model)


def train_predictor(
    corpus: Corpus,
    build: Callable[[], nn.Module],
    session: Session,
    *,
    name: str,
    cost: Cost | None = None,
) -> TrainedPredictor:
    """Train any network.

    Parameters
    ----------
    corpus, build, name, cost
        As in `fit_predictor`.
    session : Session
    """
    return fit_predictor(
        corpus,
        build,
        session.training,
        session.folder,
        name=name,
        cost=cost,
        after_epoch=session.after_epoch,
        progress=False,
    )
