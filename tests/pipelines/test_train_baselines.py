"""The search of every model: its rows, its MLflow runs, and what is refused before anything."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from mfm_pipeline.baselines import BASELINES
from mfm_pipeline.data import Corpus, Task
from mfm_pipeline.errors import ParameterError, TrainingError
from mfm_pipeline.evaluation import EvaluationOptions, SentimentOptions, score
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.pipelines.train_baselines import nodes
from mfm_pipeline.pipelines.train_baselines.options import BaselineSearchOptions
from mfm_pipeline.search.engine import ATTEMPTS
from mfm_pipeline.search.work import Result, Work, do
from mfm_pipeline.training import TrainingOptions
from tests.conftest import MakeCorpus, _make_corpus, kedro_run
from tests.pipelines.conftest import tracking_uri
from tests.search.stand_ins import FITS, stand_ins

__all__ = ["stand_ins"]

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
    **options: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    place.mkdir(exist_ok=True)
    return nodes.search(
        corpus,
        ModelOptions(),
        TrainingOptions(seed=3, epochs=2, resume=resume),
        EvaluationOptions(sentiment=sentiment),
        BaselineSearchOptions(**{"trials": 3, "seeds": 2, "pruning": False} | options),
        place,
    )


def timeless(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="seconds")


def test_a_row_a_fit_and_equal_trials_for_every_model(here: None, tmp_path: Path) -> None:
    trials, predictions = search(tmp_path, models="linear+other+epochs+majority")
    assert list(trials["model"].unique()) == ["majority", "linear", "other", "epochs"]
    for name, rows in trials.groupby("model"):
        numbers = [0, 1, 2, -1] if name != "majority" else [0, -1]
        assert rows["trial"].tolist() == numbers
        assert rows["final"].sum() == 2
        assert sorted(rows.loc[rows["final"], "seed"]) == [3, 4]
        assert rows.loc[rows["final"], "setting"].nunique() == 1
        # The one that is best on valid, of the first seed.
        first = rows[rows["trial"] >= 0]
        assert first.loc[first["valid/r"].idxmax(), "final"]
        # Nothing is said on test of any other.
        assert rows.loc[~rows["final"], "test/r"].isna().all()
    assert trials["label"][trials["model"] == "other"].unique().tolist() == ["Other"]
    assert len(predictions) == 4 * 2 * len(CORPUS.test)
    assert not (trials["state"] != "complete").any()
    assert trials.attrs["settings"]["baselines.trials"] == 3 and trials.attrs["seeds"] == [3, 4]


def test_scores_on_test_follow_from_the_predictions(here: None, tmp_path: Path) -> None:
    trials, predictions = search(tmp_path, models="linear")
    for row in trials[trials["final"]].itertuples():
        own = predictions[predictions["seed"] == row.seed]
        assert own["id"].tolist() == CORPUS.test.ids.tolist()
        assert np.array_equal(own["true"], CORPUS.test.targets.values[:, 0])
        expected = score(CORPUS.test.targets, own["predicted"].to_numpy()[:, None])
        assert row._asdict()[_field(trials, "test/mae")] == pytest.approx(expected["mae"], rel=1e-6)


def _field(table: pd.DataFrame, column: str) -> str:
    return f"_{list(table.columns).index(column) + 1}"


@pytest.mark.parametrize(
    ("task", "targets", "sentiment", "metric"),
    [
        ("multiclass", 1, None, "acc"),
        ("multilabel", 3, None, "acc"),
        ("regression", 1, SentimentOptions(levels=(-1, 3)), "acc_5"),
        ("regression", 1, SentimentOptions(neutral=1.0), "acc_2"),
    ],
)
def test_what_only_classifies_learns_classes(
    here: None, tmp_path: Path, make_corpus: MakeCorpus, task: Task, targets: int,
    sentiment: SentimentOptions | None, metric: str,
) -> None:  # fmt: skip
    corpus = make_corpus(task=task, targets=targets, sizes=(30, 16, 12))
    trials, predictions = search(
        tmp_path, corpus=corpus, sentiment=sentiment, models="classifier+linear"
    )
    rows = trials[trials["model"] == "classifier"]
    searched = rows[rows["trial"] >= 0]
    assert searched.loc[searched[f"valid/{metric}"].idxmax(), "final"]
    if task == "regression":
        assert rows[["valid/mae", "test/r"]].isna().all(axis=None)
        assert trials.loc[trials["model"] == "linear", "valid/mae"].notna().all()
    names = {""} if task == "multiclass" else set(corpus.test.targets.names)
    assert set(predictions["target"]) == names
    assert len(predictions) == 2 * 2 * len(corpus.test) * len(names)
    if task != "regression":
        assert set(predictions["predicted"]) <= {0.0, 1.0, 2.0}


def test_what_cannot_learn_the_task_is_a_row_that_says_so(
    here: None, tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus = make_corpus(targets=2, sizes=(30, 16, 12))
    trials, predictions = search(tmp_path, corpus=corpus, models="classifier+linear")
    (row,) = trials[trials["model"] == "classifier"].to_dict("records")
    assert row["state"] == "n/a" and not row["final"] and np.isnan(row["seconds"])
    assert set(predictions["model"]) == {"linear"}
    assert not any(label == "Classifier" for label, _, _ in FITS)
    # Nothing but such: that is a table, too.
    trials, predictions = search(tmp_path, corpus=corpus, models="classifier")
    assert trials["state"].tolist() == ["n/a"] and predictions.empty


def test_failures_stop_nothing_and_are_said(
    here: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"failing": {"limit": 0.5, "penalty": 0.1}}
    trials, _ = search(tmp_path, models="failing+linear", settings=options, trials=5)
    rows = trials[trials["model"] == "failing"]
    failed = rows[rows["state"] == "failed"]
    assert 1 <= len(failed) < 5 and len(rows) == 5 + 1
    assert failed["error"].str.startswith("LinAlgError: does not converge").all()
    assert not failed["final"].any() and rows["final"].sum() == 2
    assert f"5 trial(s), {len(failed)} failed" in caplog.text
    # One that always fails, beside one that does not.
    trials, predictions = search(tmp_path, models="failing+linear")
    assert set(predictions["model"]) == {"linear"}
    assert trials.loc[trials["model"] == "failing", "state"].tolist() == ["failed"] * 3
    with pytest.raises(TrainingError, match="no model could be fitted to corpus toy: failing: Lin"):
        search(tmp_path, models="failing")


def test_a_process_that_dies_is_tried_again_and_one_that_always_does_fails(
    stand_ins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def dies(work: Work, corpus: Corpus) -> Result:
        key = f"{work.name} {work.setting} {work.training.seed}"
        tried.append(key)
        if work.name == "other" and tried.count(key) < ATTEMPTS:
            raise BrokenProcessPool("once more")
        if work.name == "linear":
            raise BrokenProcessPool("killed")
        if work.name == "epochs":
            raise ZeroDivisionError("could not be sent")
        return do(work, corpus)

    work_here(monkeypatch, dies)
    trials, _ = search(tmp_path, models="linear+other+epochs")
    states = {name: set(rows["state"]) for name, rows in trials.groupby("model")}
    assert states == {"linear": {"failed"}, "other": {"complete"}, "epochs": {"failed"}}
    assert {tried.count(key) for key in tried if not key.startswith("epochs")} == {ATTEMPTS}
    assert {tried.count(key) for key in tried if key.startswith("epochs")} == {1}


@pytest.mark.parametrize("workers", [1, 8])
def test_wherever_it_is_broken_off_it_goes_on_to_the_same(
    stand_ins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    work_here(monkeypatch, workers=workers)
    options: dict[str, Any] = {"models": "linear+failing", "settings": {"failing": {"limit": 1.0}}}
    whole, expected = search(tmp_path / "whole", **options)
    total = len(FITS)
    for breaks in ([1, 4], [total - 1]):
        place = tmp_path / f"broken_{breaks[0]}"
        FITS.clear()
        left = 0

        def counted(work: Work, corpus: Corpus) -> Result:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return do(work, corpus)

        work_here(monkeypatch, counted, workers=workers)
        for count in breaks:
            left = count
            with pytest.raises(KeyboardInterrupt):
                search(place, resume=place.exists(), **options)
        left = 1000
        trials, predictions = search(place, resume=True, **options)
        pd.testing.assert_frame_equal(timeless(trials), timeless(whole))
        pd.testing.assert_frame_equal(predictions, expected)
        # Only what was given out and not recorded is done again.
        assert total <= len(FITS) <= total + len(breaks) * (workers - 1)


def test_what_is_finished_is_read_and_more_goes_on_from_there(here: None, tmp_path: Path) -> None:
    first, predictions = search(tmp_path, models="linear")
    FITS.clear()
    again, same = search(tmp_path, models="linear", resume=True)
    assert not FITS
    pd.testing.assert_frame_equal(again, first)
    pd.testing.assert_frame_equal(same, predictions)
    more, _ = search(tmp_path, models="linear+other", trials=5, resume=True)
    assert [label for label, _, _ in FITS].count("Other") == 6
    assert 2 <= [label for label, _, _ in FITS].count("Linear") <= 3
    FITS.clear()
    fresh, _ = search(tmp_path, models="linear+other", trials=5)
    assert len(FITS) == 12
    pd.testing.assert_frame_equal(timeless(fresh), timeless(more))


def test_other_data_or_settings_are_another_search(here: None, tmp_path: Path) -> None:
    search(tmp_path, models="linear")
    for change in (
        {"settings": {"linear": {"penalty": 2.0}}},
        {"spaces": {"linear": {"power": [1, 2]}}},
        {"corpus": _make_corpus(sizes=(30, 16, 12), seed=1)},
    ):
        FITS.clear()
        trials, _ = search(tmp_path, models="linear", resume=True, **change)
        # But for single settings that were fitted to the same data before.
        assert len(trials) == 4 and len(FITS) >= 2
        assert len(FITS) == 4 or "corpus" not in change


def test_what_test_holds_changes_no_choice(here: None, tmp_path: Path) -> None:
    trials, _ = search(tmp_path / "a", models="linear+other")
    fitted = list(FITS)
    FITS.clear()
    values = CORPUS.test.targets.values[::-1].copy()
    test = replace(CORPUS.test, targets=replace(CORPUS.test.targets, values=values))
    other = replace(CORPUS, splits={**CORPUS.splits, "test": test})
    again, _ = search(tmp_path / "b", corpus=other, models="linear+other")
    assert fitted == FITS
    kept = [column for column in trials if not column.startswith("test/")]
    pd.testing.assert_frame_equal(timeless(again[kept]), timeless(trials[kept]))
    assert (again["test/r"].dropna() != trials["test/r"].dropna()).all()


def test_studies_in_a_database_of_the_user_s(here: None, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/mine.db"
    place = tmp_path / "place"
    whole, _ = search(place, models="epochs", storage=storage, pruning=True, trials=4)
    assert [path.name for path in place.iterdir() if path.suffix == ".db"] == []
    FITS.clear()
    again, _ = search(place, models="epochs", storage=storage, pruning=True, trials=4, resume=True)
    assert not FITS
    pd.testing.assert_frame_equal(again, whole)


@pytest.mark.parametrize("storage", ["sqlite:////nowhere/at/all.db", "nonsense", "nonsense://x/y"])
def test_a_database_that_cannot_be_reached(here: None, tmp_path: Path, storage: str) -> None:
    with pytest.raises(ParameterError) as caught:
        search(tmp_path, models="linear", storage=storage)
    assert str(caught.value).startswith(f"baselines.storage is {storage}: ")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert not FITS


# MLflow.


@pytest.fixture
def tracked(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[Run]]]:
    """Open a run, as the pipeline does; yield what returns the ones inside it."""
    shutil.copy(finished / "mlflow.db", tmp_path)  # A new one takes seconds.
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_experiment("baselines")
    with mlflow.start_run() as run:
        query = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
        yield lambda: mlflow.search_runs(filter_string=query, output_format="list")


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


# As a user has it.


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": "tfn+nonsense"}, "'nonsense' is none; expected among majority, "),
        ({"models": ""}, "'' is none; expected among majority, "),
        ({"models": []}, "models is []: "),
        ({"settings": {"nonsense": {}}}, "'nonsense' is none; expected among majority, "),
        ({"spaces": {"nonsense": {}}}, "'nonsense' is none; expected among majority, "),
        ({"settings": {"linear": {"penalti": 1}}}, "did you mean 'penalty'?"),
        ({"settings": {"linear": {"penalty": -1}}}, "linear: penalty is -1: "),
        ({"spaces": {"linear": {"penalti": [1]}}}, "'penalti' is none; it has penalty, "),
        ({"spaces": {"linear": {"power": [1, 9]}}}, "linear: power is 9: "),
        ({"spaces": {"linear": {"penalty": {"low": -1, "high": 1}}}}, "linear: penalty is -1: "),
        ({"spaces": {"linear": {"penalty": {"low": 2, "high": 1}}}}, "high is 1; expected at leas"),
        ({"spaces": {"linear": {"penalty": 3}}}, "spaces.linear.penalty"),
        ({"workers": 0}, "workers is 0: expected 1 or more, or auto"),
        ({"trials": 0}, "trials is 0: "),
        ({"minutes": 0}, "minutes is 0: "),
        ({"seeds": 0}, "seeds is 0: "),
    ],
)
def test_what_is_not_allowed_is_said_in_one_line(
    stand_ins: None, given: dict[str, Any], said: str
) -> None:
    if "tfn" in str(given) and "tfn" not in BASELINES:
        given = {"models": str(given["models"]).replace("tfn", "linear")}
    with pytest.raises(ParameterError) as caught:
        BaselineSearchOptions(**given)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_models_are_named_shortly_and_come_in_the_order_of_all_tables() -> None:
    assert BaselineSearchOptions(models="all").models == tuple(BASELINES)
    assert BaselineSearchOptions(models="mfm+ridge+majority").models == ("majority", "ridge", "mfm")
    assert BaselineSearchOptions(models=["ridge", "ridge"]).models == ("ridge",)


MODELS = "models=ridge+rf,baselines.trials=2,baselines.seeds=2,training.epochs=2"
SETTINGS = "baselines.settings.rf.trees=400"
TABLE = "data/07_model_output/sample/baseline_trials.csv"
STATES = "data/06_models/sample/baselines"


def start(project: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "kedro", "run", "--pipeline=train_baselines"]
    command += ["--nodes=baselines.search", f"--params={','.join((MODELS, SETTINGS, *more))}"]
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return subprocess.Popen(
        command,
        cwd=project,
        env=environment | {"DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def processes_of(session: int) -> list[str]:
    listed = subprocess.run(["ps", "-o", "args=", "-s", str(session)], capture_output=True)
    return listed.stdout.decode().splitlines()


def test_killed_and_resumed(
    finished: Path, make_project: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With SIGKILL, while processes are at work: none is left, and no fit is done twice."""
    project = make_project()
    shutil.copytree(finished / "data/05_model_input", project / "data/05_model_input")
    shutil.copy(finished / "mlflow.db", project)
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(project))
    process = start(project)
    deadline = time.monotonic() + 120
    while not list((project / STATES).glob("*/result.json")):
        assert process.poll() is None, "the search ended before it could be killed"
        assert time.monotonic() < deadline, "nothing was fitted"
        time.sleep(0.01)
    # Meanwhile no other run may work there.
    other = kedro_run("--pipeline=train_baselines", f"--params={MODELS}")
    assert other.exit_code == 1
    assert "another run is at work there; expected one at a time" in other.output
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in (project / STATES).glob("*/result.json")}
    assert not (project / TABLE).exists()
    while processes_of(process.pid):
        assert time.monotonic() < deadline, "processes outlive the search"
        time.sleep(0.05)

    work_here(monkeypatch)
    arguments = ("--pipeline=train_baselines", "--nodes=baselines.search")
    resumed = kedro_run(*arguments, f"--params={MODELS},{SETTINGS},resume=true")
    assert resumed.exit_code == 0, resumed.output
    assert (
        before.items()
        <= {
            path: path.stat().st_mtime_ns for path in (project / STATES).glob("*/result.json")
        }.items()
    )
    table = timeless(pd.read_csv(project / TABLE))
    whole = kedro_run(*arguments, f"--params={MODELS},{SETTINGS}")
    assert whole.exit_code == 0, whole.output
    pd.testing.assert_frame_equal(timeless(pd.read_csv(project / TABLE)), table)
    assert table["model"].value_counts().to_dict() == {"ridge": 3, "rf": 3}
    assert not list((project / "data").rglob("*.tmp"))
