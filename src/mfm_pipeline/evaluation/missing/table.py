"""Table 2: every pattern of missing modalities, by every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mfm_pipeline.data import Corpus
from mfm_pipeline.data.patterns import AND, pattern_name
from mfm_pipeline.evaluation.console import print_table
from mfm_pipeline.evaluation.metrics import primary_metric
from mfm_pipeline.evaluation.missing.methods import Method
from mfm_pipeline.evaluation.missing.score import score_method
from mfm_pipeline.evaluation.options import EvaluationOptions
from mfm_pipeline.models.completed import FULL

NONE = "none"
"""What is missing where nothing is."""

KEYS = ("protocol", "method", "missing", "observed", "samples")


def score_patterns(
    corpus: Corpus,
    full: Method,
    methods: Mapping[tuple[str, ...], Mapping[str, Method]],
    options: EvaluationOptions,
) -> pd.DataFrame:
    """Score methods on test, all of whose samples lose what a pattern lacks.

    Parameters
    ----------
    corpus : Corpus
    full : Method
        The model that all is measured against; it alone is scored with all present.
    methods : mapping of tuple of str to mapping of str to Method
        By what is observed: the methods that are scored on it, by name.
    options : EvaluationOptions

    Returns
    -------
    DataFrame
        A row a pattern and method, least missing first: ``method``, ``missing``,
        ``observed``, ``samples``, and what `score_method` returns; NaN where there is none.
    """
    names = tuple(corpus.train.modalities)
    train = corpus.train.targets
    rows: list[dict[str, Any]] = []

    def row(name: str, method: Method, observed: tuple[str, ...]) -> dict[str, Any]:
        missing = [names[place] for place in _lacks(observed, names)]
        holes = {other: np.ones(len(corpus.test), np.bool_) for other in missing}
        return {
            "method": name,
            "missing": pattern_name(missing) or NONE,
            "observed": pattern_name(observed),
            "samples": len(corpus.test),
            **score_method(method, corpus.test, holes, train, options),
        }

    rows.append(row(FULL, full, names))
    for observed in sorted(methods, key=lambda one: (-len(one), _lacks(one, names))):
        rows += [row(name, one, observed) for name, one in methods[observed].items()]
    return pd.DataFrame(rows)


def over_seeds(scores: pd.DataFrame, keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """Return mean and standard deviation of each score over seeds.

    Parameters
    ----------
    scores : DataFrame
        `keys`, ``seed``, and a column a score.
    keys : sequence of str
        Columns that tell rows apart; by default those of Table 2, whose scores are those of
        `score_patterns`.

    Returns
    -------
    DataFrame
        `keys`, ``seeds``, and ``<score>`` and ``<score>_sd`` of each; rows in the order in
        which they come first. The standard deviation is that of a sample (n - 1), NaN for
        one seed.
    """
    metrics = [str(c) for c in scores if c not in (*keys, "seed")]
    groups = scores.groupby(list(keys), sort=False)
    columns: dict[str, pd.Series[Any]] = {"seeds": groups["seed"].nunique()}
    for metric in metrics:
        columns |= {metric: groups[metric].mean(), f"{metric}_sd": groups[metric].std()}
    return pd.DataFrame(columns).reset_index()


def print_missing(table: pd.DataFrame, corpus: Corpus) -> None:
    """Print the primary metric and the error of what is missing, a row a method.

    Of patterns those that lack one modality, as in the paper.

    Parameters
    ----------
    table : DataFrame
        Of `over_seeds`.
    corpus : Corpus
    """
    metric = primary_metric(corpus.train.targets.task)
    shown = table[~table["missing"].str.contains(AND, regex=False)]
    errors = shown.filter(regex="^mse/.*(?<!_sd)$").where(shown["missing"] != NONE)
    short = pd.DataFrame({"missing": shown["missing"], "method": shown["method"]})
    short[metric] = shown[metric]
    seeds = int(table["seeds"].max())
    if seeds > 1:
        short[f"{metric} ±"] = shown[f"{metric}_sd"]
    # One modality is missing, so one error is given.
    short["mse"] = errors.bfill(axis=1).iloc[:, 0] if len(errors.columns) else np.nan
    # Told once for all methods.
    short["missing"] = short["missing"].where(~short["missing"].duplicated(), "")
    protocol = ", ".join(table["protocol"].unique())
    times = f", {seeds} seeds" if seeds > 1 else ""
    print_table(
        short,
        f"Missing modalities, {corpus.label}, {len(corpus.test)} test samples, "
        f"protocol {protocol}{times}",
    )


def _lacks(observed: tuple[str, ...], names: tuple[str, ...]) -> list[int]:
    """Return the places among all names of those that are not observed."""
    return [place for place, name in enumerate(names) if name not in observed]
