"""A run killed with SIGKILL goes on, in the same MLflow run, to the same bits."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import start_run

EPOCHS = 12
PARAMETERS = (
    f"training.epochs={EPOCHS},training.schedule=plateau,model.fusion=mfn,"
    "model.discriminative.latent=16,model.discriminative.factor=16"
)
WEIGHTS = "data/06_models/sample/mfm/weights.safetensors"
LIMIT_S = 120


def start(project: Path, *more: str) -> subprocess.Popen[bytes]:
    parameters = f"--params={','.join((PARAMETERS, *more))}"
    return start_run(project, "--pipeline=train_mfm", parameters, "--nodes=training.train")


@pytest.fixture(scope="module")
def make_ready(finished: Path, make_project: Callable[[], Path]) -> Callable[[], Path]:
    """Return a maker of projects in which everything is ready to be trained on."""

    def make() -> Path:
        project = make_project()
        shutil.copytree(
            finished / "data/05_model_input", project / "data/05_model_input", dirs_exist_ok=True
        )
        return project

    return make


@pytest.fixture(scope="module")
def whole(make_ready: Callable[[], Path]) -> Path:
    """A project in which training has run without a break."""
    project = make_ready()
    assert start(project).wait(LIMIT_S) == 0
    return project


def test_killed_and_resumed(whole: Path, make_ready: Callable[[], Path]) -> None:
    project = make_ready()
    process = start(project)
    states = project / "data/06_models/sample/checkpoints"
    deadline = time.monotonic() + LIMIT_S
    while not list(states.glob("*/last.ckpt")):
        assert process.poll() is None, "training ended before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (project / WEIGHTS).exists()
    (last,) = states.glob("*/last.ckpt")
    epochs_before = torch.load(last, weights_only=True)["epoch"] + 1
    assert 1 <= epochs_before < EPOCHS

    assert start(project, "resume=true").wait(LIMIT_S) == 0

    expected, found = load_file(whole / WEIGHTS), load_file(project / WEIGHTS)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name

    mlflow.set_tracking_uri(f"sqlite:///{project}/mlflow.db")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert len(runs) == 1
    assert runs[0].info.status == "FINISHED"
    for metric in ("train/loss", "valid/loss"):
        history = mlflow.MlflowClient().get_metric_history(runs[0].info.run_id, metric)
        assert [value.step for value in history] == list(range(EPOCHS))
