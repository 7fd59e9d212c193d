"""Nodes that train the models of Figure 3 and set them side by side."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions, primary_metric, print_table
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.models.ablations import ablations
from mfm_pipeline.pipelines import comparing
from mfm_pipeline.pipelines.provenance import stated_like
from mfm_pipeline.pipelines.train_ablations.options import AblationOptions
from mfm_pipeline.training import TrainingOptions


def compare(
    corpus: Corpus,
    model: ModelOptions,
    training: TrainingOptions,
    evaluation: EvaluationOptions,
    options: AblationOptions,
    trials: Path,
) -> pd.DataFrame:
    """Train M_A to M_E and MFM by equal budgets.

    Returns
    -------
    DataFrame
        A row a training, as `comparing.compare` returns it.
    """
    models = ablations(model, tuple(corpus.train.modalities), early_fusion=options.early_fusion)
    return comparing.compare(models, corpus, training, evaluation, options, trials)


def summarise(trials: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Return the table of Figure 3, and print the short of it.

    Returns
    -------
    DataFrame
        As `comparing.summarise` returns it.
    """
    table = comparing.summarise(trials)
    seeds = table["seeds"].iloc[0]
    spread = f"mean±sd of {seeds} seeds" if seeds > 1 else "one seed"
    print_table(
        _short(table, corpus),
        f"Ablations, test, {corpus.label}, {len(corpus.test)} samples, {spread}",
    )
    return stated_like(table, corpus, trials)


def plot_ablations(trials: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw Figure 3's numbers: prediction, and reconstruction of each modality."""
    errors = [f"mse/{name}" for name in corpus.test.modalities if f"test/mse/{name}" in trials]
    return comparing.plot(trials, [*_metrics(corpus), *errors], corpus)


def _metrics(corpus: Corpus) -> tuple[str, str]:
    """Return the two metrics of the task that every corpus has."""
    task = corpus.train.targets.task
    return primary_metric(task), "mae" if task == "regression" else "f1"


def _short(table: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Return what fits on a console: two metrics with their spread, reconstruction, sizes."""
    short = table[["model", "parameters"]].copy()
    for key in _metrics(corpus):
        short[key] = [
            f"{mean:.3f}" + (f"±{sd:.3f}" if pd.notna(sd) else "")
            for mean, sd in zip(table[key], table[f"{key}_sd"], strict=True)
        ]
    for name in corpus.test.modalities:
        if f"mse/{name}" in table:
            short[f"mse\n{name}"] = table[f"mse/{name}"]
    return short
