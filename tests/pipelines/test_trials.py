"""Comparisons of models: choices by validation alone, and what is broken off goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.data import Corpus
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.evaluation import EvaluationOptions, SentimentOptions
from mfm_pipeline.models import Inputs, ModelOptions
from mfm_pipeline.pipelines import comparing, trials
from mfm_pipeline.pipelines.compare_digits import nodes
from mfm_pipeline.pipelines.comparing import ComparisonOptions
from mfm_pipeline.pipelines.trials import Trial, fingerprint
from mfm_pipeline.training import TrainingOptions
from tests.conftest import ROOT
from tests.models.image_samples import SMALL, mixed_corpus


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, finished: Path) -> str:
    """Return the URI of an MLflow file; a new one takes ten seconds, a copy none."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    shutil.copy(finished / "mlflow.db", path)
    return f"sqlite:///{path}"


@pytest.fixture
def tracked(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Open a run, as the pipeline does, and yield its id."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(database)
    mlflow.set_experiment("comparison")
    with mlflow.start_run() as run:
        yield run.info.run_id


CORPUS = mixed_corpus("multiclass", sizes=(40, 20, 20))
COMPARISON = ComparisonOptions(seeds=1)
"""One training a model."""


def compare(
    place: Path,
    *,
    corpus: Corpus = CORPUS,
    comparison: ComparisonOptions = COMPARISON,
    model: Mapping[str, Any] = SMALL,
    **training: Any,
) -> pd.DataFrame:
    options = TrainingOptions.model_validate({"epochs": 2, "batch_size": 16} | training)
    return nodes.compare(
        corpus,
        ModelOptions.model_validate(model),
        options,
        EvaluationOptions(),
        comparison,
        place,
    )


def without_times(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="seconds")


def count_trainings(patch: pytest.MonkeyPatch, fails_at: int | None = None) -> list[str]:
    """Count trainings, and let that of a number break off after an epoch."""
    original, seen = trials.fit, []

    def counted(corpus: Corpus, model: ModelOptions, training: TrainingOptions, place: Path) -> Any:
        seen.append(place.name)
        if len(seen) == fails_at:
            original(corpus, model, training.model_copy(update={"epochs": 1}), place)
            raise KeyboardInterrupt
        return original(corpus, model, training, place)

    patch.setattr(trials, "fit", counted)
    return seen


@pytest.fixture(scope="module")
def whole(database: str, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return the table of a comparison that ran without a break."""
    mlflow.set_tracking_uri(database)
    mlflow.set_experiment("whole comparison")
    with mlflow.start_run():
        return compare(tmp_path_factory.mktemp("trials"))


def test_what_was_broken_off_goes_on(
    whole: pd.DataFrame, tracked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        before = count_trainings(patch, fails_at=3)
        with pytest.raises(KeyboardInterrupt):
            compare(tmp_path)
    assert len(list(tmp_path.glob("*/result.json"))) == 2
    after = count_trainings(monkeypatch)
    table = compare(tmp_path, resume=True)
    assert len(whole) == 4 and len(after) == 4 - 2
    assert after[0] == before[2], "the broken training does not go on"
    assert not set(after) & set(before[:2])
    pd.testing.assert_frame_equal(without_times(table), without_times(whole))
    runs = mlflow.search_runs(
        filter_string=f"tags.`mlflow.parentRunId` = '{tracked}'", output_format="list"
    )
    assert len(runs) == 4 and {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "train/loss")
        assert [metric.step for metric in history] == [0, 1]
    # Nothing but results is kept.
    assert {path.name for path in tmp_path.glob("*/*")} == {"result.json", "run.json"}


def test_without_resume_nothing_of_an_earlier_comparison_counts(
    tracked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = 1

    def scored(
        trial: Trial, corpus: Corpus, batch_size: int, sentiment: None, place: Path
    ) -> dict[str, Any]:
        if (trial.name, version) == ("MM", 2):
            raise KeyboardInterrupt
        run = mlflow.active_run()
        assert run is not None
        (place / run.info.run_id).mkdir()
        return {"seconds": 0.0, "valid/acc": 0.5, "test/acc": version}

    monkeypatch.setattr(trials, "_train_and_score", scored)
    assert compare(tmp_path)["test/acc"].tolist() == [1] * 4
    version = 2
    with pytest.raises(KeyboardInterrupt):
        compare(tmp_path)
    version = 3
    assert compare(tmp_path, resume=True)["test/acc"].tolist() == [2, 2, 3, 3]
    version = 4
    assert compare(tmp_path)["test/acc"].tolist() == [4] * 4


KILLED = """
import sys
from pathlib import Path
import mlflow
from tests.pipelines.test_trials import compare
uri, run_id, place = sys.argv[1:]
mlflow.set_tracking_uri(uri)
with mlflow.start_run(run_id):
    compare(Path(place))
"""


def test_killed_and_resumed(
    whole: pd.DataFrame,
    database: str,
    tracked: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, database, tracked, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/result.json")) or not list(tmp_path.glob("*/*/last.ckpt")):
        assert process.poll() is None, "the comparison ended before it could be killed"
        assert time.monotonic() < deadline, "no trial was finished"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = {path.parent.name for path in tmp_path.glob("*/result.json")}
    assert 1 <= len(finished) < 4
    seen = count_trainings(monkeypatch)
    table = compare(tmp_path, resume=True)
    assert not finished & set(seen) and len(seen) == 4 - len(finished)
    pd.testing.assert_frame_equal(without_times(table), without_times(whole))
    assert {path.name for path in tmp_path.glob("*/*")} == {"result.json", "run.json"}


def test_states_that_a_kill_left_beside_a_result_are_removed(tracked: str, tmp_path: Path) -> None:
    trial = Trial("MM", ModelOptions.model_validate(SMALL), TrainingOptions(resume=True))
    (tmp_path / "states").mkdir()
    (tmp_path / "result.json").write_text('{"valid/acc": 0.5}')
    assert trials.run_trial(trial, CORPUS, 16, tmp_path) == {"valid/acc": 0.5}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_what_a_model_generates_is_measured(tracked: str, tmp_path: Path) -> None:
    corpus = mixed_corpus(sizes=(40, 20, 20))
    trial = Trial(
        "MFM", ModelOptions.model_validate(SMALL), TrainingOptions(epochs=1, batch_size=16)
    )
    sentiment = SentimentOptions(levels=(-1, 1))
    found = trials.run_trial(trial, corpus, 7, tmp_path / "a", sentiment=sentiment)
    assert {"valid/acc_3", "test/acc_3", "test/acc_2", "test/r"} <= set(found)
    model = trials.fit(corpus, trial.model, trial.training, tmp_path / "b").model
    inputs = Inputs.from_split(corpus.test).gather()
    made = model(inputs).reconstructions
    for name, modality in corpus.test.modalities.items():
        errors = []
        for row in np.flatnonzero(modality.present):
            error = (made[name][row] - inputs.values[name][row]).detach().numpy()
            seen = error if modality.steps is None else error[inputs.steps[name][row].numpy()]
            errors.append(np.mean(seen.astype(np.float64) ** 2))
        assert found[f"test/mse/{name}"] == pytest.approx(np.mean(errors), rel=1e-5)


def fake_results(
    patch: pytest.MonkeyPatch, valid: Mapping[tuple[str, float], float]
) -> list[Trial]:
    """Let trials score as said on valid, and on test the opposite."""
    seen: list[Trial] = []

    def scored(trial: Trial, *_: Any, **__: Any) -> dict[str, Any]:
        seen.append(trial)
        accuracy = valid[trial.name, trial.training.learning_rate]
        return {
            **{"parameters": 1, "epochs": 1, "seconds": 0.0},
            **{"valid/acc": accuracy, "valid/f1": 0.0},
            **{"test/acc": 1 - accuracy, "test/f1": 1.0},
        }

    patch.setattr(comparing, "run_trial", scored)
    return seen


def test_the_best_setting_is_chosen_by_validation_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = (0.1, 0.2, 0.3)
    accuracies = {
        "UM(picture)": (0.1, 0.9, 0.5),
        "UM(speech)": (0.4, 0.4, 0.3),
        "MM": (0.0, 0.0, 0.6),
        "MFM": (0.8, 0.7, 0.6),
    }
    valid = {
        (name, rate): accuracy
        for name, by_rate in accuracies.items()
        for rate, accuracy in zip(rates, by_rate, strict=True)
    }
    trained = fake_results(monkeypatch, valid)
    comparison = ComparisonOptions.model_validate(
        {"settings": [{"learning_rate": rate} for rate in rates], "seeds": 4}
    )
    fusion = {"hidden": 8, "channels": [4, 5], "modality_dropout": 0.3}
    generating = {"noise": 0.4, "joint_prior": True, "kernel": "multiquadric"}
    model = SMALL | generating | {"fusion_options": {"late_fusion": fusion}}
    table = compare(tmp_path, comparison=comparison, model=model, seed=5)
    final = table[table["final"]]
    chosen = final.groupby("model", sort=False)["learning_rate"].unique().map(list).to_dict()
    # The first of equals; the order is that of the models.
    assert chosen == {
        "UM(picture)": [0.2], "UM(speech)": [0.1], "MM": [0.3], "MFM": [0.1]
    }  # fmt: skip
    for name, own in table.groupby("model"):
        assert own["seed"].tolist() == [5, 5, 5, 6, 7, 8], name
        assert own[own["final"]]["seed"].tolist() == [5, 6, 7, 8]
    assert Counter(trial.name for trial in trained) == dict.fromkeys(chosen, 6)
    # Nothing of what they lack disturbs them, nor tells them apart.
    plain = ModelOptions().model_dump()
    unused = ("generative", "reconstruction", "noise", "joint_prior", "kernel")
    discriminative = {
        **model,
        **{name: plain[name] for name in unused},
        "generates": (),
        "prior_weight": 0.0,
        "fusion_options": {"late_fusion": fusion | {"modality_dropout": 0.0}},
    }
    for trial in trained:
        expected = {
            "UM(picture)": {**discriminative, "reads": ["picture"]},
            "UM(speech)": {**discriminative, "reads": ["speech"]},
            "MM": discriminative,
            "MFM": model,
        }[trial.name]
        assert trial.model == ModelOptions.model_validate(expected)
    summary = nodes.summarise(table, CORPUS)
    assert summary["acc"].tolist() == pytest.approx([0.1, 0.6, 0.4, 0.2])
    assert summary["acc_sd"].tolist() == pytest.approx([0.0] * 4)
    assert summary["learning_rate"].tolist() == [0.2, 0.1, 0.3, 0.1]


def test_one_seed_has_no_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("UM(picture)", "UM(speech)", "MM", "MFM")
    fake_results(monkeypatch, {(name, 0.001): 0.5 for name in names})
    table = compare(tmp_path, comparison=ComparisonOptions(seeds=1))
    assert len(table) == 4 and table["final"].all()
    summary = nodes.summarise(table, CORPUS)
    assert summary["acc_sd"].isna().all() and (summary["seeds"] == 1).all()
    nodes.plot_comparison(table, CORPUS)


# What a trial is known by.


def test_a_trial_is_known_by_everything_it_depends_on() -> None:
    model = ModelOptions.model_validate(SMALL)
    base = Trial("MM", model, TrainingOptions())
    data = fingerprint(CORPUS)
    assert base.key(data) == Trial("MM", model, TrainingOptions(resume=True)).key(data)
    others = [
        base.key(fingerprint(mixed_corpus("multiclass", sizes=(40, 20, 21)))),
        Trial("MFM", model, TrainingOptions()).key(data),
        Trial("MM", model.model_copy(update={"reads": ("a",)}), TrainingOptions()).key(data),
        *(
            Trial("MM", model, TrainingOptions.model_validate(changed)).key(data)
            for changed in ({"seed": 1}, {"epochs": 3}, {"precision": "64-true"})
        ),
    ]
    assert len({base.key(data), *others}) == len(others) + 1


def test_data_is_known_by_its_content() -> None:
    again = mixed_corpus("multiclass", sizes=(40, 20, 20))
    assert fingerprint(again) == fingerprint(CORPUS)
    seen = {fingerprint(CORPUS)}
    picture, speech = (again.test.modalities[name] for name in ("picture", "speech"))
    for array in (picture.values, again.test.targets.values, speech.steps, picture.present):
        assert array is not None
        kept = array.copy()
        array.flat[-1] = ~array.flat[-1] if array.dtype == np.bool_ else array.flat[-1] + 1
        seen.add(fingerprint(again))
        array[...] = kept
    assert fingerprint(again) == fingerprint(CORPUS)
    assert len(seen) == 5


def test_settings_of_a_trial_are_checked() -> None:
    for setting, said in (
        ({"learning_rte": 1}, "'learning_rte' is not a parameter; did you mean 'learning_rate'"),
        ({"learning_rate": 2}, "learning_rate is 2"),
        ({"batch_size": 1}, "batch_size is 1"),
    ):
        with pytest.raises(ParameterError, match=said):
            ComparisonOptions.model_validate({"settings": [setting]})
