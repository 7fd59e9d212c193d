"""Models of the comparison that take milliseconds: what they cost is set by their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.storages import InMemoryStorage
from pydantic import Field

from mfm_pipeline.baselines import BASELINES, BaselineOptions, Choice, Range, Session, Space
from mfm_pipeline.baselines.base import CLASSES
from mfm_pipeline.baselines.criterion import Criterion
from mfm_pipeline.baselines.statistics import early_fused
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.search.results import ResultStore
from mfm_pipeline.search.study import Budget, Fit, ModelSearch
from mfm_pipeline.search.work import Result, Work, do
from mfm_pipeline.training import TrainingOptions

FITS: list[tuple[str, Mapping[str, Any], int]] = []
"""Models, settings and seeds in the order that they were fitted in this process."""


class LinearOptions(BaselineOptions):
    """Penalised least squares on early fused statistics, each weight a little off by the seed."""

    label: ClassVar[str] = "Linear"
    family: ClassVar[str] = "classical"
    space: ClassVar[Space] = {
        "penalty": Range(low=0.01, high=1000.0, log=True),
        "intercept": Choice(of=(True, False)),
        "power": Range(low=1, high=3),
    }
    penalty: float = Field(1.0, gt=0)
    intercept: bool = True
    power: int = Field(1, ge=1, le=3)

    def fit(self, corpus: Corpus, session: Session) -> Linear:
        FITS.append((self.label, self.model_dump(), session.seed))
        x = self.features(corpus.train)
        y = corpus.train.targets.values
        if corpus.train.targets.task == "multiclass":
            y = np.eye(len(corpus.train.targets.names))[y]
        weights = np.linalg.solve(x.T @ x + self.penalty * np.eye(x.shape[1]), x.T @ y)
        noise = np.random.default_rng(session.seed).normal(size=weights.shape)
        return Linear(self, weights * (1 + 0.05 * noise))

    def features(self, split: Split) -> NDArray[np.float64]:
        x = early_fused(split) ** self.power
        return np.column_stack([x, np.ones(len(x))]) if self.intercept else x


@dataclass(frozen=True, eq=False)
class Linear:
    options: LinearOptions
    weights: NDArray[np.float64]

    @property
    def parameters(self) -> int:
        return self.weights.size

    def predict(self, split: Split) -> NDArray[np.float64]:
        return self.options.features(split) @ self.weights


class ClassifierOptions(LinearOptions):
    """The same, of classes alone."""

    label: ClassVar[str] = "Classifier"
    tasks: ClassVar = CLASSES


class OtherOptions(LinearOptions):
    """The same by another name."""

    label: ClassVar[str] = "Other"


class EpochsOptions(LinearOptions):
    """Tells costs of epochs, which are the worse the higher `cost` is."""

    label: ClassVar[str] = "Epochs"
    space: ClassVar[Space] = {"cost": Range(low=0.0, high=1.0)}
    cost: float = 0.5

    def fit(self, corpus: Corpus, session: Session) -> Linear:
        for _ in range(session.training.epochs):
            if session.after_epoch is not None:
                session.after_epoch({"valid/task": self.cost})
        return super().fit(corpus, session)


class FailingOptions(LinearOptions):
    """Cannot be fitted with a penalty above `limit`; `how` says what becomes of it."""

    label: ClassVar[str] = "Failing"
    limit: float = 0.0
    how: str = "raises"

    def fit(self, corpus: Corpus, session: Session) -> Linear:
        fitted = super().fit(corpus, session)
        if self.penalty <= self.limit:
            return fitted
        if self.how == "raises":
            raise np.linalg.LinAlgError("does not\nconverge")
        return Linear(self, fitted.weights * {"nan": np.nan, "huge": 1e300}[self.how])


STAND_INS = {
    "linear": LinearOptions,
    "classifier": ClassifierOptions,
    "other": OtherOptions,
    "epochs": EpochsOptions,
    "failing": FailingOptions,
}


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register them, and forget what was fitted before."""
    FITS.clear()
    for name, method in STAND_INS.items():
        monkeypatch.setitem(BASELINES, name, method)


TRAINING = TrainingOptions(seed=3, epochs=6)


def work_of(name: str, **setting: Any) -> Work:
    return Work(name, setting, TRAINING, ModelOptions())


def in_memory() -> optuna.Study:
    return optuna.create_study(storage=InMemoryStorage(), direction="maximize")


def search_of(
    name: str,
    folder: Path,
    study: optuna.Study | None = None,
    *,
    trials: int = 5,
    seeds: int = 3,
    minutes: float = 10.0,
    storage: str | None = None,
    metric: str = "r",
    **setting: Any,
) -> ModelSearch:
    """Return the search of a stand-in; with a storage, its trials can be pruned."""
    method = STAND_INS[name]
    return ModelSearch(
        work_of(name),
        method(**setting),
        method.space,
        Budget(trials, minutes, seeds, pruning=storage is not None),
        criterion=Criterion((metric,)),
        study=study or in_memory(),
        storage=storage or "",
        results=ResultStore(folder, "data"),
    )


def run(search: ModelSearch, fit: Callable[[Work], Result], most: int | None = None) -> None:
    """Do what a search asks for, one by one, to its end or so many fits."""
    while most != 0 and (asked := search.next()) is not None:
        search.record(asked, fit(asked.work))
        most = None if most is None else most - 1


def told(search: ModelSearch) -> list[tuple[Any, ...]]:
    """Return what came of a search, but for the time that it took."""
    return [_told(fit, result) for fit, result in search.done]


def _told(fit: Fit, result: Result) -> tuple[Any, ...]:
    predictions = None if result.predictions is None else result.predictions.tobytes()
    seed = fit.work.training.seed
    return (
        fit.trial, seed, dict(fit.work.setting), result.state, result.error, result.parameters,
        dict(result.valid), predictions,
    )  # fmt: skip


def fitted_on(corpus: Corpus) -> Callable[[Work], Result]:
    return lambda work: do(work, corpus)
