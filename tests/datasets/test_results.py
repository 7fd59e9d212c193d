"""Datasets of models, metrics and folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from kedro.io import DatasetError

from mfm_pipeline.datasets import FolderDataset, MetricsDataset, WeightsDataset
from mfm_pipeline.errors import DataError
from mfm_pipeline.models import Blueprint, Inputs, ModelOptions
from tests.conftest import MakeCorpus


def test_a_model_comes_back_as_it_was(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()
    blueprint = Blueprint.of(corpus.train, ModelOptions(discriminative={"heads": 4, "share": 0.5}))
    model = blueprint.build().eval()
    model.set_target_scale(1.0, 2.0)
    inputs = Inputs.from_split(corpus.test)
    model.calibrate(inputs)
    dataset = WeightsDataset(path=str(tmp_path / "model"))
    assert not dataset.exists()
    dataset.save(blueprint.to_state(model))
    assert dataset.exists()
    again, rebuilt = Blueprint.from_state(dataset.load())
    assert again == blueprint
    with torch.inference_mode():
        assert torch.equal(rebuilt.predict(inputs), model.predict(inputs))
    assert not list((tmp_path / "model").glob(".*"))


def test_a_damaged_model_is_named(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    blueprint = Blueprint.of(make_corpus().train, ModelOptions())
    dataset = WeightsDataset(path=str(tmp_path))
    dataset.save(blueprint.to_state(blueprint.build()))
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    assert isinstance(caught.value.__cause__, DataError)
    assert str(tmp_path) in str(caught.value.__cause__)


def test_a_model_of_another_corpus_is_refused(make_corpus: MakeCorpus) -> None:
    blueprint = Blueprint.of(make_corpus().train, ModelOptions())
    other = make_corpus(features={"language": 5, "acoustic": 9, "visual": 4})
    with pytest.raises(DataError, match=r"acoustic.*9.*acoustic.*3"):
        blueprint.check_split(other.test)


def test_metrics_are_a_file(tmp_path: Path) -> None:
    dataset = MetricsDataset(filepath=str(tmp_path / "metrics.json"))
    dataset.save({"test/r": 0.25})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"test/r": 0.25}
    assert dataset.load() == {"test/r": 0.25}


def test_a_folder_is_made_when_it_is_needed(tmp_path: Path) -> None:
    dataset = FolderDataset(path=str(tmp_path / "a" / "b"))
    assert not dataset.exists()
    assert dataset.load().is_dir()
