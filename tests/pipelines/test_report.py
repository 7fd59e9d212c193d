"""`kedro run --pipeline=report`: after train_mfm, and after nothing at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import kedro_run
from tests.pipelines.conftest import artifacts_of, runs_of, tracking_uri

REPORTING = Path("data/08_reporting")


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    def go(project: Path) -> None:
        monkeypatch.chdir(project)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(project))

    return go


def test_after_training(finished: Path, enter: Callable[[Path], None]) -> None:
    enter(finished)
    result = kedro_run("--pipeline=report")
    assert result.exit_code == 0, result.output
    assert "report on sample" in result.output
    own = REPORTING / "sample"
    page = (own / "report.html").read_text()
    assert "<h1>Results on sample (synthetic data)</h1>" in page
    assert page.count("data:image/png;base64,") == len(list(own.rglob("*.png")))
    table = pd.read_csv(own / "report" / "table_1.csv").set_index("method")
    metrics = json.loads((own / "metrics.json").read_text())
    for metric in ("r", "mae", "acc_2"):
        assert table.at["MFM", metric] == pytest.approx(metrics[f"test/{metric}"])
        assert f"{metrics[f'test/{metric}']:.3f}" in page
    says = json.loads((own / "report" / "table_1.json").read_text())
    made_from = json.loads((own / "comparison.json").read_text())
    assert says["ours"].items() <= made_from.items() and says["ours"]["seeds"] == [0]
    assert (says["shows"], says["status"], says["warnings"]) == ("Table 1", "run", [])
    run, _ = runs_of(finished, "report")
    assert {"report.html", "table_1.csv", "table_1.json"} <= artifacts_of(run)


def test_after_nothing_at_all(
    make_project: Callable[[], Path], finished: Path, enter: Callable[[Path], None]
) -> None:
    project = make_project()
    shutil.copy(finished / "mlflow.db", project)  # A new one takes ten seconds.
    enter(project)
    result = kedro_run("--pipeline=report", "--env=pom")
    assert result.exit_code == 0, result.output
    page = (REPORTING / "pom" / "report.html").read_text()
    assert "kedro run --pipeline=train_mfm --env=pom" in page
    table = pd.read_csv(REPORTING / "pom" / "report" / "table_3.csv").set_index("method")
    assert table.at["MFN", "r/con"] == 0.395 and set(table["source"]) == {"paper"}
