"""Random forests and gradient-boosted trees on early-fused statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)

from mfm_pipeline.baselines.base import Choice, Range, Space
from mfm_pipeline.baselines.tabular import JointOptions, SeparateOptions
from mfm_pipeline.data import Task


class ForestOptions(JointOptions):
    """RF: a random forest (Breiman 2001) of all targets at once.

    Of classes and labels it regresses the indicators: the variance of an indicator is half
    its Gini impurity, and a leaf's mean the share of a class in it.
    """

    label: ClassVar[str] = "RF"
    space: ClassVar[Space] = {
        "features": Range(low=0.05, high=1.0, log=True),
        "leaf": Range(low=1, high=20, log=True),
        "trees": Choice(of=(200, 500)),
    }

    trees: int = Field(500, ge=1)
    features: float = Field(1 / 3, gt=0, le=1, description="Share of the features a split tries.")
    leaf: int = Field(3, ge=1, description="Fewest samples of a leaf.")

    def estimator(self, task: Task, seed: int) -> Any:
        """Return a forest."""
        return RandomForestRegressor(
            self.trees,
            max_features=self.features,
            min_samples_leaf=self.leaf,
            random_state=seed,
        )

    def count(self, estimator: Any) -> int:
        """Return the number of nodes."""
        return sum(int(tree.tree_.node_count) for tree in estimator.estimators_)


class BoostingOptions(SeparateOptions):
    """GBT: gradient-boosted trees on histograms (Friedman 2001; Ke et al. 2017).

    Of each target the squared error, of classes and labels the cross-entropy; no more
    trees once valid has not improved for `patience` of them.
    """

    label: ClassVar[str] = "GBT"
    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.01, high=0.3, log=True),
        "leaves": Range(low=3, high=31, log=True),
        "leaf": Range(low=5, high=40, log=True),
        "features": Range(low=0.1, high=1.0),
        "l2": Range(low=0.01, high=100.0, log=True),
    }

    trees: int = Field(200, ge=1, description="At most.")
    learning_rate: float = Field(0.05, gt=0, le=1)
    leaves: int = Field(7, ge=2, description="Most leaves of a tree.")
    leaf: int = Field(20, ge=1, description="Fewest samples of a leaf.")
    features: float = Field(1 / 3, gt=0, le=1, description="Share of the features a split tries.")
    l2: float = Field(1.0, ge=0, description="Weight of the squared values of leaves.")
    patience: int = Field(20, ge=1)

    def estimator(self, task: Task, seed: int) -> Any:
        """Return boosted trees."""
        boosting = (
            HistGradientBoostingRegressor
            if task == "regression"
            else HistGradientBoostingClassifier
        )
        return boosting(
            max_iter=self.trees,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.leaf,
            max_features=self.features,
            l2_regularization=self.l2,
            early_stopping=True,
            n_iter_no_change=self.patience,
            random_state=seed,
        )

    def train(self, estimator: Any, rows: Sequence[Any], values: Sequence[Any]) -> None:
        """Fit to train, and stop by valid, less what is of classes that train lacks."""
        fits = np.ones(len(values[1]), dtype=np.bool_)
        if isinstance(estimator, HistGradientBoostingClassifier):
            fits = np.isin(values[1], values[0])
        estimator.fit(rows[0], values[0], X_val=rows[1][fits], y_val=values[1][fits])

    def count(self, estimator: Any) -> int:
        """Return the number of nodes."""
        return sum(len(tree.nodes) for trees in estimator._predictors for tree in trees)
