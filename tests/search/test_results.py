"""What was fitted is read back bit for bit, and never for other work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.evaluation import SentimentOptions
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.search.results import ResultStore
from mfm_pipeline.search.work import Place, Result, Work
from tests.search.stand_ins import TRAINING, work_of

WORK = work_of("linear", penalty=0.1 + 0.2, power=2, intercept=True)


def result_of(predictions: Any = None) -> Result:
    values = np.linspace(0, 1, 6, dtype=np.float32).reshape(3, 2) / 3
    return Result("complete", 1.25, 7, {"r": 1 / 3, "mae": 0.1}, values, "1 of 3")


def test_a_result_is_read_as_it_was_saved(tmp_path: Path) -> None:
    store, result = ResultStore(tmp_path, "data"), result_of()
    assert store.load(WORK) is None
    store.save(WORK, result)
    found = ResultStore(tmp_path, "data").load(WORK)
    assert found is not None and found.predictions is not None and result.predictions is not None
    assert found.predictions.tobytes() == result.predictions.tobytes()
    assert found.predictions.shape == (3, 2) and found.predictions.dtype == np.float32
    assert replace(found, predictions=None) == replace(result, predictions=None)


@pytest.mark.parametrize(
    "other",
    [
        replace(WORK, name="other"),
        replace(WORK, setting={**WORK.setting, "power": 3}),
        replace(WORK, setting={**WORK.setting, "penalty": 0.3}),
        replace(WORK, training=TRAINING.model_copy(update={"seed": 4})),
        replace(WORK, training=TRAINING.model_copy(update={"epochs": 7})),
        replace(WORK, model=ModelOptions(prior="kl")),
        replace(WORK, sentiment=SentimentOptions()),
    ],
)
def test_other_work_has_no_result(tmp_path: Path, other: Work) -> None:
    store = ResultStore(tmp_path, "data")
    store.save(WORK, result_of())
    assert store.load(other) is None
    assert ResultStore(tmp_path, "other data").load(WORK) is None


def test_where_and_how_long_it_may_run_makes_no_difference(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "data")
    place = Place("sqlite:///x.db", "study", 3, 2)
    store.save(replace(WORK, place=place, seconds=3.0), result_of())
    assert store.load(WORK) is not None
    assert store.load(replace(WORK, training=TRAINING.model_copy(update={"resume": True})))


@pytest.mark.parametrize("result", [Result("failed", 1.0, error="x"), Result("pruned", 1.0)])
def test_what_did_not_complete_is_not_kept(tmp_path: Path, result: Result) -> None:
    ResultStore(tmp_path, "data").save(WORK, result)
    assert not list(tmp_path.iterdir())


def test_half_a_result_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between its two files, or before either is whole."""
    store = ResultStore(tmp_path, "data")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(json, "dumps", _interrupted)
        store.save(WORK, result_of())
    assert store.load(WORK) is None
    store.save(WORK, result_of())
    assert store.load(WORK) is not None
    assert {path.name for path in tmp_path.glob("*/*")} == {"result.json", "predictions.npy"}


def _interrupted(*_: Any, **__: Any) -> str:
    raise KeyboardInterrupt


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    )
)
def test_the_order_of_a_setting_s_fields_makes_no_difference(setting: dict[str, Any]) -> None:
    store = ResultStore(Path(), "data")
    backwards = dict(reversed(setting.items()))
    assert store.key(replace(WORK, setting=setting)) == store.key(replace(WORK, setting=backwards))
