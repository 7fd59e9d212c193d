"""`kedro run --pipeline=train_surrogate`: protocols, what is kept, resuming after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import CorpusDataset, WeightsDataset
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation.missing import MissingOptions
from mfm_pipeline.ingestion.options import ScalingOptions, SelectionOptions
from mfm_pipeline.models import Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.completed import FULL
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.pipelines.ingest_features.nodes import fit_scaling, fit_selection
from mfm_pipeline.pipelines.states import apart
from mfm_pipeline.pipelines.train_surrogate import nodes
from mfm_pipeline.pipelines.trials import fingerprint
from mfm_pipeline.training import TrainingOptions, fit
from mfm_pipeline.training.surrogate_module import SurrogateTraining
from tests.conftest import QUICK, MakeCorpus, kedro_run
from tests.pipelines.conftest import runs_of, tracking_uri

ARGUMENTS = (
    "--pipeline=train_surrogate",
    f"--params={QUICK},surrogate.form=amortised,missing.k=5,missing.draws=1,missing.seeds=2",
)
SMALL: dict[str, Any] = {
    "fusion": "statistics",
    "discriminative": {"latent": 8, "factor": 8},
    "generative": {"latent": 4, "factor": 4},
}


@pytest.fixture(scope="module")
def make_ready(finished: Path, make_project: Callable[[], Path]) -> Callable[[], Path]:
    """Return a maker of projects in which a model is trained."""

    def make() -> Path:
        project = make_project()
        shutil.copytree(finished / "data", project / "data", dirs_exist_ok=True)
        shutil.copy(finished / "mlflow.db", project)  # A new one takes ten seconds.
        parameters = project / "conf/base/parameters_missing.yml"
        text = parameters.read_text()
        for name, few in {"shares": "0.0, 0.5", "noise": "0.0", "baselines": ""}.items():
            (line,) = [one for one in text.splitlines() if one.strip().startswith(f"{name}:")]
            text = text.replace(line, f"  {name}: [{few}]")
        parameters.write_text(text)
        return project

    return make


@pytest.fixture(scope="module")
def surrogates(make_ready: Callable[[], Path]) -> Path:
    """Return a project in which `train_surrogate` has run once, quickly."""
    project = make_ready()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri(project))
        result = kedro_run(*ARGUMENTS)
    assert result.exit_code == 0, result.output
    return project


def state_in(project: Path, name: str) -> dict[str, Any]:
    return WeightsDataset(path=str(project / "data/06_models/sample" / name)).load()


def test_the_first_seed_has_the_model_that_was_there(surrogates: Path) -> None:
    model, kept = state_in(surrogates, "mfm"), state_in(surrogates, "surrogate")
    plan, inference = SurrogateBlueprint.from_state(kept)
    assert plan.options.form == "amortised"
    for name, values in model["weights"].items():
        assert torch.equal(inference.full.state_dict()[name], values)
    of_seeds = apart(state_in(surrogates, "surrogates"))
    assert list(of_seeds) == ["0", "1"]
    for name, values in kept["weights"].items():
        assert torch.equal(of_seeds["0"]["weights"][name], values)
    differ = [
        name
        for name, values in kept["weights"].items()
        if not torch.equal(of_seeds["1"]["weights"][name], values)
    ]
    assert {name.split(".")[0] for name in differ} == {"full", "networks"}


def test_with_all_present_nothing_is_lost(surrogates: Path) -> None:
    corpus = CorpusDataset(
        filepath=str(surrogates / "data/05_model_input/sample/surrogate_corpus.h5")
    ).load()
    ingested = CorpusDataset(
        filepath=str(surrogates / "data/05_model_input/sample/corpus.h5")
    ).load()
    for name, modality in ingested.test.modalities.items():
        assert np.array_equal(corpus.test.modalities[name].values, modality.values)
    _, model = Blueprint.from_state(state_in(surrogates, "mfm"))
    _, inference = SurrogateBlueprint.from_state(state_in(surrogates, "surrogate"))
    whole = np.logical_and.reduce([m.present for m in corpus.test.modalities.values()])
    inputs = Inputs.from_split(corpus.test.select(whole))
    found = inference.complete(inputs)
    assert (found.inferred_by == FULL).all()
    with torch.no_grad():
        assert torch.equal(found.prediction, model.predict(inputs))


def test_each_training_is_a_run_inside(surrogates: Path) -> None:
    run, inside = runs_of(surrogates, "train_surrogate")
    assert run.info.status == "FINISHED"
    names = {one.info.run_name for one in inside}
    assert {"MFM, 1", "surrogate, 0, amortised", "surrogate, 1, amortised"} <= names
    for one in inside:
        assert one.data.tags["mlflow.parentRunId"] == run.info.run_id
        epochs = mlflow.MlflowClient().get_metric_history(one.info.run_id, "valid/loss")
        assert [value.step for value in epochs][:2] == [0, 1]
    named = next(one for one in inside if one.info.run_name == "surrogate, 0, amortised")
    assert {"valid/latent/discriminative", "train/reconstruction/visual"} <= set(named.data.metrics)
    assert run.data.params["missing.protocol"] == "test"
    assert run.data.params["surrogate.weights.latent"] == "1.0"


def test_tables_name_the_protocol(surrogates: Path) -> None:
    folder = surrogates / "data/08_reporting/sample"
    for name in ("missing_modalities", "holes"):
        assert set(pd.read_csv(folder / f"{name}.csv")["protocol"]) == {"test"}


def test_a_broken_run_goes_on_to_the_same_weights(
    surrogates: Path, make_ready: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_ready()
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(project))
    pipeline, parameters = ARGUMENTS
    training = (pipeline, "--to-nodes=training.train_surrogates")

    class KilledError(Exception):
        pass

    original = SurrogateTraining.training_step

    def dies_in_the_second_seed(self: SurrogateTraining, index: torch.Tensor) -> torch.Tensor:
        if self.options.seed == 1 and self.current_epoch == 2:
            raise KilledError
        return original(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(SurrogateTraining, "training_step", dies_in_the_second_seed)
        result = kedro_run(*training, parameters)
    assert result.exit_code != 0
    trials = project / "data/06_models/sample/surrogate_checkpoints"
    done = {path: path.stat().st_mtime_ns for path in trials.glob("*/result.json")}
    # The second seed's model, and the first seed's network.
    assert len(done) == 2
    result = kedro_run(*training, f"{parameters},resume=true")
    assert result.exit_code == 0, result.output
    assert all(path.stat().st_mtime_ns == before for path, before in done.items())
    weights = "data/06_models/sample/surrogates/weights.safetensors"
    expected, found = load_file(surrogates / weights), load_file(project / weights)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], values) for name, values in expected.items())
    run, inside = runs_of(project, "train_surrogate")
    assert run.info.status == "FINISHED"
    assert len(inside) == 3


def everything(corpus: Corpus, place: Path, protocol: str, **missing: Any) -> dict[str, Any]:
    """Return what `train_surrogate` trains on an aligned corpus."""
    options = MissingOptions(protocol=protocol, **missing)
    training, model = TrainingOptions(epochs=1), ModelOptions(**SMALL)
    selection = fit_selection(corpus, SelectionOptions())
    scaling = fit_scaling(corpus, selection, ScalingOptions())
    prepared = nodes.prepare_corpus(
        _copy(corpus), selection, scaling, options, training, SelectionOptions(), ScalingOptions()
    )
    first = fit(prepared, model, training, place / "first")
    state = first.blueprint.to_state(first.model)
    full = nodes.train_models(state, prepared, training, options, place)
    surrogate, _ = nodes.train_surrogates(
        full, prepared, SurrogateOptions(form="amortised"), training, options, place
    )
    return {"corpus": prepared, "full": full, "surrogate": surrogate}


def _copy(corpus: Corpus) -> Corpus:
    """Return a corpus whose arrays are its own: those of `scale_features` are used again."""
    splits = {
        name: replace(
            split,
            modalities={
                key: replace(modality, values=modality.values.copy())
                for key, modality in split.modalities.items()
            },
        )
        for name, split in corpus.splits.items()
    }
    return replace(corpus, splits=splits)


@pytest.fixture
def in_own_runs(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(finished / "mlflow.db", tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")


def test_nothing_has_seen_what_is_missing_in_training_and_test(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_own_runs: None
) -> None:
    corpus = make_corpus(sizes=(40, 12, 8))
    zeros = everything(corpus, tmp_path / "zeros", "train_and_test")
    original = nodes.punch_training
    monkeypatch.setattr(nodes, "punch_training", lambda *given: original(*given, fill=float("nan")))
    nans = everything(corpus, tmp_path / "nans", "train_and_test")
    assert dict(nans["corpus"].preparation) == dict(zeros["corpus"].preparation)
    for name in ("full", "surrogate"):
        for key, values in zeros[name]["weights"].items():
            assert torch.equal(nans[name]["weights"][key], values), key
            assert values.isfinite().all() or "limit" in key, key
    for split in corpus.splits:
        for name, modality in zeros["corpus"].splits[split].modalities.items():
            assert np.array_equal(
                nans["corpus"].splits[split].modalities[name].values, modality.values
            )
    # And other selections and scales than the whole corpus has.
    whole = everything(corpus, tmp_path / "whole", "test")
    assert dict(whole["corpus"].preparation) != dict(zeros["corpus"].preparation)


def test_holes_are_in_training_and_validation_alone(
    make_corpus: MakeCorpus,
) -> None:
    corpus = make_corpus(sizes=(200, 60, 30))
    punched = nodes.punch_training(corpus, 0.5, seed=3)
    again, other = (nodes.punch_training(corpus, 0.5, seed=seed) for seed in (3, 4))
    for name, split in corpus.splits.items():
        before, after = (
            np.stack([m.present for m in one.modalities.values()])
            for one in (split, punched.splits[name])
        )
        able = before.sum(axis=0) > 1
        lost = (before & ~after).any(axis=0)
        assert not (after & ~before).any()
        assert lost.sum() == (0 if name == "test" else round(0.5 * able.sum()))
        assert after.any(axis=0)[able].all()
    same = [
        np.array_equal(
            one.train.modalities["visual"].present, punched.train.modalities["visual"].present
        )
        for one in (again, other)
    ]
    assert same == [True, False]


def test_a_corpus_ingested_anew_is_refused(
    make_corpus: MakeCorpus, tmp_path: Path, in_own_runs: None
) -> None:
    corpus, other = make_corpus(sizes=(24, 8, 4)), make_corpus(sizes=(24, 8, 4), seed=1)
    training = TrainingOptions(epochs=1)
    trained = fit(corpus, ModelOptions(**SMALL), training, tmp_path / "model")
    blueprint = trained.blueprint.model_copy(update={"data": fingerprint(corpus)})
    state = blueprint.to_state(trained.model)
    options = MissingOptions(protocol="test")
    nodes.train_models(state, corpus, training, options, tmp_path)
    with pytest.raises(DataError, match="the model was trained on"):
        nodes.train_models(state, other, training, options, tmp_path)


def test_without_a_model_the_error_is_one_line(
    make_project: Callable[[], Path], finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    shutil.copytree(finished / "data", project / "data", dirs_exist_ok=True)
    shutil.rmtree(project / "data/06_models")
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(finished))
    result = kedro_run(*ARGUMENTS)
    assert result.exit_code == 1
    assert "found no model; expected one that a training left" in result.output.replace("\n", " ")
