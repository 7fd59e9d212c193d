"""The README's ten lines for a corpus of one's own, followed word for word."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, kedro_run

SMALL = (
    "training.epochs=30,training.averaging=0,"
    "model.discriminative.latent=16,model.discriminative.factor=16"
)


def _ten_lines() -> list[str]:
    text = (ROOT / "README.md").read_text()
    block = re.search(r"```bash\n(cp -r conf/template .*?)```", text, re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def _write_features(folder: Path) -> None:
    """Write 20 videos of three segments, each expressed by both modalities."""
    rng = np.random.default_rng(0)
    labels = []
    for index in range(20):
        video = f"{index:03}"  # A spreadsheet would make a number of it.
        moods = rng.normal(size=3)
        for number, mood in enumerate(moods):
            labels.append([video, 3.0 * number, 3.0 * number + 3, mood])
        for name, rate, width in (("acoustic", 20, 4), ("visual", 10, 3)):
            times = np.arange(0, 9, 1 / rate)
            values = moods[(times // 3).astype(int), None] + rng.normal(size=(len(times), width))
            (folder / name).mkdir(parents=True, exist_ok=True)
            header = ["time", *(f"{name} {i}" for i in range(width))]
            _write(folder / name / f"{video}.csv", header, np.column_stack([times, values]))
    _write(folder / "labels.csv", ["video", "start", "end", "sentiment"], labels)


def _write(path: Path, header: list[str], rows: object) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)  # type: ignore[arg-type]


def test_the_ten_lines_work(
    make_project: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = _ten_lines()
    assert len(lines) == 10
    project = make_project()
    monkeypatch.chdir(project)
    # MLflow holds on to the database that a relative address first stood for.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    _write_features(tmp_path)
    shell = {**os.environ, "FEATURES": str(tmp_path), "EDITOR": "true"}
    for line in lines:
        if line.startswith("kedro run"):
            arguments = shlex.split(line, comments=True)[2:]
            if "--pipeline=train_mfm" in arguments:
                arguments.append(f"--params={SMALL}")
            result = kedro_run(*arguments)
            assert result.exit_code == 0, result.output
        else:
            subprocess.run(["bash", "-ec", line], check=True, env=shell, stdout=subprocess.DEVNULL)
    samples = pd.read_csv("data/08_reporting/mine/samples.csv", dtype={"video": str})
    assert len(samples) == 60 and samples["video"].nunique() == 20
    assert samples["split"].value_counts().to_dict() == {"train": 42, "test": 12, "valid": 6}
    assert samples["steps"].eq(6).all()  # Three seconds in windows of half a second.
    predictions = pd.read_csv("data/07_model_output/mine/predictions.csv")
    test = predictions[predictions["split"] == "test"]
    assert np.corrcoef(test["true/sentiment"], test["predicted/sentiment"])[0, 1] > 0.5
