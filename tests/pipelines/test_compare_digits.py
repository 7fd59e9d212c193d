"""`kedro run --pipeline=compare_digits`, Figure 2(b): equal budgets, nested runs, resuming."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from mfm_pipeline.pipelines import trials
from tests.conftest import kedro_run
from tests.pipelines.conftest import DIGITS, QUICK, artifacts_of, runs_of, tracking_uri

MODELS = ["UM(digits)", "UM(blended)", "MM", "MFM"]
BUDGET = "digits.comparison.seeds=2,digits.training.epochs=1"


@pytest.fixture(scope="module")
def compared(trained_digits: Path) -> Path:
    """Return a project in which `compare_digits` has run once, quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained_digits)
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri(trained_digits))
        result = kedro_run("--pipeline=compare_digits", f"--params={QUICK},{BUDGET}")
    assert result.exit_code == 0, result.output
    assert "Accuracy on test, digits (synthetic data)" in result.output
    return trained_digits


def table_in(project: Path) -> pd.DataFrame:
    return pd.read_csv(project / f"data/07_model_output/{DIGITS}/comparison_trials.csv")


def test_table_and_figure_are_where_the_catalog_says(compared: Path) -> None:
    rows = table_in(compared)
    assert list(rows["model"].unique()) == MODELS
    final = rows[rows["final"]]
    summary = pd.read_csv(compared / f"data/08_reporting/{DIGITS}/model_comparison.csv")
    assert summary["model"].tolist() == MODELS
    for _, row in summary.iterrows():
        own = final[final["model"] == row["model"]]["test/acc"].to_numpy()
        assert row["acc"] == pytest.approx(own.mean())
        assert row["acc_sd"] == pytest.approx(own.std(ddof=1))
        assert row["seeds"] == len(own) == 2
    figure = compared / f"data/08_reporting/{DIGITS}/model_comparison.png"
    assert figure.stat().st_size > 0


def test_each_model_has_the_same_budget(compared: Path) -> None:
    rows = table_in(compared)
    for _, own in rows.groupby("model"):
        # Two settings with the first seed, and the best of them with the second.
        assert list(zip(own["setting"], own["seed"], strict=True))[:2] == [(0, 0), (1, 0)]
        assert len(own) == 3 and own["seed"].tolist() == [0, 0, 1]
        assert (own["epochs"] == 1).all()
        tried = own.iloc[:2]
        best = tried.loc[tried["valid/acc"].idxmax(), "setting"]
        assert (own[own["final"]]["setting"] == best).all()
        assert own["final"].sum() == 2
        assert tried["learning_rate"].tolist() == [0.001, 0.003]


def test_models_differ_in_what_they_read_and_generate_alone(compared: Path) -> None:
    sizes = table_in(compared).groupby("model")["parameters"].first()
    _, children = runs_of(compared, "compare_digits")
    told = {
        child.data.params["name"]: (child.data.params["reads"], child.data.params["generates"])
        for child in children
    }
    assert told == {
        "UM(digits)": ("('digits',)", "none"),
        "UM(blended)": ("('blended',)", "none"),
        "MM": ("all", "none"),
        "MFM": ("all", "all"),
    }
    assert max(sizes["UM(digits)"], sizes["UM(blended)"]) < sizes["MM"] < sizes["MFM"]


def test_one_run_with_one_nested_a_training(compared: Path) -> None:
    run, children = runs_of(compared, "compare_digits")
    rows = table_in(compared)
    assert all(c.data.tags["mlflow.parentRunId"] == run.info.run_id for c in children)
    assert {run.info.status, *(child.info.status for child in children)} == {"FINISHED"}
    assert Counter(child.info.run_name for child in children) == Counter(rows["model"])
    assert run.data.tags["corpus"] == "digits" and run.data.tags["synthetic"] == "true"
    assert run.data.params["digits.comparison.seeds"] == "2"
    assert {"comparison_trials.csv", "model_comparison.csv", "model_comparison.png"} <= (
        artifacts_of(run)
    )
    first = rows.iloc[0]
    scored = {"valid/acc", "valid/f1", "test/acc", "test/f1"}
    errors = ["test/mse/digits", "test/mse/blended"]
    assert {c for c in rows if "/" in c} == {*scored, *errors}
    # Of what is generated alone.
    assert (rows[errors].notna().all(axis=1) == (rows["model"] == "MFM")).all()
    (own,) = [
        child
        for child in children
        if child.info.run_name == first["model"]
        and child.data.params["seed"] == str(first["seed"])
        and child.data.params["learning_rate"] == str(first["learning_rate"])
    ]
    for name in scored:
        assert own.data.metrics[name] == pytest.approx(first[name])
    history = mlflow.MlflowClient().get_metric_history(own.info.run_id, "valid/loss")
    assert [metric.step for metric in history] == [0]


def test_a_finished_comparison_is_read_when_resumed(
    compared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained_again(*_: Any) -> None:
        raise AssertionError("a finished trial is trained again")

    monkeypatch.chdir(compared)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(compared))
    monkeypatch.setattr(trials, "fit", trained_again)
    before, (run, children) = table_in(compared), runs_of(compared, "compare_digits")
    summary = compared / f"data/08_reporting/{DIGITS}/model_comparison.csv"
    summary.unlink()
    resume = ("--pipeline=compare_digits", f"--params={QUICK},{BUDGET},resume=true")
    result = kedro_run(*resume)
    assert result.exit_code == 0, result.output
    pd.testing.assert_frame_equal(table_in(compared), before)
    assert summary.exists()
    mlflow.set_tracking_uri(tracking_uri(compared))
    last = mlflow.last_active_run()
    assert last is not None and last.info.run_id == run.info.run_id
    assert len(runs_of(compared, "compare_digits")[1]) == len(children)
    result = kedro_run(*resume[:1], f"{resume[1]},digits.comparison.seeds=3")
    assert result.exit_code == 1
    assert "Error: resume: digits.comparison.seeds is 3, but was 2" in result.output


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("digits.comparison.seeds=0", ("seeds is 0", "greater than or equal to 1")),
        ("digits.comparison.seed=1", ("'seed' is not a parameter", "'seeds'")),
        ("digits.comparison.settings=[]", ("settings",)),
    ],
)
def test_a_mistake_is_one_line(compared: Path, params: str, words: tuple[str, ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(compared)
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri(compared))
        result = kedro_run("--pipeline=compare_digits", f"--params={QUICK},{params}")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert all(word in line for word in words), line
