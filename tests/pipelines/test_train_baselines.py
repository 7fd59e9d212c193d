"""The search of every model: its rows, its failures, and how it goes on."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.data import Corpus, Task
from mfm_pipeline.errors import ParameterError, TrainingError
from mfm_pipeline.evaluation import SentimentOptions, score
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.search.engine import ATTEMPTS
from mfm_pipeline.search.work import Result, Work, do
from tests.conftest import MakeCorpus, _make_corpus
from tests.pipelines.baseline_search import CORPUS, here, search, timeless, work_here
from tests.search.stand_ins import FITS, stand_ins

__all__ = ["here", "stand_ins"]


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
        assert first.loc[first["valid/mae"].idxmin(), "final"]
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


def test_a_modality_that_is_not_there_is_refused_before_any_fit(here: None, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"model.reads names modality 'gaze'"):
        search(tmp_path, models="linear", model=ModelOptions(reads=("gaze",)))
    assert not FITS


def test_what_cannot_learn_the_task_is_a_row_that_says_so(
    here: None, tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus = make_corpus(targets=2, sizes=(30, 16, 12))
    trials, predictions = search(tmp_path, corpus=corpus, models="classifier+linear")
    (row,) = trials[trials["model"] == "classifier"].to_dict("records")
    assert row["state"] == "n/a" and not row["final"] and np.isnan(row["seconds"])
    assert row["error"] == "only classifies; there are 2 scores"
    assert set(predictions["model"]) == {"linear"}
    assert not any(label == "Classifier" for label, _, _ in FITS)
    with pytest.raises(
        ParameterError, match=rf"corpus {corpus.name} has: classifier only classifies; there are 2"
    ):
        search(tmp_path, corpus=corpus, models="classifier")


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
