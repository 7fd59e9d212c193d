"""What a model that only classifies makes of other tasks, as the paper's dashes have it.

One sentiment score is learned as its levels (the classes of ``acc_7``), or as its two sides
where it has no levels; several labels are learned one by one. Other regressions it cannot do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.baselines.base import BaselineOptions, Fitted, Session
from mfm_pipeline.baselines.classical import Typical
from mfm_pipeline.data import Corpus, Split, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import SentimentOptions

VALUES_ONLY = ("mae", "r")
"""Metrics of values: of levels they would say how coarse the levels are."""


def obstacle(
    method: type[BaselineOptions], targets: Targets, sentiment: SentimentOptions | None
) -> str:
    """Return why a model cannot learn what is predicted, as it is or as classes; '' if it can."""
    if targets.task in method.tasks:
        return ""
    if "multiclass" not in method.tasks:
        return "does not classify"
    if targets.task == "regression" and len(targets.names) > 1:
        return f"only classifies; there are {len(targets.names)} scores"
    if targets.task == "regression" and sentiment is None:
        return "only classifies; evaluation.sentiment would make classes of the score"
    return ""


def only_classifies(method: type[BaselineOptions], targets: Targets) -> bool:
    """Return whether a model learns a score as classes, and has no metrics of values."""
    return targets.task == "regression" and targets.task not in method.tasks


def fit_adapted(
    options: BaselineOptions,
    corpus: Corpus,
    session: Session,
    sentiment: SentimentOptions | None = None,
) -> Fitted:
    """Fit a model to a corpus, as classes where it can do no more.

    Parameters
    ----------
    options : BaselineOptions
    corpus : Corpus
    session : Session
    sentiment : SentimentOptions, optional
        How a regression on one target is read as classes.

    Returns
    -------
    Fitted
        Which predicts in terms of the corpus's own task.

    Raises
    ------
    DataError
        If the model can learn nothing of this kind.
    """
    targets = corpus.train.targets
    if targets.task in options.tasks:
        return options.fit(corpus, session)
    if why := obstacle(type(options), targets, sentiment):
        raise DataError(f"corpus {corpus.name}: {options.label} {why}")
    if targets.task == "multilabel":
        return _fit_labels(options, corpus, session)
    assert sentiment is not None
    return _fit_levels(options, corpus, session, sentiment)


@dataclass(frozen=True, eq=False)
class Levels:
    """A classifier of a score's levels, which predicts the likeliest.

    Parameters
    ----------
    fitted : Fitted
    values : ndarray, shape (classes,)
        The score that each class stands for.
    """

    fitted: Fitted
    values: NDArray[np.float32]

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""
        return self.fitted.parameters

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return the score of the likeliest level, ``(n, 1)``."""
        likeliest: NDArray[np.float32] = self.values[self.fitted.predict(split).argmax(axis=1)]
        return likeliest[:, None]


@dataclass(frozen=True, eq=False)
class Labels:
    """A classifier a label, each of no and yes.

    Parameters
    ----------
    fitted : sequence of Fitted
    """

    fitted: Sequence[Fitted]

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""
        return sum(one.parameters for one in self.fitted)

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return the probability of each label, ``(n, labels)``."""
        return np.column_stack([one.predict(split)[:, 1] for one in self.fitted])


def _fit_levels(
    options: BaselineOptions, corpus: Corpus, session: Session, sentiment: SentimentOptions
) -> Levels:
    """Learn those levels that training has; a score of another one counts as the nearest."""
    scores = {name: split.targets.values[:, 0] for name, split in corpus.splits.items()}
    rounded = {name: _rounded(values, sentiment) for name, values in scores.items()}
    values = np.unique(rounded["train"])
    if len(values) < 2:
        raise DataError(
            f"corpus {corpus.name}: all training scores are of level {values[0]:g}; "
            "expected two or more levels"
        )
    classes = {
        name: np.abs(found[:, None] - values).argmin(axis=1) for name, found in rounded.items()
    }
    names = tuple(f"{value:g}" for value in values)
    return Levels(options.fit(_of_classes(corpus, classes, names), session), values)


def _rounded(scores: NDArray[np.float32], sentiment: SentimentOptions) -> NDArray[np.float32]:
    """Return the level of each score; without levels, a score on its side of neutral."""
    if sentiment.levels is not None:
        return np.clip(np.round(scores), *sentiment.levels).astype(np.float32)
    above = sentiment.positive(scores)
    return np.where(above, sentiment.neutral + 1, sentiment.neutral - 1).astype(np.float32)


def _fit_labels(options: BaselineOptions, corpus: Corpus, session: Session) -> Labels:
    fitted: list[Fitted] = []
    for column, name in enumerate(corpus.train.targets.names):
        classes = {
            split: corpus.splits[split].targets.values[:, column].astype(np.int64)
            for split in corpus.splits
        }
        if len(np.unique(classes["train"])) < 2:
            # Nothing to tell apart.
            fitted.append(
                Typical(np.bincount(classes["train"][:1], minlength=2).astype(np.float64))
            )
            continue
        one = _of_classes(corpus, classes, (f"not {name}", name))
        fitted.append(options.fit(one, session.part(f"label_{column}")))
    return Labels(fitted)


def _of_classes(
    corpus: Corpus, classes: dict[str, NDArray[np.int64]], names: tuple[str, ...]
) -> Corpus:
    """Return the corpus with classes in place of its targets."""
    splits = {
        name: replace(split, targets=Targets(classes[name], names, "multiclass"))
        for name, split in corpus.splits.items()
    }
    return replace(corpus, splits=splits)
