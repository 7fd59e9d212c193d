"""Models of the comparison that are configurations of the one model, trained by gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mfm_pipeline.baselines.base import Session
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.models import MFM, Inputs, ModelOptions
from mfm_pipeline.training import TrainedPredictor, TrainingOptions, fit, fit_predictor
from mfm_pipeline.training.predictor import Cost

BATCH = 1024
"""Samples that are predicted at once."""


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
        inputs = Inputs.from_split(split)
        with torch.inference_mode():
            parts = [
                self.model.predict(inputs[at])
                for at in torch.split(torch.arange(len(split)), BATCH)
            ]
        return np.asarray(torch.cat(parts).numpy())


def train(
    corpus: Corpus,
    model: ModelOptions,
    session: Session,
    **training: float | None,
) -> Trained:
    """Train a model by the common settings, but for those that are given.

    Parameters
    ----------
    corpus : Corpus
    model : ModelOptions
    session : Session
    training
        Fields of `TrainingOptions`; None leaves one as it is.
    """
    trained = fit(
        corpus,
        model,
        _changed(session.training, training),
        session.folder,
        after_epoch=session.after_epoch,
        progress=session.progress,
    )
    return Trained(trained.model)


def train_predictor(
    corpus: Corpus,
    build: Callable[[], nn.Module],
    session: Session,
    *,
    name: str,
    cost: Cost | None = None,
    **training: float | None,
) -> TrainedPredictor:
    """Train any network by the common settings, but for those that are given.

    Parameters
    ----------
    corpus, build, name, cost
        As in `fit_predictor`.
    session : Session
    training
        Fields of `TrainingOptions`; None leaves one as it is.
    """
    return fit_predictor(
        corpus,
        build,
        _changed(session.training, training),
        session.folder,
        name=name,
        cost=cost,
        after_epoch=session.after_epoch,
        progress=session.progress,
    )


def _changed(options: TrainingOptions, changes: Mapping[str, float | None]) -> TrainingOptions:
    own = {name: value for name, value in changes.items() if value is not None}
    return options.model_copy(update=own)
