"""The MLflow store of a new project, and what a run in it that goes on may change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from mfm_pipeline import hooks
from mfm_pipeline.errors import ParameterError

OPEN = """
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
with KedroSession.create() as session:
    session.load_context()
"""


def test_first_runs_at_once_share_it(make_project: Callable[[], Path]) -> None:
    """One makes the tables, and the others wait for it."""
    project = make_project()
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    opened = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN],
            cwd=project,
            env=environment | {"DO_NOT_TRACK": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    for process in opened:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert (project / "mlflow.db").stat().st_size > 0


BEGAN = {
    "training.epochs": "30",
    "baselines.settings": "{}",
    "baselines.spaces": "{}",
    "baselines.trials": "4",
}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (BEGAN, None),
        # How much, and what is only compared.
        (BEGAN | {"baselines.trials": "9", "baseline_comparison.draw": "videos"}, None),
        (BEGAN | {"training.epochs": "9"}, "training.epochs is 9, but was 30 in the run"),
        (
            {**BEGAN, "baselines.settings.rf.trees": "5"},
            "baselines.settings.rf.trees is 5, but was not set in the run",
        ),
        (
            {k: v for k, v in BEGAN.items() if k != "baselines.spaces"}
            | {"baselines.spaces.rf.trees": "5"},
            "baselines.spaces is not set, but was {} in the run",
        ),
        # A part of the pipeline, or more of it.
        ({"training.epochs": "30", "evaluation.batch_size": "9"}, None),
    ],
)
def test_what_a_run_that_goes_on_may_change(
    now: dict[str, str], said: str | None, tmp_path: Path, finished: Path
) -> None:
    shutil.copy(finished / "mlflow.db", tmp_path)  # A new one takes seconds.
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    began = {k: v for k, v in BEGAN.items() if k not in hooks.CHANGEABLE}
    with mlflow.start_run(experiment_id="0") as run:
        mlflow.log_params(began | {"of_a_node": "1", "elsewhere.value": "2"})
    if said is None:
        hooks._check_unchanged(run.info.run_id, now)
        return
    with pytest.raises(ParameterError) as caught:
        hooks._check_unchanged(run.info.run_id, now)
    assert said in str(caught.value)
