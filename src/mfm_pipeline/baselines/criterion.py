"""What settings of a model are judged by on the validation split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mfm_pipeline.baselines.adapt import only_classifies
from mfm_pipeline.baselines.base import BaselineOptions
from mfm_pipeline.data import Targets
from mfm_pipeline.evaluation import SentimentOptions, primary_metric


@dataclass(frozen=True)
class Criterion:
    """A number of the metrics on valid; the higher the better.

    Parameters
    ----------
    metrics : tuple of str
        That it is made of, the main one first.
    units : dict of str to float
        Of a regression: by the key of each target's mean absolute error, what that of the
        training split's median is there. What is told is the share of it that is saved, the
        mean over targets: correlation by itself would let predictions be of any size, and
        errors in units of their own would let one target decide.
    """

    metrics: tuple[str, ...]
    units: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, valid: Mapping[str, float]) -> float:
        """Return it for the metrics on valid."""
        if not self.units:
            return valid[self.metrics[0]]
        return 1 - float(np.mean([valid[key] / unit for key, unit in self.units.items()]))


def criterion_of(
    method: type[BaselineOptions], train: Targets, sentiment: SentimentOptions | None
) -> Criterion:
    """Return what settings of a model are judged by.

    Parameters
    ----------
    method : type of BaselineOptions
    train : Targets
        Of the training split.
    sentiment : SentimentOptions, optional
        How a regression on one target is read as classes.

    Returns
    -------
    Criterion
        Of classes and labels the accuracy; so, too, of a score that is learned as classes.
        Of a regression the mean absolute error.
    """
    if only_classifies(method, train):
        if sentiment is None or sentiment.levels is None:
            return Criterion(("acc_2",))
        low, high = sentiment.levels
        return Criterion((f"acc_{high - low + 1}",))
    primary = primary_metric(train.task)
    if train.task != "regression":
        return Criterion((primary,))
    errors = np.abs(train.values - np.median(train.values, axis=0)).mean(axis=0)
    names = ["mae"] if len(train.names) == 1 else [f"mae/{name}" for name in train.names]
    # What never differs in training tells settings apart by no number.
    units = {name: float(one) for name, one in zip(names, errors, strict=True) if one > 0}
    return Criterion((primary, "mae"), units or dict.fromkeys(names, 1.0))
