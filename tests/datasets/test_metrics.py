"""Metrics by keys that MLflow takes."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from mfm_pipeline.datasets import MetricsDataset
from mfm_pipeline.datasets.metrics import mlflow_keys


@given(target=st.text(min_size=1, max_size=300))
def test_a_target_may_have_any_name(target: str) -> None:
    ((key, value),) = mlflow_keys({f"mae/{target}": 2.0}).items()
    _validate_metric_name(key)
    assert value == 2.0


def test_usual_names_are_kept() -> None:
    names = ["valid/mae/valence", "acc_7", "test/r/mfm (2)", "a: b.c-d"]
    assert list(mlflow_keys(dict.fromkeys(names, 0.0))) == [
        "valid/mae/valence",
        "acc_7",
        "test/r/mfm _2_",
        "a: b.c-d",
    ]


def test_the_file_has_the_exact_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, float]] = []
    monkeypatch.setattr(mlflow, "active_run", lambda: object())
    monkeypatch.setattr(mlflow, "log_metrics", told.append)
    dataset = MetricsDataset(filepath=str(tmp_path / "metrics.json"))
    dataset.save({"r/valence (self)": 0.5})
    assert dataset.load() == {"r/valence (self)": 0.5}
    assert told == [{"r/valence _self_": 0.5}]
