"""One fit: whatever comes of it is a result, in the terms of the corpus's own task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from sqlalchemy.exc import OperationalError

from mfm_pipeline.baselines import Session
from mfm_pipeline.data import Corpus, Task
from mfm_pipeline.evaluation import SentimentOptions, score
from mfm_pipeline.evaluation.metrics import primary_metric
from mfm_pipeline.search.work import LONGEST_ERROR, SETTING, Place, do, scores
from tests.conftest import MakeCorpus
from tests.search.stand_ins import EpochsOptions, Linear, LinearOptions, stand_ins, work_of

pytestmark = pytest.mark.usefixtures("stand_ins")
__all__ = ["stand_ins"]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(sizes=(30, 16, 12))


@pytest.mark.parametrize("task", ["regression", "multiclass", "multilabel"])
def test_a_fit_is_scored_on_valid_and_predicts_test(make_corpus: MakeCorpus, task: Task) -> None:
    corpus = make_corpus(task=task, targets=1 if task != "multilabel" else 3)
    result = do(work_of("linear", penalty=2.0), corpus)
    assert result.state == "complete" and result.error == "" and result.seconds > 0
    assert result.predictions is not None and result.predictions.dtype == np.float32
    assert len(result.predictions) == len(corpus.test)
    assert result.valid[primary_metric(task)] > (0.5 if task == "regression" else 0.4)
    on_test = scores(work_of("linear"), corpus, "test", result.predictions)
    assert set(on_test) == set(result.valid)


def test_metrics_are_those_of_the_prediction_written_out(corpus: Corpus, tmp_path: Path) -> None:
    result = do(work_of("linear"), corpus)
    options = LinearOptions()
    x, y = options.features(corpus.train), corpus.train.targets.values
    weights = np.linalg.inv(x.T @ x + np.eye(x.shape[1])) @ x.T @ y
    weights *= 1 + 0.05 * np.random.default_rng(3).normal(size=weights.shape)
    predicted = (options.features(corpus.valid) @ weights).astype(np.float32)
    predicted[~corpus.valid.has_any_modality] = np.median(y)
    expected = score(corpus.valid.targets, predicted)
    assert result.valid["mae"] == pytest.approx(expected["mae"], rel=1e-5)
    assert result.valid["r"] == pytest.approx(expected["r"], rel=1e-5)
    assert result.parameters == weights.size


def test_what_goes_wrong_is_one_line(corpus: Corpus) -> None:
    result = do(work_of("failing"), corpus)
    assert result.state == "failed" and result.predictions is None and not result.valid
    assert result.error.startswith("LinAlgError: does not converge (stand_ins.py:")
    of_options = do(work_of("linear", penalty=-1.0), corpus)
    assert of_options.state == "failed" and "penalty is -1.0" in of_options.error
    assert "\n" not in of_options.error
    unknown = do(work_of("linear", penalti=1.0), corpus)
    assert "did you mean 'penalty'" in unknown.error


def test_a_long_error_is_cut(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: LinearOptions, *_: Any) -> None:
        raise ValueError("word " * 10_000)

    monkeypatch.setattr(LinearOptions, "fit", fails)
    error = do(work_of("linear"), corpus).error
    assert error.startswith("ValueError: word word") and len(error) <= LONGEST_ERROR


def test_predictions_that_are_no_numbers_on_valid_are_a_failure(corpus: Corpus) -> None:
    result = do(work_of("failing", how="nan"), corpus)
    bad = int(corpus.valid.has_any_modality.sum())
    assert result.state == "failed"
    assert result.error == f"{bad} prediction(s) on valid not finite"
    beyond = do(work_of("failing", how="huge"), corpus)
    assert beyond.state == "failed" and beyond.error == result.error


def test_on_test_the_trivial_prediction_stands_in_and_it_is_said(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = do(work_of("linear"), corpus)
    row = int(np.flatnonzero(corpus.test.has_any_modality)[0])
    original = LinearOptions.features

    def broken(self: LinearOptions, split: Any) -> Any:
        x = original(self, split)
        if split is corpus.test:
            x[row] = np.nan
        return x

    monkeypatch.setattr(LinearOptions, "features", broken)
    result = do(work_of("linear"), corpus)
    assert result.state == "complete" and result.valid == before.valid
    assert result.error == "1 prediction(s) on test not finite, trivial instead"
    assert result.predictions is not None and before.predictions is not None
    expected = before.predictions.copy()
    expected[row] = np.median(corpus.train.targets.values)
    found = scores(work_of("linear"), corpus, "test", result.predictions)
    assert found == pytest.approx(scores(work_of("linear"), corpus, "test", expected))


def test_a_classifier_of_a_sentiment_score_has_metrics_of_classes(corpus: Corpus) -> None:
    sentiment = SentimentOptions(levels=(-1, 3))
    work = replace(work_of("classifier"), sentiment=sentiment)
    result = do(work, corpus)
    assert result.state == "complete"
    assert set(result.valid) == {"acc_5", "acc_2", "f1", "acc_2_nonzero", "f1_nonzero"}
    assert result.predictions is not None
    assert set(np.unique(result.predictions)) <= {-1.0, 0.0, 1.0, 2.0, 3.0}
    # Against the accuracy of levels, written out.
    true = np.clip(np.round(corpus.test.targets.values), -1, 3)
    on_test = scores(work, corpus, "test", result.predictions)
    assert on_test["acc_5"] == pytest.approx(np.mean(result.predictions == true))


def test_a_classifier_learns_labels_one_by_one(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(task="multilabel", targets=3)
    result = do(work_of("classifier"), corpus)
    assert result.predictions is not None and result.predictions.shape == (len(corpus.test), 3)
    assert result.valid["acc"] > 0.6 and "acc/target_2" in result.valid


def test_a_classifier_cannot_do_other_regressions(make_corpus: MakeCorpus) -> None:
    result = do(work_of("classifier"), make_corpus(targets=2))
    assert result.state == "failed"
    assert result.error.endswith("Classifier only classifies; there are 2 scores")


def test_out_of_time_is_recorded(corpus: Corpus) -> None:
    result = do(replace(work_of("epochs"), seconds=1e-9), corpus)
    assert (result.state, result.error) == ("pruned", "out of time")
    assert do(replace(work_of("epochs"), seconds=1e9), corpus).state == "complete"


def test_without_its_database_a_trial_runs_to_its_end(corpus: Corpus, tmp_path: Path) -> None:
    place = Place(f"sqlite:///{tmp_path}/elsewhere.db", "epochs", 0, warm_up=0)
    assert do(replace(work_of("epochs"), place=place), corpus).state == "complete"
    assert not list(tmp_path.iterdir())


def beside(storage: str, *others: float) -> tuple[optuna.Study, Place]:
    """Return a study with trials of these scores, and the place of another one in it."""
    study = optuna.create_study(storage=storage, study_name="one", direction="maximize")
    for value in others:
        other = study.ask()
        for epoch in range(6):
            other.report(value, epoch)
        study.tell(other, value)
    trial = study.ask()
    trial.set_user_attr(SETTING, {})
    return study, Place(storage, "one", trial._trial_id, warm_up=2)


def test_a_trial_that_others_are_far_ahead_of_is_pruned(corpus: Corpus, tmp_path: Path) -> None:
    study, place = beside(f"sqlite:///{tmp_path}/studies.db", 1e6, 2e6, 3e6)
    result = do(replace(work_of("epochs"), place=place), corpus)
    assert (result.state, result.error) == ("pruned", "")
    assert study.trials[3].intermediate_values == {2: -0.5}


@pytest.mark.parametrize(("early", "state"), [(0.1, "complete"), (0.6, "pruned")])
def test_what_was_best_early_is_what_counts(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early: float, state: str
) -> None:
    """As of its epochs the best one is kept."""

    def fit(self: EpochsOptions, corpus: Corpus, session: Session) -> Linear:
        assert session.after_epoch is not None
        for cost in (0.9, early, 0.7, 0.8, 0.9, 0.9):
            session.after_epoch({"valid/task": cost})
        return LinearOptions().fit(corpus, session)

    monkeypatch.setattr(EpochsOptions, "fit", fit)
    _, place = beside(f"sqlite:///{tmp_path}/studies.db", -0.5, -0.5, -0.5)
    assert do(replace(work_of("epochs"), place=place), corpus).state == state


def test_one_of_several_trainings_is_stopped_by_the_clock_alone(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = EpochsOptions.fit
    monkeypatch.setattr(
        EpochsOptions, "fit", lambda self, corpus, session: fit(self, corpus, session.part("a"))
    )
    study, place = beside(f"sqlite:///{tmp_path}/studies.db", 1e6, 2e6, 3e6)
    work = replace(work_of("epochs"), place=place)
    assert do(work, corpus).state == "complete"
    assert not study.trials[3].intermediate_values
    assert do(replace(work, seconds=1e-9), corpus).error == "out of time"


def test_nothing_is_left_in_temporary_folders(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("linear", "failing", "epochs"):
        do(replace(work_of(name), seconds=1e-9), corpus)
    assert not list(tmp_path.iterdir())


def test_what_cannot_predict_test_is_judged_by_valid_all_the_same(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = do(work_of("linear"), corpus)
    predict = Linear.predict

    def breaks(self: Linear, split: Any) -> Any:
        if split is corpus.test:
            raise ValueError("an odd sample")
        return predict(self, split)

    monkeypatch.setattr(Linear, "predict", breaks)
    found = do(work_of("linear"), corpus)
    assert found.state == "complete" and found.valid == expected.valid
    assert "on test not finite, trivial instead: ValueError: an odd sample" in found.error


def test_a_database_that_is_no_longer_this_search_s_costs_pruning_alone(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is: the fit itself comes out as without one."""
    storage = f"sqlite:///{tmp_path}/studies.db"
    study = optuna.create_study(storage=storage, study_name="one", direction="maximize")
    ended, foreign = study.ask(), study.ask()
    study.tell(ended, 1.0)
    foreign.set_user_attr(SETTING, {"of": "another search"})
    places = [
        Place(storage, "another", 0, 0),
        Place(storage, "one", ended._trial_id, 0),
        Place(storage, "one", foreign._trial_id, 0),
        Place(storage, "one", 99, 0),
        Place("postgresql://nobody@127.0.0.1:1/nothing", "one", 0, 0),
    ]
    alone = do(work_of("epochs"), corpus)
    for place in places:
        found = do(replace(work_of("epochs"), place=place), corpus)
        assert (found.state, found.error) == ("complete", ""), place
        assert found.valid == alone.valid
    assert not study.trials[foreign.number].intermediate_values
    # Lost midway.
    own = study.ask()
    own.set_user_attr(SETTING, dict(work_of("epochs").setting))

    def breaks(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr(optuna.Trial, "report", breaks)
    found = do(replace(work_of("epochs"), place=Place(storage, "one", own._trial_id, 0)), corpus)
    assert (found.state, found.error) == ("complete", "")
