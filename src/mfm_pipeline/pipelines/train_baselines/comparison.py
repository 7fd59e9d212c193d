"""Nodes that set the models of a search side by side, and say whether MFM is ahead."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import rankdata

from mfm_pipeline import plots
from mfm_pipeline.baselines import BASELINES
from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets.track import video_of
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.evaluation import EvaluationOptions, SentimentOptions, primary_metric, print_table
from mfm_pipeline.evaluation.paired import Difference, Resamples, difference, holm
from mfm_pipeline.evaluation.verdict import MFM, SIGNIFICANT, verdict
from mfm_pipeline.pipelines.provenance import check_same_data, stated_like
from mfm_pipeline.pipelines.train_baselines.options import BaselineComparisonOptions
from mfm_pipeline.pipelines.train_baselines.tracking import log_comparison

NOT_APPLICABLE = "n/a"
"""State of a model that cannot learn the task."""
FEW = 10
"""Samples or videos, of fewer of which a bootstrap knows too little."""

log = logging.getLogger(__name__)


class _Predictions(NamedTuple):
    """Of one model on test.

    Attributes
    ----------
    true : ndarray, shape (n, targets)
    predicted : ndarray, shape (seeds, n, targets)
    """

    true: np.ndarray
    predicted: np.ndarray


def compare(
    trials: pd.DataFrame,
    predictions: pd.DataFrame,
    corpus: Corpus,
    evaluation: EvaluationOptions,
    options: BaselineComparisonOptions,
) -> pd.DataFrame:
    """Return a row a model: its metrics, and by how much MFM is ahead of it.

    Parameters
    ----------
    trials, predictions : DataFrame
        As `search` returns them.
    corpus : Corpus
    evaluation : EvaluationOptions
    options : BaselineComparisonOptions

    Returns
    -------
    DataFrame
        ``model``, ``label``, ``family``, ``state`` (``complete``, ``failed``, ``n/a``),
        ``trials`` tried, ``seeds``, ``parameters``, ``seconds`` a fit, each metric on test
        and its ``<metric>_sd`` over seeds; ``compared``, the metric of the comparison: the
        primary one, or of models that only classify a score ``acc_2``; ``difference`` of MFM
        and the model, ``difference_low``, ``difference_high``, ``p_value`` of a paired
        bootstrap over test samples or videos, ``p_holm`` corrected for all models; of values
        ``mae_difference``, ``mae_difference_low``, ``mae_difference_high``, by how much the
        mean absolute error of MFM is the smaller;
        ``setting`` (JSON); ``note``, why there are no numbers.

    Raises
    ------
    DataError
        If the corpus is not the one of the trials.
    ParameterError
        If videos are to be drawn and there is one.
    """
    check_same_data(trials, corpus)
    rows = [_row(name, own) for name, own in trials.groupby("model", sort=False)]
    table = pd.DataFrame(rows)
    metrics = [c.removeprefix("test/") for c in trials.columns if c.startswith("test/")]
    order = ["model", "label", "family", "state", "trials", "seeds", "parameters", "seconds"]
    order += [name for metric in metrics for name in (metric, f"{metric}_sd")]
    order += ["compared", *_COLUMNS.values(), "p_holm"]
    of_values = corpus.train.targets.task == "regression"
    order += [*_ERROR_COLUMNS.values()] if of_values else []
    order += ["setting", "note"]
    table = table.reindex(columns=order)
    draws = _draws(corpus, options)
    scores = _resampled(table, predictions, corpus, evaluation.sentiment, draws)
    found = {name: _against_mfm(scores, name, options.level) for name in table["model"]}
    table["compared"] = [_metric_of(scores, name) for name in table["model"]]
    for field, column in _COLUMNS.items():
        table[column] = [np.nan if one is None else getattr(one, field) for one in found.values()]
    table["p_value"] = table["p_value"].clip(lower=draws.least_p)
    table["p_holm"] = holm(table["p_value"].tolist())
    if of_values:
        # The smaller error is the better, as the higher score is.
        errors = {
            str(name): _Scored("mae", -draws.of("mae", *_of_model(own, len(corpus.test))))
            for name, own in predictions.groupby("model", sort=False)
            if name in scores and scores[str(name)].metric == "r"
        }
        saved = [_against_mfm(errors, name, options.level) for name in table["model"]]
        for field, column in _ERROR_COLUMNS.items():
            table[column] = [np.nan if one is None else getattr(one, field) for one in saved]
    _warn_of_few(options, draws, table["p_value"].count())
    log_comparison(table)
    _print(table, corpus)
    settings = {"evaluation": evaluation, "baseline_comparison": options}
    return stated_like(table, corpus, trials, settings)


_COLUMNS = {
    "value": "difference",
    "low": "difference_low",
    "high": "difference_high",
    "p_value": "p_value",
}
_ERROR_COLUMNS = {f: f"mae_{c}" for f, c in _COLUMNS.items() if f != "p_value"}


def plot_scores(comparison: pd.DataFrame, corpus: Corpus) -> Figure:
    """Draw the primary metric of every model on test, with its spread over seeds."""
    metric = _main_metric(comparison, corpus)
    table = comparison.dropna(subset=[metric])
    scores = table[["label", "family"]].assign(mean=table[metric], sd=table[f"{metric}_sd"])
    return plots.plot_scores(scores, metric, corpus.label, highlight=BASELINES[MFM].label)


def plot_ranks(
    comparison: pd.DataFrame,
    predictions: pd.DataFrame,
    corpus: Corpus,
    evaluation: EvaluationOptions,
    options: BaselineComparisonOptions,
) -> Figure:
    """Draw the mean rank of each model over targets, with its interval over resamples."""
    metric = _main_metric(comparison, corpus)
    draws = _draws(corpus, options)
    scores = _resampled(comparison, predictions, corpus, evaluation.sentiment, draws)
    known = [name for name in comparison["model"] if _metric_of(scores, name) == metric]
    # Models × resamples × targets; the best is first.
    values = np.stack([scores[name].values for name in known])
    ranks = rankdata(-values, axis=0).mean(axis=2)
    tail = (1 - options.level) / 2
    low, high = np.quantile(ranks[:, 1:], [tail, 1 - tail], axis=1)
    rows = comparison.set_index("model").loc[known, ["label", "family"]].reset_index(drop=True)
    targets = values.shape[2]
    over = f"rank in {metric}" if targets == 1 else f"mean rank in {metric} over {targets} targets"
    return plots.plot_ranks(
        rows.assign(rank=ranks[:, 0], low=low, high=high),
        corpus.label,
        f"{over}, {options.level:.0%} interval over test {options.draw}",
        highlight=BASELINES[MFM].label,
    )


def _main_metric(comparison: pd.DataFrame, corpus: Corpus) -> str:
    """Return the primary metric; of models that all only classify a score, `acc_2`."""
    metric = primary_metric(corpus.train.targets.task)
    return metric if metric in comparison else "acc_2"


class _Scored(NamedTuple):
    """A model's metric on test and on every resample, ``(1 + resamples, targets)``."""

    metric: str
    values: np.ndarray


def _draws(corpus: Corpus, options: BaselineComparisonOptions) -> Resamples:
    ids = corpus.test.ids.tolist()
    if options.draw == "samples":
        return Resamples(range(len(ids)), options.resamples, options.seed)
    videos = [video_of(key) for key in ids]
    if len(set(videos)) < 2:
        raise ParameterError(
            f"baseline_comparison.draw is videos, and the test split of corpus {corpus.name} is "
            f"of one, {videos[0]}; expected two or more, or draw: samples"
        )
    return Resamples(videos, options.resamples, options.seed)


def _resampled(
    table: pd.DataFrame,
    predictions: pd.DataFrame,
    corpus: Corpus,
    sentiment: SentimentOptions | None,
    draws: Resamples,
) -> dict[str, _Scored]:
    """Score every model on the same resamples; of those that only classify, sides."""
    metric = primary_metric(corpus.train.targets.task)
    values = table["model"][table[metric].notna()] if metric in table else ()
    classify = set(table["model"]).difference(values)
    scored = {}
    by_model = dict(list(predictions.groupby("model", sort=False)))
    both = sentiment is not None and bool(classify & by_model.keys())
    for name, own in by_model.items():
        found = _of_model(own, len(corpus.test))
        if name in classify:
            if sentiment is not None:
                scored[str(name)] = _Scored("acc_2", _sides(draws, found, sentiment))
            continue
        scored[str(name)] = _Scored(metric, draws.of(metric, *found))
    if both and MFM in scored:
        assert sentiment is not None
        found = _of_model(by_model[MFM], len(corpus.test))
        scored[_MFM_SIDES] = _Scored("acc_2", _sides(draws, found, sentiment))
    return scored


_MFM_SIDES = f"{MFM}/acc_2"


def _sides(draws: Resamples, found: _Predictions, sentiment: SentimentOptions) -> np.ndarray:
    true, predicted = (sentiment.positive(values) for values in found)
    return draws.of("acc", true, predicted)


def _of_model(own: pd.DataFrame, samples: int) -> _Predictions:
    """Return the rows of one model as arrays: they lie by seed, then target, then sample."""
    seeds, targets = own["seed"].nunique(), own["target"].nunique(dropna=False)
    shape = (seeds, targets, samples)
    true, predicted = (own[c].to_numpy(np.float64).reshape(shape) for c in ("true", "predicted"))
    return _Predictions(true[0].T, predicted.transpose(0, 2, 1))


def _metric_of(scores: Mapping[str, _Scored], name: str) -> str:
    return scores[name].metric if name in scores else ""


def _against_mfm(scores: Mapping[str, _Scored], name: str, level: float) -> Difference | None:
    """Return by how much MFM is ahead of a model in what both have."""
    if name == MFM or name not in scores or MFM not in scores:
        return None
    own = scores[name]
    rival = scores[MFM if own.metric == scores[MFM].metric else _MFM_SIDES]
    return difference(rival.values, own.values, level)


def _row(name: Any, own: pd.DataFrame) -> dict[str, Any]:
    first, final = own.iloc[0], own[own["final"]]
    row: dict[str, Any] = {"model": name, "label": first["label"], "family": first["family"]}
    row["trials"] = int((own["trial"] >= 0).sum())
    row["seeds"] = len(final)
    if final.empty:
        known = first["state"] == NOT_APPLICABLE
        note = _errors_of(own.iloc[:1]) if known else _errors_of(own) or "no trial ended"
        return {**row, "state": NOT_APPLICABLE if known else "failed", "note": note}
    row |= {
        "state": "complete",
        "parameters": int(final["parameters"].iloc[0]),
        "seconds": float(final["seconds"].mean()),
        "setting": final["setting"].iloc[0],
        "note": _errors_of(own[own["final"] | (own["trial"] < 0)]),
    }
    for column in own.columns[own.columns.str.startswith("test/")]:
        metric = column.removeprefix("test/")
        row[metric], row[f"{metric}_sd"] = final[column].mean(), final[column].std()
    return row


def _errors_of(rows: pd.DataFrame) -> str:
    """Return the first thing that is wrong with some fits; '' if nothing is."""
    errors = rows["error"].dropna()
    return str(next(iter(errors[errors != ""]), ""))


def _warn_of_few(options: BaselineComparisonOptions, draws: Resamples, compared: int) -> None:
    """Say if there is too little to tell, by the test split or by the number of resamples."""
    if draws.groups < FEW:
        log.warning(
            "test has %d %s: intervals come out too narrow, and p-values no lower than %.2g; "
            "expected %d or more",
            draws.groups, options.draw, draws.least_p, FEW,
        )  # fmt: skip
    needed = int(2 * compared / SIGNIFICANT)
    if options.resamples < needed:
        log.warning(
            "baseline_comparison.resamples is %d: of %d models no difference can be significant; "
            "expected at least %d",
            options.resamples, compared, needed,
        )  # fmt: skip


def _print(table: pd.DataFrame, corpus: Corpus) -> None:
    """Print whether MFM is ahead, then a short table, the best first."""
    metric = _main_metric(table, corpus)
    known = table[table["state"] == "complete"]
    # What only classifies a score comes last, by its sides.
    keys = [name for name in (metric, "acc_2") if name in known]
    known = known.sort_values(keys, ascending=False, kind="stable", na_position="last")
    short = known[["label"]].rename(columns={"label": "model"})
    for name in _shown(known, metric):
        short[name] = [
            "" if pd.isna(mean) else f"{mean:.3f}" + (f"±{sd:.3f}" if pd.notna(sd) else "")
            for mean, sd in zip(known[name], known[f"{name}_sd"], strict=True)
        ]
    short["MFM is ahead by"] = [
        ""
        if pd.isna(value)
        else f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" + "*" * (p < SIGNIFICANT)
        for value, low, high, p in zip(
            known["difference"],
            known["difference_low"],
            known["difference_high"],
            known["p_holm"],
            strict=True,
        )
    ]
    title = f"Models, test, {corpus.label}, {len(corpus.test)} samples (* Holm p < 0.05)"
    print_table(short, title, lead=verdict(table))
    for (state, note), own in table[table["note"] != ""].groupby(["state", "note"]):
        log.info("%s: %s, %s", ", ".join(own["model"]), state, note)


def _shown(known: pd.DataFrame, metric: str) -> list[str]:
    """Return the two metrics that a console has room for."""
    others = ["acc_2"] if "acc_2" in known and known[metric].isna().any() else ["mae", "f1"]
    return [metric, *[name for name in others if name in known][:1]]
