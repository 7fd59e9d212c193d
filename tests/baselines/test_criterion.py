"""What settings are judged by."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from mfm_pipeline.baselines import BaselineOptions, Fitted, Session
from mfm_pipeline.baselines.base import CLASSES, Family
from mfm_pipeline.baselines.classical import MajorityOptions
from mfm_pipeline.baselines.criterion import criterion_of
from mfm_pipeline.data import Corpus, Targets, Task
from mfm_pipeline.evaluation import SentimentOptions, score


class ClassifierOptions(BaselineOptions):
    """What only classifies."""

    label: ClassVar[str] = "Classifier"
    family: ClassVar[Family] = "classical"
    tasks: ClassVar[frozenset[Task]] = CLASSES

    def fit(self, corpus: Corpus, session: Session) -> Fitted:
        raise NotImplementedError


def regression(values: list[list[float]]) -> Targets:
    names = tuple(f"t{i}" for i in range(len(values[0])))
    return Targets(np.array(values, dtype=np.float32), names, "regression")


TRAIN = regression([[1, 100], [2, 100], [3, 400], [6, 800]])
"""Medians 2.5 and 250; mean absolute errors of theirs 1.5 and 250."""


def test_of_a_regression_the_share_of_the_error_that_is_saved() -> None:
    criterion = criterion_of(MajorityOptions, TRAIN, None)
    assert criterion.metrics == ("r", "mae")
    valid = regression([[0, 0], [4, 400]])
    told = criterion(score(valid, np.array([[0.5, 0], [3.0, 200]])))
    # Errors 0.75 and 100: a half and 0.4 of those of the median.
    assert told == pytest.approx(1 - (0.5 + 0.4) / 2)
    assert criterion(score(valid, valid.values)) == 1


def test_units_of_a_target_do_not_count_but_the_size_of_predictions_does() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(50, 2))
    valid, predicted = rng.normal(size=(2, 20, 2))

    def told(units: list[float], predictions: np.ndarray) -> float:
        scale = np.array(units)
        criterion = criterion_of(MajorityOptions, regression((train * scale).tolist()), None)
        return criterion(score(regression((valid * scale).tolist()), predictions * scale))

    assert told([1, 1], predicted) == pytest.approx(told([1, 1000], predicted), rel=1e-5)
    # As well correlated, and too small.
    assert told([1, 1], valid) > told([1, 1], 0.1 * valid) > told([1, 1], predicted)


@pytest.mark.parametrize("values", [[[2.0, 1.0], [2.0, 3.0]], [[2.0, 1.0], [2.0, 1.0]]])
def test_targets_that_never_differ_in_training(values: list[list[float]]) -> None:
    criterion = criterion_of(MajorityOptions, regression(values), None)
    valid = regression([[2, 0], [2, 1]])
    better, worse = np.array([[2, 0.1], [2, 0.9]]), np.array([[2, 0.5], [2, 0.5]])
    assert criterion(score(valid, better)) > criterion(score(valid, worse))
    assert np.isfinite(criterion(score(valid, worse)))


def test_of_classes_their_accuracy() -> None:
    classes = Targets(np.array([0, 1, 2, 1]), ("a", "b", "c"), "multiclass")
    criterion = criterion_of(MajorityOptions, classes, None)
    assert criterion.metrics == ("acc",)
    assert criterion(score(classes, np.array([0, 1, 1, 0]))) == 0.5
    labels = Targets(np.eye(4, 2, dtype=np.float32), ("a", "b"), "multilabel")
    assert criterion_of(ClassifierOptions, labels, None).metrics == ("acc",)


def test_of_a_score_that_is_learned_as_classes_theirs() -> None:
    one = regression([[-1], [0], [2], [3]])
    seven, sides = SentimentOptions(levels=(-3, 3)), SentimentOptions(neutral=3.5)
    criterion = criterion_of(ClassifierOptions, one, seven)
    assert criterion.metrics == ("acc_7",)
    assert criterion(score(one, np.array([[-1.2], [0.4], [0.0], [3.0]]), seven)) == 0.75
    assert criterion_of(ClassifierOptions, one, sides).metrics == ("acc_2",)
    assert criterion_of(MajorityOptions, one, seven).metrics == ("r", "mae")
