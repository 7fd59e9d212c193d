"""Trivial and classical models, on scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from mfm_pipeline.baselines.base import BaselineOptions, Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.tabular import JointOptions, SeparateOptions
from mfm_pipeline.data import Corpus, Split, Task


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

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return the same row for every sample."""
        return np.tile(self.values, (len(split), 1))


class RidgeOptions(JointOptions):
    """Ridge regression of standardised statistics (Hoerl and Kennard 1970).

    ``min |Y - X W|^2 + alpha |W|^2``; of classes and labels, of their indicators.
    """

    label: ClassVar[str] = "Ridge"
    space: ClassVar[Space] = {"alpha": Range(low=1.0, high=10_000.0, log=True)}

    alpha: float = Field(300.0, gt=0)

    def estimator(self, task: Task, seed: int) -> Any:
        """Return ridge regression."""
        return make_pipeline(StandardScaler(), Ridge(self.alpha))

    def count(self, estimator: Any) -> int:
        """Return the number of coefficients."""
        return linear_parameters(estimator[-1])


class LogisticOptions(SeparateOptions):
    """Logistic regression of standardised statistics: of classes multinomial, of labels binary."""

    label: ClassVar[str] = "Logistic regression"
    tasks: ClassVar[frozenset[Task]] = frozenset({"multiclass", "multilabel"})
    space: ClassVar[Space] = {"C": Range(low=0.0001, high=1.0, log=True)}

    C: float = Field(0.01, gt=0, description="Inverse of the weight of the squared coefficients.")

    def estimator(self, task: Task, seed: int) -> Any:
        """Return logistic regression."""
        return make_pipeline(StandardScaler(), LogisticRegression(C=self.C, max_iter=10_000))

    def count(self, estimator: Any) -> int:
        """Return the number of coefficients."""
        return linear_parameters(estimator[-1])


class SupportVectorOptions(SeparateOptions):
    """SVM: support vectors of standardised rows (Cortes and Vapnik 1995), or regression on them.

    Of several classes one against one. What it says of a class is its margin, not a
    calibrated probability.
    """

    label: ClassVar[str] = "SVM"
    space: ClassVar[Space] = {
        "C": Range(low=0.01, high=100.0, log=True),
        "epsilon": Range(low=0.01, high=1.0, log=True),
        "kernel": Choice(of=("rbf", "linear")),
    }

    C: float = Field(1.0, gt=0, description="Weight of the training errors.")
    epsilon: float = Field(
        0.1, ge=0, description="Regression: error that costs nothing, in spreads of a target."
    )
    kernel: Literal["rbf", "linear"] = Field("rbf", description="rbf of width 1 / features.")

    def estimator(self, task: Task, seed: int) -> Any:
        """Return support vectors for values or classes."""
        if task == "regression":
            machine = SVR(C=self.C, epsilon=self.epsilon, kernel=self.kernel)
        else:
            machine = SVC(C=self.C, kernel=self.kernel)
        return make_pipeline(StandardScaler(), machine)

    def count(self, estimator: Any) -> int:
        """Return the numbers of the support vectors, their weights and the intercepts."""
        machine = estimator[-1]
        return int(
            machine.support_vectors_.size + machine.dual_coef_.size + machine.intercept_.size
        )


def linear_parameters(model: Any) -> int:
    """Return the number of coefficients and intercepts of a linear model."""
    return int(np.size(model.coef_) + np.size(model.intercept_))
