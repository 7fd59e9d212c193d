"""A search whose work is done in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions, SentimentOptions
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.pipelines.train_baselines import nodes
from mfm_pipeline.pipelines.train_baselines.options import BaselineSearchOptions
from mfm_pipeline.search.work import Result, Work, do
from mfm_pipeline.training import TrainingOptions
from tests.conftest import _make_corpus

CORPUS = _make_corpus(sizes=(30, 16, 12))
Do = Callable[[Work, Corpus], Result]


class Here:
    """Does work in this process, so many pieces side by side."""

    workers = 2

    def __init__(self, corpus: Corpus, work: Do = do) -> None:
        self.corpus, self.work, self.most, self.open = corpus, work, 0, 0

    def submit(self, work: Work) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(self.work(work, self.corpus))
        except (BrokenProcessPool, ZeroDivisionError) as error:
            future.set_exception(error)
        return future

    def lost(self, error: BaseException) -> bool:
        return isinstance(error, BrokenProcessPool)

    def check(self) -> None: ...


def work_here(patch: pytest.MonkeyPatch, work: Do = do, workers: int = 2) -> None:
    @contextmanager
    def here(corpus: Corpus, *_: Any) -> Iterator[Here]:
        engine = Here(corpus, work)
        engine.workers = workers
        yield engine

    patch.setattr(nodes, "engine", here)


@pytest.fixture
def here(stand_ins: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register stand-ins, and do all work in this process."""
    work_here(monkeypatch)


def search(
    place: Path,
    *,
    corpus: Corpus = CORPUS,
    resume: bool = False,
    sentiment: SentimentOptions | None = None,
    model: ModelOptions = ModelOptions(),  # noqa: B008
    **options: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    place.mkdir(exist_ok=True)
    return nodes.search(
        corpus,
        model,
        TrainingOptions(seed=3, epochs=2, resume=resume),
        EvaluationOptions(sentiment=sentiment),
        BaselineSearchOptions(**{"trials": 3, "seeds": 2, "pruning": False} | options),
        place,
    )


def timeless(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="seconds")
