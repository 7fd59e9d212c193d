"""The paper's metrics (Section 3.2), by their exact keys.

======================  ====================================================
task                    keys
======================  ====================================================
regression              ``mae``, ``r``; with several targets their means, and
                        ``mae/<target>``, ``r/<target>``
one sentiment score     also ``acc_<levels>``, ``acc_2``, ``f1``,
                        ``acc_2_nonzero``, ``f1_nonzero``
multiclass              ``acc``, ``f1`` (weighted)
multilabel              ``acc``, ``f1`` and ``acc/<label>``, ``f1/<label>``
======================  ====================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score

from mfm_pipeline.data import Targets, Task
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation.options import SentimentOptions

Metrics = dict[str, float]
Array = NDArray[Any]


def score(
    targets: Targets, predictions: Array, sentiment: SentimentOptions | None = None
) -> Metrics:
    """Score predictions by the metrics of the task.

    Parameters
    ----------
    targets : Targets
        Of ``n`` samples.
    predictions : ndarray
        Regression: ``(n, k)`` values. Multiclass: ``(n,)`` class indices.
        Multilabel: ``(n, k)`` of 0 and 1.
    sentiment : SentimentOptions, optional
        Reads a regression on one target as sentiment.

    Returns
    -------
    dict of str to float

    Raises
    ------
    DataError
        If predictions and targets differ in shape.
    """
    if predictions.shape != targets.values.shape:
        raise DataError(
            f"predictions have shape {predictions.shape}; expected {targets.values.shape}"
        )
    if targets.task == "multiclass":
        return _class_metrics(targets.values, predictions)
    if targets.task == "multilabel":
        columns = [_class_metrics(t, p) for t, p in _columns(targets.values, predictions)]
        return _with_means(columns, targets.names)
    columns = [_regression_metrics(t, p) for t, p in _columns(targets.values, predictions)]
    metrics = _with_means(columns, targets.names)
    if sentiment is not None and len(targets.names) == 1:
        metrics |= _sentiment_metrics(targets.values[:, 0], predictions[:, 0], sentiment)
    return metrics


def primary_metric(task: Task) -> str:
    """Return the key of the metric that models are compared by; the higher the better."""
    return "r" if task == "regression" else "acc"


def pearson_r(true: Array, predicted: Array) -> float:
    """Return Pearson's correlation; 0 where one side is constant and it is undefined."""
    true, predicted = true - true.mean(), predicted - predicted.mean()
    norm = float(np.linalg.norm(true) * np.linalg.norm(predicted))
    return float(true @ predicted) / norm if norm > 1e-12 else 0.0


def _columns(true: Array, predicted: Array) -> list[tuple[Array, Array]]:
    return [(true[:, j], predicted[:, j]) for j in range(true.shape[1])]


def _with_means(columns: list[Metrics], names: tuple[str, ...]) -> Metrics:
    means = {key: float(np.mean([c[key] for c in columns])) for key in columns[0]}
    if len(names) == 1:
        return means
    each = zip(names, columns, strict=True)
    return means | {f"{key}/{name}": c[key] for name, c in each for key in c}


def _regression_metrics(true: Array, predicted: Array) -> Metrics:
    true, predicted = true.astype(np.float64), predicted.astype(np.float64)
    return {
        "mae": float(np.abs(true - predicted).mean()),
        "r": pearson_r(true, predicted),
    }


def _class_metrics(true: Array, predicted: Array) -> Metrics:
    return {
        "acc": float(accuracy_score(true, predicted)),
        "f1": float(f1_score(true, predicted, average="weighted", zero_division=0)),
    }


def _sentiment_metrics(true: Array, predicted: Array, options: SentimentOptions) -> Metrics:
    metrics: Metrics = {}
    if options.levels is not None:
        low, high = options.levels
        levels = [np.clip(np.round(x), low, high) for x in (true, predicted)]
        metrics[f"acc_{high - low + 1}"] = float(accuracy_score(*levels))

    two = _class_metrics(options.positive(true), options.positive(predicted))
    metrics |= {"acc_2": two["acc"], "f1": two["f1"]}
    polar = true != options.neutral
    if polar.any():
        above = [x[polar] > options.neutral for x in (true, predicted)]
        two = _class_metrics(*above)
        metrics |= {"acc_2_nonzero": two["acc"], "f1_nonzero": two["f1"]}
    return metrics
