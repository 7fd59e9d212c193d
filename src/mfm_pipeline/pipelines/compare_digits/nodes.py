"""Nodes that compare unimodal, multimodal and factorized models on one corpus."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions, print_table
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.models.ablations import FACTORIZED, discriminative
from mfm_pipeline.pipelines import comparing
from mfm_pipeline.pipelines.comparing import ComparisonOptions
from mfm_pipeline.pipelines.provenance import stated_like
from mfm_pipeline.training import TrainingOptions

MULTIMODAL = "MM"


def compare(
    corpus: Corpus,
    model: ModelOptions,
    training: TrainingOptions,
    evaluation: EvaluationOptions,
    comparison: ComparisonOptions,
    trials: Path,
) -> pd.DataFrame:
    """Train UM of each modality, MM and MFM by equal budgets (Section 3.1).

    All have the encoders of `model`. UM reads one modality and MM all of them, and
    both are discriminative alone.

    Returns
    -------
    DataFrame
        A row a training, as `comparing.compare` returns it.
    """
    models = _models(model, tuple(corpus.train.modalities))
    return comparing.compare(models, corpus, training, evaluation, comparison, trials)


def summarise(trials: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Return mean and spread of each model over its seeds on test, and print them.

    Returns
    -------
    DataFrame
        ``model``, ``acc``, ``acc_sd``, ``f1``, ``seeds``, ``learning_rate``,
        ``parameters`` and ``seconds`` a training, as `comparing.summarise` has it.
    """
    table = comparing.summarise(trials)
    chosen = trials[trials["final"]].groupby("model")["learning_rate"].first()
    table["learning_rate"] = table["model"].map(chosen)
    columns = ["model", "acc", "acc_sd", "f1", "seeds", "learning_rate", "parameters", "seconds"]
    table = table[columns]
    print_table(table, f"Accuracy on test, {corpus.label}, {len(corpus.test)} pairs")
    return stated_like(table, corpus, trials)


def _models(model: ModelOptions, modalities: tuple[str, ...]) -> dict[str, ModelOptions]:
    """Return the options of every model of the comparison, by its name in the paper."""
    multimodal = discriminative(model)
    return {
        **{f"UM({name})": multimodal.model_copy(update={"reads": (name,)}) for name in modalities},
        MULTIMODAL: multimodal,
        FACTORIZED: model,
    }


def plot_comparison(trials: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw Figure 2(b): the accuracy of each model, and of each of its seeds."""
    return comparing.plot(trials, "acc", corpus)
