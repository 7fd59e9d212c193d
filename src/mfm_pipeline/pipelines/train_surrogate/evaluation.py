"""Nodes that evaluate what is inferred where modalities are missing: Table 2 and its curves."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline import plots
from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions, missing, primary_metric, print_table
from mfm_pipeline.evaluation.missing import MissingOptions
from mfm_pipeline.models.completed import FULL, SURROGATE
from mfm_pipeline.models.surrogate import SurrogateInference
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.pipelines.provenance import stated, stated_like
from mfm_pipeline.pipelines.states import State, apart
from mfm_pipeline.pipelines.train_surrogate.baselines import methods_for
from mfm_pipeline.training import TrainingOptions


def choose_neighbours(
    surrogates: State, corpus: Corpus, options: MissingOptions, evaluate: EvaluationOptions
) -> dict[str, int]:
    """Return the number of neighbours for each seed: as it is set, or the best on valid."""
    chosen = {}
    for seed, _, inference in _by_seed(surrogates):
        chosen[seed] = options.k or missing.choose_neighbours(
            inference.full, corpus, options.k_tried, evaluate
        )
    return chosen


def score_patterns(
    surrogates: State,
    baselines: State,
    neighbours: dict[str, int],
    corpus: Corpus,
    options: MissingOptions,
    training: TrainingOptions,
    evaluate: EvaluationOptions,
) -> pd.DataFrame:
    """Score every method on every pattern, a row a seed: what Table 2 is the mean of.

    Parameters
    ----------
    surrogates : dict
        Of each seed, side by side by its number.
    baselines : dict
        As `train_baselines` returns them.
    neighbours : dict of str to int
        Of each seed.
    corpus : Corpus
    options : MissingOptions
    training : TrainingOptions
        That surrogates and baselines were trained with.
    evaluate : EvaluationOptions

    Returns
    -------
    DataFrame
        As `mfm_pipeline.evaluation.missing.score_patterns`, with ``protocol`` and ``seed``.
    """
    tables = []
    for seed, plan, inference in _by_seed(surrogates):
        trained = methods_for(baselines, seed)
        fillings = missing.fillings(inference.full, corpus.train, neighbours[seed])
        methods = {
            observed: {SURROGATE: inference.complete, **trained(observed), **fillings}
            for observed in plan.patterns
        }
        table = missing.score_patterns(corpus, fillings[missing.ABSENT], methods, evaluate)
        tables.append(table.assign(protocol=options.protocol, seed=int(seed)))
    table = _first(pd.concat(tables, ignore_index=True), "protocol", "method")
    return _stated(table, surrogates, corpus, options, training)


def summarise(scores: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Return Table 2, mean and spread over seeds, and print the short of it."""
    table = missing.over_seeds(scores)
    missing.print_missing(table, corpus)
    return stated_like(table, corpus, scores)


def score_holes(
    surrogates: State,
    neighbours: dict[str, int],
    corpus: Corpus,
    options: MissingOptions,
    training: TrainingOptions,
    evaluate: EvaluationOptions,
) -> pd.DataFrame:
    """Score what knows every pattern against the share of test samples with holes."""
    tables = []
    for seed, _, inference in _by_seed(surrogates):
        fillings = missing.fillings(inference.full, corpus.train, neighbours[seed])
        methods = {SURROGATE: inference.complete, **fillings}
        table = missing.score_holes(
            methods, corpus.test, corpus.train, options.shares, options.draws, evaluate
        )
        tables.append(table.assign(protocol=options.protocol, seed=int(seed)))
    table = _first(pd.concat(tables, ignore_index=True), "protocol", "method", "share", "seed")
    return _stated(table, surrogates, corpus, options, training)


def score_noise(
    surrogates: State,
    corpus: Corpus,
    options: MissingOptions,
    training: TrainingOptions,
    evaluate: EvaluationOptions,
) -> pd.DataFrame:
    """Score the full model against noise on each modality of test samples."""
    tables = []
    for seed, _, inference in _by_seed(surrogates):
        full = {FULL: missing.FilledModel(inference.full)}
        table = missing.score_noise(
            full, corpus.test, corpus.train, options.noise, options.draws, evaluate
        )
        tables.append(table.assign(protocol=options.protocol, seed=int(seed)))
    table = _first(
        pd.concat(tables, ignore_index=True), "protocol", "method", "modality", "sd", "seed"
    )
    return _stated(table, surrogates, corpus, options, training)


def score_natural(
    surrogates: State,
    corpus: Corpus,
    options: MissingOptions,
    training: TrainingOptions,
    evaluate: EvaluationOptions,
) -> pd.DataFrame:
    """Score the full model on what test samples have by themselves: absence told, or as zeros.

    Returns
    -------
    DataFrame
        ``protocol``, ``observed``, ``samples``, ``method``, ``seeds``, and each metric
        with its ``<metric>_sd``.
    """
    tables = []
    for seed, _, inference in _by_seed(surrogates):
        methods = {
            missing.ABSENT: missing.FilledModel(inference.full),
            missing.ZEROS: missing.FilledModel(inference.full, missing.zeros),
        }
        table = missing.score_natural(methods, corpus.test, corpus.train.targets, evaluate)
        tables.append(table.assign(protocol=options.protocol, seed=int(seed)))
    table = missing.over_seeds(
        pd.concat(tables, ignore_index=True), ("protocol", "observed", "samples", "method")
    )
    if not all(modality.present.all() for modality in corpus.test.modalities.values()):
        metric = primary_metric(corpus.train.targets.task)
        print_table(
            table[["observed", "samples", "method", metric]],
            f"Test samples by what they have, {corpus.label}",
        )
    return _stated(table, surrogates, corpus, options, training)


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
    protocol = ", ".join(curve["protocol"].unique())
    return plots.plot_noise(
        curve, metric, f"Full model with noise on one modality, {corpus.label}, protocol {protocol}"
    )


def _by_seed(surrogates: State) -> Iterator[tuple[str, SurrogateBlueprint, SurrogateInference]]:
    for seed, state in apart(surrogates).items():
        plan, inference = SurrogateBlueprint.from_state(state)
        yield seed, plan, inference


def _stated(
    table: pd.DataFrame,
    surrogates: State,
    corpus: Corpus,
    options: MissingOptions,
    training: TrainingOptions,
) -> pd.DataFrame:
    """Return a table that says what it is of; its model is that of the first seed."""
    _, plan, inference = next(_by_seed(surrogates))
    return stated(
        table,
        corpus,
        seeds=map(int, surrogates["description"]),
        settings={
            "model": plan.model.options,
            "surrogate": plan.options,
            "training": training,
            "missing": options,
        },
        protocol=options.protocol,
        model=plan.model.to_state(inference.full),
    )


def _title(table: pd.DataFrame, corpus: Corpus) -> str:
    return f"Missing modalities, {corpus.label}, protocol {', '.join(table['protocol'].unique())}"


def _first(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return table[[*columns, *(column for column in table if column not in columns)]]
