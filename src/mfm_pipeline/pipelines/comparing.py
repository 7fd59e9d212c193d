"""Models compared by equal budgets: each tries every setting, and its best one with every seed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field
from tqdm import tqdm

from mfm_pipeline import plots
from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions, primary_metric
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.models.ablations import FACTORIZED
from mfm_pipeline.options import Options
from mfm_pipeline.pipelines.provenance import stated
from mfm_pipeline.pipelines.tags import tag_run
from mfm_pipeline.pipelines.trials import Trial, fingerprint, remove_folders, run_trial
from mfm_pipeline.training import Monitor, TrainingOptions

log = logging.getLogger(__name__)


class Setting(Options):
    """A setting of training that each model tries; what is null stays as in training."""

    learning_rate: float | None = Field(None, gt=0, le=1)
    weight_decay: float | None = Field(None, ge=0, le=1)
    batch_size: int | None = Field(None, ge=2)
    monitor: Monitor | None = None


class ComparisonOptions(Options):
    """Equal budgets: each model tries each setting, and its best one with each seed."""

    settings: tuple[Setting, ...] = Field(
        (Setting(),), min_length=1, description="Tried with the first seed, judged on valid."
    )
    seeds: int = Field(3, ge=1, description="Final trainings: seeds training.seed and on.")


class _Planned(NamedTuple):
    """A trial, and where it stands in the comparison."""

    trial: Trial
    setting: int
    final: bool


def compare(
    models: Mapping[str, ModelOptions],
    corpus: Corpus,
    training: TrainingOptions,
    evaluation: EvaluationOptions,
    comparison: ComparisonOptions,
    trials: Path,
) -> pd.DataFrame:
    """Train models by equal budgets.

    Each tries every setting with the first seed; that of the best primary metric on
    valid is trained with every seed, and only those trainings are `final`. With
    ``training.resume`` the trials of the comparison that was broken off count.

    Parameters
    ----------
    models : mapping of str to ModelOptions
        By name, in the order of all tables; MFM among them.
    corpus : Corpus
    training : TrainingOptions
    evaluation : EvaluationOptions
    comparison : ComparisonOptions
    trials : Path
        Folder of this comparison alone.

    Returns
    -------
    DataFrame
        A row a training: ``model``, ``setting``, ``final``, ``seed``,
        ``learning_rate``, ``weight_decay``, ``batch_size``, and what `run_trial` returns;
        stated, see `provenance.stated`.
    """
    tag_run(corpus)
    if not training.resume:
        remove_folders(trials)
    data = fingerprint(corpus)
    metric = f"valid/{primary_metric(corpus.train.targets.task)}"
    runs = len(comparison.settings) + comparison.seeds - 1
    rows: list[dict[str, Any]] = []
    with tqdm(
        total=len(models) * runs, desc="Comparison", unit="run", leave=False, disable=None
    ) as bar:
        for name, options in models.items():
            tried: list[dict[str, Any]] = []
            for planned in _plan(name, options, training, comparison, tried, metric):
                trial = planned.trial
                result = run_trial(
                    trial,
                    corpus,
                    evaluation.batch_size,
                    trials / trial.key(data),
                    sentiment=evaluation.sentiment,
                )
                tried.append(_row(planned, result))
                log.info(
                    "%s, setting %d, seed %d: %s %.3f, %.0f s",
                    name, planned.setting, trial.training.seed,
                    metric, result[metric], result["seconds"],
                )  # fmt: skip
                bar.update()
            rows += _mark_final(tried, metric)
    return stated(
        pd.DataFrame(rows),
        corpus,
        seeds=range(training.seed, training.seed + comparison.seeds),
        settings={"model": models[FACTORIZED], "training": training, "comparison": comparison},
    )


def summarise(trials: pd.DataFrame) -> pd.DataFrame:
    """Return mean and spread of each model over its final trainings, on test.

    Returns
    -------
    DataFrame
        ``model``, ``parameters``, ``seeds``, ``seconds`` a training, and each metric
        with its ``<metric>_sd``: the standard deviation of a sample (n - 1), NaN for
        one seed, as what a model does not have.
    """
    by_model = trials[trials["final"]].groupby("model", sort=False)
    table = by_model.agg(
        parameters=("parameters", "first"), seeds=("seed", "count"), seconds=("seconds", "mean")
    )
    for column in trials.columns[trials.columns.str.startswith("test/")]:
        metric = column.removeprefix("test/")
        table[metric] = by_model[column].mean()
        table[f"{metric}_sd"] = by_model[column].std()
    return table.reset_index()


def plot(trials: pd.DataFrame, metrics: str | Sequence[str], corpus: Corpus) -> Figure:
    """Draw metrics of each model on test, and of each of its seeds."""
    final = trials[trials["final"]].rename(columns={"model": "method"})
    final.columns = final.columns.str.removeprefix("test/")
    return plots.plot_comparison(final, metrics, corpus.label)


def _plan(
    name: str,
    model: ModelOptions,
    training: TrainingOptions,
    comparison: ComparisonOptions,
    tried: list[dict[str, Any]],
    metric: str,
) -> Iterator[_Planned]:
    """Yield a model's trials: every setting first, then the other seeds of the best one.

    Parameters
    ----------
    tried : list of dict
        The rows of trials so far, which the caller adds to.
    metric : str
        What the best one is best in.
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
    best = _best(tried, metric)
    for seed in others:
        yield planned(best, seed, final=True)


def _best(tried: list[dict[str, Any]], metric: str) -> int:
    """Return the setting of the highest metric, the first of equals."""
    best: int = max(tried, key=lambda row: float(row[metric]))["setting"]
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


def _mark_final(tried: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Count the best setting's first seed among the final trainings."""
    best = _best([row for row in tried if not row["final"]], metric)
    return [{**row, "final": row["final"] or row["setting"] == best} for row in tried]
