"""A project in which MFM was trained on a few pairs of digits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from tests.conftest import kedro_run

PAIRS = 400
EPOCHS = 2
QUICK = (
    f"digits.pairs.count={PAIRS},digits.training.epochs={EPOCHS},digits.training.batch_size=32,"
    "digits.training.learning_rate=0.01"
)
DIGITS = "sample/digits"
"""Folder of a project's digits inside each layer."""


@pytest.fixture(scope="session")
def trained_digits(make_project: Callable[[], Path], finished: Path) -> Path:
    """Return a project in which `train_mfm_digits` has run once, quickly."""
    project = make_project()
    shutil.copy(finished / "mlflow.db", project)  # A new one takes ten seconds.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri(project))
        result = kedro_run("--pipeline=train_mfm_digits", f"--params={QUICK}")
    assert result.exit_code == 0, result.output
    return project


@pytest.fixture
def in_digits(trained_digits: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go into that project, and return it."""
    monkeypatch.chdir(trained_digits)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(trained_digits))
    return trained_digits


def tracking_uri(project: Path) -> str:
    """Return the URI of a project's own MLflow file, wherever the process is."""
    return f"sqlite:///{project}/mlflow.db"


def runs_of(project: Path, pipeline: str) -> tuple[Run, list[Run]]:
    """Return the MLflow run of the first time a pipeline ran, and what else began meanwhile."""
    mlflow.set_tracking_uri(tracking_uri(project))
    runs: list[Run] = mlflow.search_runs(
        search_all_experiments=True, output_format="list", order_by=["start_time ASC"]
    )
    own = next(
        run
        for run in runs
        if run.data.tags.get("project_path") == str(project)
        and run.data.tags["pipeline_names"] == str([pipeline])
    )
    start, end = own.info.start_time, own.info.end_time
    meanwhile = [run for run in runs if run is not own and start <= run.info.start_time <= end]
    return own, meanwhile


def artifacts_of(run: Run) -> set[str]:
    """Return the names of a run's artifacts."""
    return {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
