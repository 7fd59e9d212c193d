"""Trivial and classical models on statistics of each sample, by scikit-learn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from mfm_pipeline.baselines.base import BaselineOptions, Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.statistics import early_fused, usable
from mfm_pipeline.data import Corpus, Split, Task

Array = NDArray[np.floating[Any]]


class MajorityOptions(BaselineOptions):
    """The median of each target, or how frequent each class or label is in training."""

    label: ClassVar[str] = "Majority"
    family: ClassVar[Family] = "trivial"

    def fit(self, corpus: Corpus, session: Session) -> Typical:
        """Measure the training targets."""
        return Typical(corpus.train.targets.typical)


@dataclass(frozen=True, eq=False)
class Typical:
    """The same prediction of every sample.

    Parameters
    ----------
    values : ndarray, shape (outputs,)
    """

    values: NDArray[np.float64]

    @property
    def parameters(self) -> int:
        """How many numbers were measured."""
        return self.values.size

    def predict(self, split: Split) -> Array:
        """Return the same row for every sample."""
        return np.tile(self.values, (len(split), 1))


Read = Callable[[Split], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Estimator:
    """A fitted estimator of scikit-learn, on rows of numbers.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
    task : {"regression", "multiclass"}
    outputs : int
    read : callable
        From a split to its rows.
    """

    estimator: Any
    task: Task
    outputs: int
    read: Read = field(default=early_fused)

    @property
    def parameters(self) -> int:
        """How many numbers were fitted: coefficients, support vectors, or nodes of trees."""
        return count_parameters(self.estimator)

    def predict(self, split: Split) -> Array:
        """Return values, or probabilities of classes."""
        rows = self.read(split)
        if self.task == "regression":
            return np.asarray(self.estimator.predict(rows)).reshape(len(split), self.outputs)
        found = np.zeros((len(split), self.outputs))
        # A class that training lacks has no probability.
        found[:, self.estimator.classes_] = self.estimator.predict_proba(rows)
        return found


def count_parameters(estimator: Any) -> int:
    """Return the coefficients of an estimator, its support vectors, or the nodes of its trees."""
    if isinstance(estimator, Pipeline):
        return count_parameters(estimator[-1])
    if isinstance(estimator, TransformedTargetRegressor):
        return count_parameters(estimator.regressor_)
    if hasattr(estimator, "support_vectors_"):
        return int(estimator.support_vectors_.size + estimator.dual_coef_.size)
    if hasattr(estimator, "coef_"):
        return int(np.size(estimator.coef_) + np.size(estimator.intercept_))
    if isinstance(estimator, HistGradientBoostingRegressor | HistGradientBoostingClassifier):
        return sum(len(tree.nodes) for trees in estimator._predictors for tree in trees)
    if isinstance(estimator, MultiOutputRegressor):
        return sum(count_parameters(one) for one in estimator.estimators_)
    return sum(int(tree.tree_.node_count) for tree in estimator.estimators_)


class Problem(NamedTuple):
    """What an estimator is for.

    Attributes
    ----------
    task : {"regression", "multiclass"}
    features : int
        Columns of the rows.
    outputs : int
        Targets or classes.
    seed : int
    """

    task: Task
    features: int
    outputs: int
    seed: int


ONE_BY_ONE: frozenset[Task] = frozenset({"regression", "multiclass"})
"""Of several labels each is learned by itself, see `adapt`."""


class EstimatorOptions(BaselineOptions):
    """What every estimator of scikit-learn has."""

    family: ClassVar[Family] = "classical"
    tasks: ClassVar[frozenset[Task]] = ONE_BY_ONE

    @abstractmethod
    def estimator(self, problem: Problem) -> Any:
        """Return the estimator, not fitted; of several targets, one for all."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, session: Session) -> Estimator:
        """Fit to the statistics of training samples that have anything."""
        train = usable(corpus).train
        return fit_estimator(self.estimator, early_fused, train, session.seed)


def fit_estimator(
    build: Callable[[Problem], Any], read: Read, train: Split, seed: int
) -> Estimator:
    """Fit an estimator to the rows of a split, all of whose samples have something.

    Parameters
    ----------
    build : callable
    read : callable
        From a split to its rows.
    train : Split
    seed : int
    """
    targets, rows = train.targets, read(train)
    values = targets.values
    if targets.task == "regression" and values.shape[1] == 1:
        values = values[:, 0]
    estimator = build(Problem(targets.task, rows.shape[1], len(targets.names), seed))
    estimator.fit(rows, values)
    return Estimator(estimator, targets.task, len(targets.names), read)


def one_a_target(estimator: Any, problem: Problem) -> Any:
    """Return an estimator that knows one target alone, once for each of them."""
    several = problem.task == "regression" and problem.outputs > 1
    return MultiOutputRegressor(estimator) if several else estimator


class RidgeOptions(EstimatorOptions):
    """Ridge regression (Hoerl and Kennard 1970) on early-fused statistics."""

    label: ClassVar[str] = "Ridge"
    tasks: ClassVar[frozenset[Task]] = frozenset({"regression"})
    space: ClassVar[Space] = {"alpha": Range(low=1.0, high=1e4, log=True)}

    alpha: float = Field(100.0, gt=0, description="Penalty.")

    def estimator(self, problem: Problem) -> Any:
        """Return standardised ridge regression."""
        return make_pipeline(StandardScaler(), Ridge(alpha=self.alpha))


class LogisticOptions(EstimatorOptions):
    """Logistic regression on early-fused statistics."""

    label: ClassVar[str] = "Logistic"
    tasks: ClassVar[frozenset[Task]] = frozenset({"multiclass"})
    space: ClassVar[Space] = {"c": Range(low=1e-4, high=1.0, log=True)}

    c: float = Field(0.01, gt=0, description="Inverse of the penalty.")

    def estimator(self, problem: Problem) -> Any:
        """Return standardised logistic regression."""
        return make_pipeline(StandardScaler(), LogisticRegression(C=self.c, max_iter=5000))


class ForestOptions(EstimatorOptions):
    """Random forest (Breiman 2001) on early-fused statistics."""

    label: ClassVar[str] = "RF"
    space: ClassVar[Space] = {
        "features": Range(low=0.05, high=0.5, log=True),
        "leaf": Range(low=1, high=12),
    }

    trees: int = Field(500, ge=1)
    leaf: int = Field(3, ge=1, description="Fewest samples of a leaf.")
    features: float = Field(1 / 3, gt=0, le=1, description="Share tried at a split.")

    def estimator(self, problem: Problem) -> Any:
        """Return a forest; of several targets, of all together."""
        kind = RandomForestRegressor if problem.task == "regression" else RandomForestClassifier
        return kind(
            n_estimators=self.trees,
            min_samples_leaf=self.leaf,
            max_features=self.features,
            random_state=problem.seed,
        )


class SvmOptions(EstimatorOptions):
    """Support vector machine (Cortes and Vapnik 1995) on early-fused statistics."""

    label: ClassVar[str] = "SVM"
    space: ClassVar[Space] = {
        "c": Range(low=0.03, high=10.0, log=True),
        "width": Range(low=0.1, high=10.0, log=True),
        "epsilon": Choice(of=(0.05, 0.1, 0.3)),
    }

    c: float = Field(0.3, gt=0, description="Inverse of the penalty.")
    width: float = Field(1.0, gt=0, description="Of the kernel, in root mean square distances.")
    epsilon: float = Field(0.1, ge=0, description="Of a regression: errors that cost nothing.")

    def estimator(self, problem: Problem) -> Any:
        """Return a standardised machine, one a target."""
        return support_vectors(problem, self.c, self.width, self.epsilon)


def support_vectors(problem: Problem, c: float, width: float, epsilon: float) -> Any:
    """Return support vector machines behind a standardisation, one a target.

    Parameters
    ----------
    problem : Problem
    c : float
        Inverse of the penalty.
    width : float
        Of the Gaussian kernel, in root mean square distances of standardised rows.
    epsilon : float
        Of a regression: errors that cost nothing, in standard deviations of the target.
    """
    # Rows of d standardised columns lie 2 d from each other on average, squared.
    gamma = 1 / (2 * problem.features * width**2)
    if problem.task == "multiclass":
        return make_pipeline(StandardScaler(), MarginSVC(C=c, gamma=gamma))
    machine = TransformedTargetRegressor(
        SVR(C=c, gamma=gamma, epsilon=epsilon), transformer=StandardScaler()
    )
    return make_pipeline(StandardScaler(), one_a_target(machine, problem))


class MarginSVC(SVC):  # type: ignore[misc]
    """Support vector machine whose probabilities are the softmax of its margins."""

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Return the softmax of the decision function, ``(n, classes)``."""
        margins = self.decision_function(X)
        if margins.ndim == 1:
            margins = np.column_stack([-margins, margins])
        return np.asarray(softmax(margins, axis=1))


class BoostingOptions(EstimatorOptions):
    """Gradient-boosted trees (Friedman 2001), which the paper does not have."""

    label: ClassVar[str] = "GBT"
    space: ClassVar[Space] = {
        "rate": Range(low=0.01, high=0.2, log=True),
        "leaves": Range(low=3, high=31, log=True),
        "features": Choice(of=(0.1, 0.3, 1.0)),
    }

    trees: int = Field(100, ge=1)
    rate: float = Field(0.05, gt=0, le=1)
    leaves: int = Field(7, ge=2)
    features: float = Field(0.3, gt=0, le=1, description="Share tried at a split.")

    def estimator(self, problem: Problem) -> Any:
        """Return boosted trees, of each target."""
        options: dict[str, Any] = {
            "max_iter": self.trees,
            "learning_rate": self.rate,
            "max_leaf_nodes": self.leaves,
            "max_features": self.features,
            "early_stopping": False,
            "random_state": problem.seed,
        }
        if problem.task == "regression":
            return one_a_target(HistGradientBoostingRegressor(**options), problem)
        return HistGradientBoostingClassifier(**options)
