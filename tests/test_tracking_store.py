"""The MLflow store of a new project, which its first run makes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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
