"""Nodes that compare unimodal, multimodal and factorized models on one corpus."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from tqdm import tqdm

from mfm_pipeline import plots
from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions, print_table
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.pipelines.compare_digits.options import ComparisonOptions
from mfm_pipeline.pipelines.provenance import stated, stated_like
from mfm_pipeline.pipelines.tags import tag_run
from mfm_pipeline.pipelines.trials import (
    Trial,
    fingerprint,
    remove_folders,
    run_trial,
)
from mfm_pipeline.training import TrainingOptions

log = logging.getLogger(__name__)

MULTIMODAL, FACTORIZED = "MM", "MFM"


class _Planned(NamedTuple):
    """A trial, and where it stands in the comparison."""

    trial: Trial
    setting: int
    final: bool


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
    both are discriminative alone: they generate nothing, and no prior binds them.
    Each tries every setting with the first seed; that of the highest validation
    accuracy is trained with every seed, and only those trainings are `final`.
    With ``training.resume`` the trials of the comparison that was broken off count.

    Returns
    -------
    DataFrame
        A row a training: ``model``, ``setting``, ``final``, ``seed``,
        ``learning_rate``, ``weight_decay``, ``batch_size``, and what `run_trial` returns.
    """
    tag_run(corpus)
    if not training.resume:
        remove_folders(trials)
    data = fingerprint(corpus)
    models = _models(model, tuple(corpus.train.modalities))
    runs = len(comparison.settings) + comparison.seeds - 1
    rows: list[dict[str, Any]] = []
    with tqdm(
        total=len(models) * runs, desc="Comparison", unit="run", leave=False, disable=None
    ) as bar:
        for name, options in models.items():
            tried: list[dict[str, Any]] = []
            for planned in _plan(name, options, training, comparison, tried):
                trial = planned.trial
                result = run_trial(trial, corpus, evaluation.batch_size, trials / trial.key(data))
                tried.append(_row(planned, result))
                log.info(
                    "%s, setting %d, seed %d: valid accuracy %.3f, %.0f s",
                    name, planned.setting, trial.training.seed,
                    result["valid/acc"], result["seconds"],
                )  # fmt: skip
                bar.update()
            rows += _mark_final(tried)
    return stated(
        pd.DataFrame(rows),
        corpus,
        seeds=range(training.seed, training.seed + comparison.seeds),
        settings={"model": model, "training": training, "comparison": comparison},
    )


def summarise(trials: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Return mean and spread of each model over its seeds on test, and print them.

    Returns
    -------
    DataFrame
        ``model``, ``acc``, ``acc_sd``, ``f1``, ``seeds``, ``learning_rate``,
        ``parameters`` and ``seconds`` a training. The standard deviation is that
        of a sample (n - 1), NaN for one seed.
    """
    final = trials[trials["final"]]
    table = (
        final.groupby("model", sort=False)
        .agg(
            acc=("test/acc", "mean"),
            acc_sd=("test/acc", "std"),
            f1=("test/f1", "mean"),
            seeds=("seed", "count"),
            learning_rate=("learning_rate", "first"),
            parameters=("parameters", "first"),
            seconds=("seconds", "mean"),
        )
        .reset_index()
    )
    print_table(table, f"Accuracy on test, {corpus.label}, {len(corpus.test)} pairs")
    return stated_like(table, corpus, trials)


def plot_comparison(trials: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw Figure 2(b): the accuracy of each model, and of each of its seeds."""
    final = trials[trials["final"]].rename(columns={"model": "method", "test/acc": "accuracy"})
    return plots.plot_comparison(final, "accuracy", corpus.label)


def _models(model: ModelOptions, modalities: tuple[str, ...]) -> dict[str, ModelOptions]:
    """Return the options of every model of the comparison, by its name in the paper."""
    # What is said of generating has no part in them, nor in what tells trials apart.
    defaults = ModelOptions()
    unused = {name: getattr(defaults, name) for name in ("generative", "reconstruction")}
    discriminative: dict[str, Any] = {**unused, "generates": (), "prior_weight": 0.0}
    unimodal = {
        f"UM({name})": model.model_copy(update={**discriminative, "reads": (name,)})
        for name in modalities
    }
    return {
        **unimodal,
        MULTIMODAL: model.model_copy(update=discriminative),
        FACTORIZED: model,
    }


def _plan(
    name: str,
    model: ModelOptions,
    training: TrainingOptions,
    comparison: ComparisonOptions,
    tried: list[dict[str, Any]],
) -> Iterator[_Planned]:
    """Yield a model's trials: every setting first, then the other seeds of the best one.

    Parameters
    ----------
    tried : list of dict
        The rows of trials so far, which the caller adds to.
    """
    settings = [
        {k: v for k, v in setting.model_dump().items() if v is not None}
        for setting in comparison.settings
    ]

    def planned(setting: int, seed: int, final: bool) -> _Planned:
        options = training.model_copy(update={**settings[setting], "seed": seed})
        return _Planned(Trial(name, model, options), setting, final)

    first, *others = range(training.seed, training.seed + comparison.seeds)
    for setting in range(len(settings)):
        yield planned(setting, first, final=False)
    best = _best(tried)
    for seed in others:
        yield planned(best, seed, final=True)


def _best(tried: list[dict[str, Any]]) -> int:
    """Return the setting of the highest validation accuracy, the first of equals."""
    best: int = max(tried, key=lambda row: float(row["valid/acc"]))["setting"]
    return best


def _row(planned: _Planned, result: Mapping[str, Any]) -> dict[str, Any]:
    training = planned.trial.training
    return {
        "model": planned.trial.name,
        "setting": planned.setting,
        "final": planned.final,
        "seed": training.seed,
        "learning_rate": training.learning_rate,
        "weight_decay": training.weight_decay,
        "batch_size": training.batch_size,
        **result,
    }


def _mark_final(tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the best setting's first seed among the final trainings."""
    best = _best([row for row in tried if not row["final"]])
    return [{**row, "final": row["final"] or row["setting"] == best} for row in tried]
