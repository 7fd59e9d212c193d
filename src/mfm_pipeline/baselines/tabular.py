"""Models of one row of numbers a sample: scikit-learn's estimators on the data contract."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from mfm_pipeline.baselines.base import BaselineOptions, Family, Session
from mfm_pipeline.baselines.statistics import early_fused, usable
from mfm_pipeline.data import Corpus, Split, Task
from mfm_pipeline.training.fit import center_and_spread

Rows = Callable[[Split], NDArray[np.float64]]
"""From a split to one row a sample, ``(n, p)``."""


class TabularOptions(BaselineOptions):
    """What every model of one row a sample has."""

    family: ClassVar[Family] = "classical"

    def rows(self, corpus: Corpus, session: Session) -> Rows:
        """Return what makes the rows, by default `early_fused` statistics."""
        return early_fused

    @abstractmethod
    def estimator(self, task: Task, seed: int) -> Any:
        """Return an estimator of scikit-learn that is not fitted yet."""
        raise NotImplementedError

    @abstractmethod
    def count(self, estimator: Any) -> int:
        """Return how many numbers a fitted estimator holds."""
        raise NotImplementedError


class JointOptions(TabularOptions):
    """One regressor of all targets at once; of classes and labels, their indicators.

    Least squares on indicators estimates their probabilities; those of classes sum to
    one where the method is linear in its targets.
    """

    def fit(self, corpus: Corpus, session: Session) -> Joint:
        """Fit one estimator to all outputs."""
        corpus = usable(corpus)
        train, targets = corpus.train, corpus.train.targets
        rows = self.rows(corpus, session)
        if targets.task == "multiclass":
            values = np.eye(len(targets.names))[targets.values]
        else:
            values = targets.values.astype(np.float64)
        # In units of their spread no target outweighs another.
        scale = values.std(axis=0) if targets.task == "regression" else np.ones(values.shape[1])
        estimator = self.estimator(targets.task, session.seed)
        outcome = values / scale
        estimator.fit(rows(train), outcome[:, 0] if len(scale) == 1 else outcome)
        return Joint(rows, estimator, scale, targets.task, self.count(estimator))


@dataclass(frozen=True, eq=False)
class Joint:
    """One fitted regressor of every output.

    Parameters
    ----------
    rows : callable
    estimator : object
        Of scikit-learn, with ``predict``.
    scale : ndarray, shape (outputs,)
        What a prediction of one stands for.
    task : {"regression", "multiclass", "multilabel"}
    parameters : int
    """

    rows: Rows
    estimator: Any
    scale: NDArray[np.float64]
    task: Task
    parameters: int

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return values, or probabilities of classes or labels."""
        predicted = self.estimator.predict(self.rows(split)).reshape(len(split), -1) * self.scale
        if self.task == "regression":
            return np.asarray(predicted)
        shares = np.clip(predicted, 0, 1)
        if self.task == "multilabel":
            return np.asarray(shares)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))


class SeparateOptions(TabularOptions):
    """A regressor a target, a classifier of all classes, or a classifier a label."""

    def train(self, estimator: Any, rows: Sequence[Any], values: Sequence[Any]) -> None:
        """Fit an estimator to train; rows and values of valid, beside, are to stop by."""
        estimator.fit(rows[0], values[0])

    def fit(self, corpus: Corpus, session: Session) -> Separate:
        """Fit one estimator to each column of the targets."""
        corpus = usable(corpus)
        task = corpus.train.targets.task
        make = self.rows(corpus, session)
        center, scale = np.zeros(1), np.ones(1)
        if task == "regression":
            center, scale = (
                part.double().numpy() for part in center_and_spread(corpus.train.targets.values)
            )
        rows, columns = [], []
        for split in (corpus.train, corpus.valid):
            rows.append(make(split))
            values = split.targets.values
            columns.append(values[:, None] if task == "multiclass" else (values - center) / scale)
        estimators = []
        for column in range(columns[0].shape[1]):
            estimator = self.estimator(task, session.seed)
            self.train(estimator, rows, [values[:, column] for values in columns])
            estimators.append(estimator)
        return Separate(
            rows=make,
            estimators=estimators,
            center=center,
            scale=scale,
            task=task,
            classes=len(corpus.train.targets.names),
            parameters=sum(self.count(one) for one in estimators),
        )


@dataclass(frozen=True, eq=False)
class Separate:
    """A fitted estimator a column of the targets.

    Parameters
    ----------
    rows : callable
    estimators : sequence
        Of scikit-learn: regressors, one classifier of all classes, or one of each label.
    center, scale : ndarray, shape (k,)
        Regression: what predictions of 0 and a difference of 1 stand for.
    task : {"regression", "multiclass", "multilabel"}
    classes : int
        Names of targets, those of classes that training lacks among them.
    parameters : int
    """

    rows: Rows
    estimators: Sequence[Any]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    task: Task
    classes: int
    parameters: int

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return values, or probabilities of classes or labels."""
        rows = self.rows(split)
        if self.task == "regression":
            columns = [estimator.predict(rows) for estimator in self.estimators]
            return np.asarray(np.column_stack(columns) * self.scale + self.center)
        shares = [class_shares(estimator, rows) for estimator in self.estimators]
        if self.task == "multilabel":
            return np.column_stack([share[:, 1] for share in shares])
        found = np.zeros((len(rows), self.classes))
        found[:, self.estimators[0].classes_] = shares[0]
        return found


def class_shares(estimator: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how likely each class of a classifier is, ``(n, classes)``.

    Of one that knows no probabilities the softmax of its margins, or the logistic
    function of the one margin of two classes.
    """
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(rows))
    margin = estimator.decision_function(rows)
    if margin.ndim == 1:
        positive = expit(margin)
        return np.column_stack([1 - positive, positive])
    return np.asarray(softmax(margin, axis=1))
