"""A search as a user has it, killed at its work."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mfm_pipeline.data import Corpus
from mfm_pipeline.pipelines.trials import fingerprint
from mfm_pipeline.search.results import ResultStore
from mfm_pipeline.search.work import Result, Work, do
from tests.conftest import kedro_run, start_run
from tests.pipelines.baseline_search import timeless, work_here
from tests.pipelines.conftest import tracking_uri

MODELS = "models=ridge+rf,baselines.trials=2,baselines.seeds=2,training.epochs=2"
SETTINGS = "baselines.settings.rf.trees=400"
TABLE = "data/07_model_output/sample/baseline_trials.csv"
STATES = "data/06_models/sample/baselines"


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
    arguments = ("--pipeline=train_baselines", "--nodes=baselines.search")
    process = start_run(project, *arguments, f"--params={MODELS},{SETTINGS}")
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
    before = {path.parent.name for path in (project / STATES).glob("*/result.json")}
    assert not (project / TABLE).exists()
    while processes_of(process.pid):
        assert time.monotonic() < deadline, "processes outlive the search"
        time.sleep(0.05)

    again: list[str] = []

    def count(work: Work, corpus: Corpus) -> Result:
        again.append(ResultStore(project / STATES, fingerprint(corpus)).key(work))
        return do(work, corpus)

    work_here(monkeypatch, count)
    resumed = kedro_run(*arguments, f"--params={MODELS},{SETTINGS},resume=true")
    assert resumed.exit_code == 0, resumed.output
    # Two trials and a further seed of each.
    assert len(again) == len(set(again)) == 6 - len(before)
    assert before.isdisjoint(again)
    table = timeless(pd.read_csv(project / TABLE))
    whole = kedro_run(*arguments, f"--params={MODELS},{SETTINGS}")
    assert whole.exit_code == 0, whole.output
    pd.testing.assert_frame_equal(timeless(pd.read_csv(project / TABLE)), table)
    assert table["model"].value_counts().to_dict() == {"ridge": 3, "rf": 3}
    assert not list((project / "data").rglob("*.tmp"))
