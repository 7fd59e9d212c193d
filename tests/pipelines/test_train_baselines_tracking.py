"""Where a search is kept: studies in a database, fits as MLflow runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pandas as pd
import pytest
from mlflow.entities import Run

from mfm_pipeline.data import Corpus
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.evaluation import EvaluationOptions, SentimentOptions
from mfm_pipeline.options import flatten, without_password
from mfm_pipeline.pipelines.train_baselines.comparison import compare
from mfm_pipeline.pipelines.train_baselines.options import (
    BaselineComparisonOptions,
    BaselineSearchOptions,
)
from mfm_pipeline.search.work import Result, Work, do
from tests.conftest import MakeCorpus
from tests.pipelines.baseline_search import here, search, timeless, work_here
from tests.pipelines.baseline_tables import searched
from tests.search.stand_ins import FITS, stand_ins

__all__ = ["here", "stand_ins"]


def test_studies_in_a_database_of_the_user_s(here: None, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/mine.db"
    place = tmp_path / "place"
    whole, _ = search(place, models="epochs", storage=storage, pruning=True, trials=4)
    assert [path.name for path in place.iterdir() if path.suffix == ".db"] == []
    FITS.clear()
    again, _ = search(place, models="epochs", storage=storage, pruning=True, trials=4, resume=True)
    assert not FITS
    pd.testing.assert_frame_equal(again, whole)


def test_searches_in_one_database_do_not_meet(here: None, tmp_path: Path) -> None:
    """Of the same corpus and settings in two folders: neither takes, ends or removes a study."""
    storage = f"sqlite:///{tmp_path}/shared.db"
    first, _ = search(tmp_path / "a", models="epochs", storage=storage)
    names = set(optuna.get_all_study_names(storage))
    study = optuna.load_study(study_name=next(iter(names)), storage=storage)
    open_one = study.ask()
    for resume in (True, False):
        other, _ = search(tmp_path / "b", models="epochs", storage=storage, resume=resume)
        pd.testing.assert_frame_equal(timeless(other), timeless(first))
    assert names < set(optuna.get_all_study_names(storage))
    assert study.trials[open_one.number].state.name == "RUNNING"
    FITS.clear()
    again, _ = search(tmp_path / "a", models="epochs", storage=storage, resume=True)
    assert not FITS
    pd.testing.assert_frame_equal(again, first)


@pytest.mark.parametrize("storage", ["sqlite:////nowhere/at/all.db", "nonsense", "nonsense://x/y"])
def test_a_database_that_cannot_be_reached(here: None, tmp_path: Path, storage: str) -> None:
    with pytest.raises(ParameterError) as caught:
        search(tmp_path, models="linear", storage=storage)
    assert str(caught.value).startswith(f"baselines.storage is {storage}: ")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert not FITS


@pytest.mark.parametrize("typo", ["cluster", "storage"])
def test_a_wrong_address_costs_nothing_that_was_finished(
    stand_ins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typo: str
) -> None:
    with monkeypatch.context() as patch:
        work_here(patch)
        search(tmp_path, models="linear")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) > 2
    with pytest.raises(ParameterError, match=f"baselines.{typo} is nonsense://x:1: "):
        search(tmp_path, models="linear", **{typo: "nonsense://x:1"})
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_a_password_is_not_said(here: None, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"nonsense://me:\*\*\*@host/x: ") as caught:
        search(tmp_path, models="linear", storage="nonsense://me:hunter2@host/x")
    assert "hunter2" not in str(caught.value)
    options = BaselineSearchOptions(storage="postgresql://me:hunter2@host:5432/x")
    shown = dict(flatten("baselines", options))
    assert shown["baselines.storage"] == "postgresql://me:***@host:5432/x"
    assert options.storage == "postgresql://me:hunter2@host:5432/x"
    for same in ("sqlite:///a/b@c:d.db", "postgresql://me@host/x", "a: b @ c", "tcp://host:8786"):
        assert without_password(same) == same


@pytest.fixture
def tracked(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[Run]]]:
    """Open a run, as the pipeline does; yield what returns the ones inside it."""
    shutil.copy(finished / "mlflow.db", tmp_path)  # A new one takes seconds.
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run(experiment_id="0") as run:
        query = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
        yield lambda: mlflow.search_runs(["0"], query, output_format="list")


def test_every_fit_is_a_run_inside_the_one_of_the_search(
    stand_ins: None,
    tracked: Callable[[], list[Run]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work_here(monkeypatch)
    options: dict[str, Any] = {
        "models": "linear+failing",
        "settings": {"failing": {"limit": 0.5, "penalty": 0.1}},
        "trials": 5,
    }
    place = tmp_path / "place"
    trials, _ = search(place, **options)
    runs = {run.info.run_name: run for run in tracked()}
    assert len(runs) == len(tracked()) == len(trials) == 12
    for row in trials.to_dict("records"):
        what = f"trial {row['trial']}" if row["trial"] >= 0 else f"seed {row['seed']}"
        run = runs[f"{row['model']}, {what}"]
        data = run.data
        assert run.info.status == ("FAILED" if row["state"] == "failed" else "FINISHED")
        assert data.tags["state"] == row["state"] and data.tags.get("error", "") == row["error"]
        for name, value in json.loads(row["setting"]).items():
            assert data.params[f"setting.{name}"] == str(value)
        assert data.params["seed"] == str(row["seed"])
        assert data.metrics["seconds"] == row["seconds"]
        if row["state"] == "complete":
            assert data.metrics["valid/r"] == row["valid/r"]
            assert data.metrics["parameters"] == row["parameters"]
        assert not any(key.startswith("test/") for key in data.metrics)
    # Once each, though the search is broken off after any of them; what a kill left half is not.
    half = mlflow.MlflowClient().create_run(
        run.info.experiment_id, tags={"mlflow.parentRunId": run.data.tags["mlflow.parentRunId"]}
    )
    search(place, resume=True, **options)
    assert len(tracked()) == 12 and half.info.run_id not in {r.info.run_id for r in tracked()}


def test_a_fit_that_is_done_again_has_the_run_of_its_end(
    stand_ins: None,
    tracked: Callable[[], list[Run]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = Result("failed", 0.0, error="BrokenProcessPool: it died", lost=True)

    def breaks(work: Work, corpus: Corpus) -> Result:
        return lost if work.setting["power"] > 1 else do(work, corpus)

    with monkeypatch.context() as patch:
        work_here(patch, breaks)
        search(tmp_path / "place", models="linear", trials=6)
    assert {run.info.status for run in tracked()} == {"FAILED", "FINISHED"}
    work_here(monkeypatch)
    trials, _ = search(tmp_path / "place", models="linear", trials=6, resume=True)
    assert set(trials["state"]) == {"complete"} and len(trials) == 7
    by_name = {run.info.run_name: run for run in tracked()}
    assert len(by_name) == len(tracked()) >= 7
    for row in trials[trials["trial"] >= 0].to_dict("records"):
        run = by_name[f"linear, trial {row['trial']}"]
        assert run.info.status == "FINISHED" and run.data.metrics["valid/r"] == row["valid/r"]


def test_the_run_of_the_search_has_the_score_of_every_model(
    tracked: Callable[[], list[Run]], make_corpus: MakeCorpus
) -> None:
    corpus = make_corpus()
    sentiment = EvaluationOptions(sentiment=SentimentOptions())
    noise = {"rf": 2.0, "hcrf": 1.0, "tfn": 1.0, "mfm": 1.0}
    trials, predictions = searched(
        corpus, noise, evaluation=sentiment, classify=("hcrf",), failed=("tfn",)
    )
    options = BaselineComparisonOptions(resamples=100)
    table = compare(trials, predictions, corpus, sentiment, options).set_index("model")
    run = mlflow.active_run()
    assert run is not None
    assert mlflow.get_run(run.info.run_id).data.metrics == {
        "test/r/rf": table.at["rf", "r"],
        "test/acc_2/hcrf": table.at["hcrf", "acc_2"],
        "test/r/mfm": table.at["mfm", "r"],
    }
