"""What tables of results say of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import mlflow
import pandas as pd
import pytest
import torch

import mfm_pipeline
from mfm_pipeline.errors import DataError
from mfm_pipeline.models import Blueprint, ModelOptions
from mfm_pipeline.pipelines.provenance import DIGITS_KEPT, check_same_data, stated, stated_like
from mfm_pipeline.training import TrainingOptions
from tests.conftest import MakeCorpus

TABLE = pd.DataFrame({"metric": ["r"], "MFM": [0.5]})


def test_a_table_says_what_it_is_of(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SimpleNamespace(info=SimpleNamespace(run_id="0123abcd"))
    monkeypatch.setattr(mlflow, "active_run", lambda: run)
    corpus = make_corpus()
    settings = {"model": ModelOptions(reads=("language",)), "training": TrainingOptions(epochs=7)}
    table = stated(TABLE, corpus, seeds=range(2), settings=settings, protocol="test")
    pd.testing.assert_frame_equal(table, TABLE)
    says = table.attrs
    assert (says["corpus"], says["synthetic"], says["protocol"]) == ("toy", True, "test")
    assert says["seeds"] == [0, 1] and says["model"] is None
    assert says["run"] == "0123abcd" and says["version"] == mfm_pipeline.__version__
    assert datetime.now(UTC) - datetime.fromisoformat(says["date"]) < timedelta(minutes=1)
    assert says["settings"]["training.epochs"] == 7
    assert says["settings"]["model.reads"] == ["language"]
    assert says["settings"]["model.discriminative.latent"] == 32
    # Of the fusion encoder that was chosen alone.
    options = {key.split(".")[2] for key in says["settings"] if "fusion_options" in key}
    assert "training.resume" not in says["settings"]
    assert options == {"mfn"} == {says["settings"]["model.fusion"]}
    assert not TABLE.attrs


def test_without_a_run_there_is_none(make_corpus: MakeCorpus) -> None:
    table = stated(TABLE, make_corpus(), seeds=[3], settings={"share": 0.5})
    assert table.attrs["run"] is None and table.attrs["settings"] == {"share": 0.5}


def test_other_data_and_other_models_are_told_apart(make_corpus: MakeCorpus) -> None:
    corpus, other = make_corpus(), make_corpus(seed=1)
    of_one, of_other = (stated(TABLE, c, seeds=[0], settings={}) for c in (corpus, other))
    assert of_one.attrs["data"] != of_other.attrs["data"]
    assert of_one.attrs["data"] == stated(TABLE, corpus, seeds=[], settings={}).attrs["data"]
    blueprint = Blueprint.of(corpus.train, ModelOptions())
    state = blueprint.to_state(blueprint.build())
    one = stated(TABLE, corpus, seeds=[0], settings={}, model=state).attrs["model"]
    assert len(one) == len(of_one.attrs["data"]) == DIGITS_KEPT
    again = {"description": state["description"], "weights": dict(state["weights"])}
    assert stated(TABLE, corpus, seeds=[0], settings={}, model=again).attrs["model"] == one
    name = max(again["weights"])
    again["weights"][name] = torch.nextafter(again["weights"][name], torch.tensor(9.0))
    for differs in (again, {**state, "description": {}}):
        assert stated(TABLE, corpus, seeds=[0], settings={}, model=differs).attrs["model"] != one


def test_what_is_made_from_a_table_states_the_same_settings(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    source = stated(
        TABLE, corpus, seeds=[4], settings={"training": TrainingOptions(seed=4)}, protocol="test"
    )
    made = stated_like(TABLE.tail(1), corpus, source)
    same = ("corpus", "data", "seeds", "settings", "protocol", "model", "version")
    assert {k: made.attrs[k] for k in same} == {k: source.attrs[k] for k in same}
    other = make_corpus(seed=1)
    assert stated_like(TABLE, other, source).attrs["data"] != source.attrs["data"]
    assert stated_like(TABLE, None, source).attrs["data"] == source.attrs["data"]
    more = stated_like(TABLE, corpus, source, {"training": TrainingOptions(seed=5), "x": 1})
    assert more.attrs["settings"] == {**source.attrs["settings"], "training.seed": 5, "x": 1}
    check_same_data(source, corpus)
    with pytest.raises(DataError, match=f"expected {source.attrs['data']}, .*make that again"):
        check_same_data(source, other)
    with pytest.raises(DataError, match=r"metric, MFM.*make it again"):
        stated_like(TABLE, corpus, TABLE)
