"""Nodes that train an MFM on a corpus and evaluate it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline import evaluation, plots
from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions
from mfm_pipeline.models import MFM, Blueprint, ModelOptions
from mfm_pipeline.pipelines.generate.figures import Scene
from mfm_pipeline.pipelines.provenance import stated, stated_like
from mfm_pipeline.pipelines.tags import tag_run
from mfm_pipeline.pipelines.trials import fingerprint
from mfm_pipeline.serving import log_model
from mfm_pipeline.training import TrainingOptions, fit

State = dict[str, Any]

COLUMNS = 6
"""Images side by side in figures of what a model in training generates."""


def train(
    corpus: Corpus, model: ModelOptions, training: TrainingOptions, checkpoints: Path
) -> tuple[State, pd.DataFrame]:
    """Train and log a model; return its state and the history of its epochs."""
    tag_run(corpus)
    trained = fit(corpus, model, training, checkpoints, show=_sampler_of(corpus, training.seed))
    blueprint = trained.blueprint.model_copy(update={"data": fingerprint(corpus)})
    state = blueprint.to_state(trained.model)
    log_model(state)
    settings = {"model": model, "training": training}
    history = stated(trained.history, corpus, seeds=[training.seed], settings=settings, model=state)
    return state, history


def predict_all(model: State, corpus: Corpus, evaluate: EvaluationOptions) -> pd.DataFrame:
    """Predict every sample of every split."""
    blueprint, network = Blueprint.from_state(model)
    blueprint.check_split(corpus.test)
    return evaluation.predict_corpus(network, corpus, evaluate.batch_size)


def reconstruct_test(model: State, corpus: Corpus, evaluate: EvaluationOptions) -> pd.DataFrame:
    """Measure the reconstruction of each test sample's modalities."""
    blueprint, network = Blueprint.from_state(model)
    blueprint.check_split(corpus.test)
    return evaluation.reconstruction_errors(network, corpus, evaluate.batch_size)


def score(
    predictions: pd.DataFrame,
    reconstruction_errors: pd.DataFrame,
    corpus: Corpus,
    evaluate: EvaluationOptions,
) -> dict[str, float]:
    """Score the model and the trivial predictor on test."""
    return evaluation.score_test(predictions, reconstruction_errors, corpus, evaluate.sentiment)


def plot_training(history: pd.DataFrame, training: TrainingOptions, corpus: Corpus) -> Figure:
    """Draw the training curves with their parts."""
    return plots.plot_training(history, training.monitor, corpus.label)


def plot_predictions(predictions: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw predicted against true, or a confusion matrix."""
    return plots.plot_predictions(predictions, corpus.test.targets.names, corpus.label)


def plot_reconstruction(errors: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw the reconstruction error a modality."""
    return plots.plot_reconstruction(errors, corpus.label)


def report(
    metrics: dict[str, float], history: pd.DataFrame, corpus: Corpus, *bounds: dict[str, float]
) -> pd.DataFrame:
    """Set the model beside the trivial predictor and other bounds; print the short of it."""
    table = evaluation.comparison({k: v for each in (metrics, *bounds) for k, v in each.items()})
    evaluation.print_comparison(table, f"Test, {corpus.label}, {len(corpus.test)} samples")
    return stated_like(table, corpus, history)


def _sampler_of(corpus: Corpus, seed: int) -> Callable[[MFM, int], None] | None:
    """Return what draws images of each class from a model, into the MLflow run."""
    images = any(modality.is_image for modality in corpus.valid.modalities.values())
    if not images or corpus.valid.targets.task != "multiclass":
        return None

    def draw(model: MFM, epochs: int) -> None:
        if not model.factorized or not mlflow.active_run():
            return
        scene = Scene(
            model, corpus.valid, source=f"{corpus.label}, valid", columns=COLUMNS, seed=seed
        )
        figure = scene.fixed_label(f"After {epochs} epochs: Zy of a real pair, each Za drawn")
        mlflow.log_figure(figure, f"samples/epoch_{epochs:04d}.png")

    return draw
