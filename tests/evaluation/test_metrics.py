"""Metrics against hand-computed cases, SciPy and literal counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr

from mfm_pipeline.data import Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import SentimentOptions, primary_metric, score, trivial_prediction
from mfm_pipeline.evaluation.metrics import pearson_r


def regression(values: list[float], *names: str) -> Targets:
    array = np.array(values, np.float32).reshape(-1, max(1, len(names)))
    return Targets(array, names or ("sentiment",), "regression")


def literal_weighted_f1(true: list[int], predicted: list[int]) -> float:
    total = 0.0
    for label in set(true):
        hits = sum(t == p == label for t, p in zip(true, predicted, strict=True))
        precision = hits / max(1, sum(p == label for p in predicted))
        recall = hits / sum(t == label for t in true)
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        total += f1 * sum(t == label for t in true) / len(true)
    return total


def test_several_scores_are_no_sentiment() -> None:
    targets = regression([1, 2, 3, 5], "a", "b")
    assert score(targets, targets.values, SentimentOptions()) == score(targets, targets.values)


def test_sentiment_by_hand() -> None:
    targets = regression([-2.6, -0.4, 0.0, 1.2, 3.0])
    predictions = np.array([[-3.9], [0.2], [-0.1], [1.4], [2.4]], np.float32)
    metrics = score(targets, predictions, SentimentOptions(levels=(-3, 3)))
    # Rounded and clipped: true -3 0 0 1 3, predicted -3 0 0 1 2.
    assert metrics["acc_7"] == pytest.approx(4 / 5)
    # Zero counts as positive: true n n p p p, predicted n p n p p.
    assert metrics["acc_2"] == pytest.approx(3 / 5)
    assert metrics["f1"] == pytest.approx(literal_weighted_f1([0, 0, 1, 1, 1], [0, 1, 0, 1, 1]))
    # Without the true zero: true n n p p, predicted n p p p.
    assert metrics["acc_2_nonzero"] == pytest.approx(3 / 4)
    assert metrics["f1_nonzero"] == pytest.approx(literal_weighted_f1([0, 0, 1, 1], [0, 1, 1, 1]))
    assert metrics["mae"] == pytest.approx((1.3 + 0.6 + 0.1 + 0.2 + 0.6) / 5, rel=1e-5)
    assert set(metrics) == {"mae", "r", "acc_7", "acc_2", "f1", "acc_2_nonzero", "f1_nonzero"}


def test_a_score_at_the_threshold_of_ict_mmmo_is_negative() -> None:
    options = SentimentOptions(levels=None, neutral=3.5, neutral_is_positive=False)
    metrics = score(regression([3.5, 4.0]), np.array([[3.0], [4.5]], np.float32), options)
    assert metrics["acc_2"] == 1.0
    assert "acc_7" not in metrics and "acc_5" not in metrics


def test_several_targets_give_means_and_each() -> None:
    targets = regression([1, 5, 2, 3, 3, 9], "con", "pas")
    predictions = np.array([[1, 4], [3, 5], [2, 9]], np.float32)
    metrics = score(targets, predictions)
    assert metrics["mae/con"] == pytest.approx(2 / 3)
    assert metrics["mae/pas"] == pytest.approx(3 / 3)
    assert metrics["mae"] == pytest.approx((2 / 3 + 1) / 2)
    assert metrics["r/con"] == pytest.approx(pearsonr([1, 2, 3], [1, 3, 2])[0], rel=1e-6)
    assert metrics["r"] == pytest.approx((metrics["r/con"] + metrics["r/pas"]) / 2)


def test_classes_by_hand() -> None:
    targets = Targets(np.array([0, 0, 1, 2]), ("a", "b", "c"), "multiclass")
    metrics = score(targets, np.array([0, 1, 1, 1]))
    assert metrics == {
        "acc": 0.5,
        "f1": pytest.approx(literal_weighted_f1([0, 0, 1, 2], [0, 1, 1, 1])),
    }


def test_labels_have_their_own_and_a_mean() -> None:
    targets = Targets(np.array([[0, 1], [1, 1]], np.float32), ("sad", "happy"), "multilabel")
    metrics = score(targets, np.array([[0, 1], [0, 1]], np.float32))
    assert metrics["acc/sad"] == 0.5 and metrics["acc/happy"] == 1.0 and metrics["acc"] == 0.75


@given(arrays(np.float64, (2, 12), elements=st.floats(-1e3, 1e3)))
def test_pearson_is_scipy_s(pair: np.ndarray) -> None:
    if min(np.ptp(pair[0]), np.ptp(pair[1])) < 1e-3:
        return
    assert pearson_r(*pair) == pytest.approx(pearsonr(*pair)[0], abs=1e-8)


def test_a_constant_prediction_has_no_correlation() -> None:
    assert pearson_r(np.array([1.0, 2, 3]), np.array([5.0, 5, 5])) == 0.0


def test_shapes_that_differ_are_named() -> None:
    with pytest.raises(DataError, match=r"\(3, 1\).*\(2, 1\)"):
        score(regression([1, 2]), np.zeros((3, 1), np.float32))


def test_trivial_predictors() -> None:
    assert trivial_prediction(regression([1, 2, 9]), 2).tolist() == [[2], [2]]
    classes = Targets(np.array([2, 0, 2]), ("a", "b", "c"), "multiclass")
    assert trivial_prediction(classes, 2).tolist() == [2, 2]
    labels = Targets(np.array([[0, 1], [0, 1], [1, 0]], np.float32), ("a", "b"), "multilabel")
    assert trivial_prediction(labels, 1).tolist() == [[0, 1]]


def test_comparison_sets_predictors_side_by_side() -> None:
    from mfm_pipeline.evaluation import comparison

    table = comparison({"test/r": 0.5, "trivial/r": 0.0, "test/reconstruction/a": 2.0})
    assert list(table.columns) == ["metric", "MFM", "trivial"]
    assert table.set_index("metric")["MFM"].to_dict() == {"r": 0.5, "reconstruction/a": 2.0}
    assert pd.isna(table.set_index("metric")["trivial"]["reconstruction/a"])


def test_models_are_compared_by_a_metric_that_rises() -> None:
    right = {
        "regression": regression([1.0, 2.0, 4.0]),
        "multiclass": Targets(np.array([0, 1, 1]), ("a", "b"), "multiclass"),
        "multilabel": Targets(np.eye(3, 2, dtype=np.float32), ("a", "b"), "multilabel"),
    }
    for task, targets in right.items():
        wrong = targets.values[::-1].copy()
        metric = primary_metric(targets.task)
        assert metric == {"regression": "r"}.get(task, "acc")
        best = score(targets, targets.values)[metric]
        assert best == pytest.approx(1) and score(targets, wrong)[metric] < best
