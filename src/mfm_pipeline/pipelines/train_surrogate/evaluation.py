"""Nodes that evaluate what is inferred where modalities are missing: Table 2 and its curves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline import plots
from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions, missing, primary_metric, print_table
from mfm_pipeline.evaluation.missing import Method, MissingOptions
from mfm_pipeline.models import MFM
from mfm_pipeline.models.completed import FULL, SURROGATE

log = logging.getLogger(__name__)


class Inference(NamedTuple):
    """What one seed's training left.

    Attributes
    ----------
    full : MFM
        Trained with all modalities.
    surrogate : Method
        That model with its surrogate networks.
    baselines : callable
        From what is observed to the baselines trained for it, by name.
    """

    full: MFM
    surrogate: Method
    baselines: Callable[[tuple[str, ...]], Mapping[str, Method]]


def score_patterns(
    inferences: Mapping[int, Inference],
    corpus: Corpus,
    observed: Iterable[tuple[str, ...]],
    options: MissingOptions,
    evaluate: EvaluationOptions,
) -> pd.DataFrame:
    """Score every method on every pattern, a row a seed: what Table 2 is the mean of."""
    patterns = tuple(observed)
    tables = []
    for seed, inference in inferences.items():
        fillings = _fillings(inference, corpus, options, evaluate)

        def methods(
            pattern: tuple[str, ...],
            inference: Inference = inference,
            fillings: Mapping[str, Method] = fillings,
        ) -> dict[str, Method]:
            return {SURROGATE: inference.surrogate, **inference.baselines(pattern), **fillings}

        full = fillings[missing.ABSENT]
        scores = missing.score_patterns(corpus, full, methods, patterns, evaluate)
        tables.append(scores.assign(protocol=options.protocol, seed=seed))
    return pd.concat(tables, ignore_index=True)


def summarise(scores: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Return Table 2, mean and spread over seeds, and print the short of it."""
    table = missing.over_seeds(scores)
    missing.print_missing(table, corpus)
    return table


def score_holes(
    inferences: Mapping[int, Inference],
    corpus: Corpus,
    options: MissingOptions,
    evaluate: EvaluationOptions,
) -> pd.DataFrame:
    """Score what needs no training of its own against the share of samples with holes."""
    tables = []
    for seed, inference in inferences.items():
        methods = {
            SURROGATE: inference.surrogate,
            **_fillings(inference, corpus, options, evaluate),
        }
        table = missing.score_holes(
            methods, corpus.test, corpus.train, options.shares, options.draws, evaluate
        )
        tables.append(table.assign(protocol=options.protocol, seed=seed))
    return _first(pd.concat(tables, ignore_index=True), "protocol", "method", "share", "seed")


def score_noise(
    inferences: Mapping[int, Inference],
    corpus: Corpus,
    options: MissingOptions,
    evaluate: EvaluationOptions,
) -> pd.DataFrame:
    """Score the full model against noise on each modality."""
    tables = []
    for seed, inference in inferences.items():
        full = {FULL: missing.FilledModel(inference.full)}
        table = missing.score_noise(
            full, corpus.test, corpus.train, options.noise, options.draws, evaluate
        )
        tables.append(table.assign(seed=seed))
    return _first(pd.concat(tables, ignore_index=True), "method", "modality", "sd", "seed")


def score_natural(
    inferences: Mapping[int, Inference], corpus: Corpus, evaluate: EvaluationOptions
) -> pd.DataFrame:
    """Score the full model on what test samples have by themselves; absence told, or as zeros.

    Returns
    -------
    DataFrame
        ``observed``, ``samples``, ``method``, ``seeds``, and each metric with its
        ``<metric>_sd``.
    """
    tables = []
    for seed, inference in inferences.items():
        methods = {
            missing.ABSENT: missing.FilledModel(inference.full),
            missing.ZEROS: missing.FilledModel(inference.full, missing.zeros),
        }
        table = missing.score_natural(methods, corpus.test, corpus.train.targets, evaluate)
        tables.append(table.assign(seed=seed))
    keys = ("observed", "samples", "method")
    table = missing.over_seeds(pd.concat(tables, ignore_index=True), keys)
    metric = primary_metric(corpus.train.targets.task)
    lacking = table[table["observed"].duplicated(keep=False)]
    print_table(
        lacking[["observed", "samples", "method", metric]],
        f"Test samples by what they have, {corpus.label}",
    )
    return table


def plot_patterns(table: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw the heat map of methods and patterns."""
    metric = primary_metric(corpus.train.targets.task)
    whole = table["missing"] == missing.NONE
    return plots.plot_patterns(
        table[~whole], metric, float(table.loc[whole, metric].iloc[0]), _title(table, corpus)
    )


def plot_holes(curve: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw the curves over the share of samples with holes."""
    metric = primary_metric(corpus.train.targets.task)
    return plots.plot_holes(curve, metric, _title(curve, corpus))


def plot_noise(curve: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw the curves over noise."""
    metric = primary_metric(corpus.train.targets.task)
    return plots.plot_noise(curve, metric, f"Noise on one modality at test, {corpus.label}")


def _fillings(
    inference: Inference, corpus: Corpus, options: MissingOptions, evaluate: EvaluationOptions
) -> dict[str, Method]:
    k = options.k
    if k is None:
        k = missing.choose_neighbours(inference.full, corpus, options.k_tried, evaluate)
    return missing.fillings(inference.full, corpus.train, k)


def _title(table: pd.DataFrame, corpus: Corpus) -> str:
    return f"Missing modalities, {corpus.label}, protocol {', '.join(table['protocol'].unique())}"


def _first(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return table[[*columns, *(column for column in table if column not in columns)]]
