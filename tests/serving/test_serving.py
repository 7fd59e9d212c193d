"""A served model: the same numbers as the pipeline's, from nested lists, without a pickle."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.pyfunc import scoring_server

from mfm_pipeline.data import Targets
from mfm_pipeline.datasets import WeightsDataset
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import predict_corpus
from mfm_pipeline.models import Blueprint, Inputs
from mfm_pipeline.serving import Predictor, _load_pyfunc, load_predictor, log_model
from mfm_pipeline.serving.records import split_of_records
from tests.pipelines.conftest import tracking_uri
from tests.serving.conftest import Trained, numbers, records_of

TASKS = ("regression", "multiclass", "multilabel")


@pytest.fixture
def tracked(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Track runs in a database that is there already: a new one takes ten seconds."""
    monkeypatch.chdir(finished)
    mlflow.set_tracking_uri(tracking_uri(finished))
    # Of this database: the one that an earlier test left active may be of another.
    mlflow.set_experiment("served")
    return finished


@pytest.mark.parametrize("task", TASKS)
def test_aligned_features_are_predicted_like_scaled_ones(
    make_trained: Callable[..., Trained], task: str
) -> None:
    state, aligned, scaled = make_trained(task)
    predictor = Predictor.from_state(state)
    predictor.check(aligned.test, aligned.features)
    table = predictor.predict(predictor.prepare(aligned.test), batch_size=7)
    whole = predict_corpus(Blueprint.from_state(state)[1], scaled, batch_size=64)
    expected = whole[whole["split"] == "test"].drop(columns="split").reset_index(drop=True)
    pd.testing.assert_frame_equal(table, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_nested_lists_are_predicted_like_arrays(
    make_trained: Callable[..., Trained], task: str, tmp_path: Path
) -> None:
    state, aligned, _ = make_trained(task)
    WeightsDataset(path=str(tmp_path)).save(state)
    served = _load_pyfunc(str(tmp_path)).predict(records_of(aligned.test))
    predictor = load_predictor(tmp_path)
    unlabelled = replace(aligned.test, targets=Targets.unknown(len(aligned.test)))
    table = predictor.predict(predictor.prepare(unlabelled), batch_size=256)
    assert list(served.columns) == list(table.columns)
    np.testing.assert_allclose(numbers(served), numbers(table), rtol=0, atol=1e-6)
    text = ["id", "predicted_by", "observed"] + (["predicted"] if task == "multiclass" else [])
    pd.testing.assert_frame_equal(served[text], table[text], check_dtype=False)


def test_uncertainty_is_the_spread_of_the_heads(trained: Trained) -> None:
    state, aligned, scaled = trained
    _, model = Blueprint.from_state(state)
    predictor = Predictor.from_state(state)
    table = predictor.predict(predictor.prepare(aligned.test), batch_size=64)
    with torch.inference_mode():
        heads = 1 + 3 * model(Inputs.from_split(scaled.test)).heads.double().numpy()[..., 0]
    np.testing.assert_allclose(table["sd/target_0"], heads.std(axis=1, ddof=1), rtol=1e-3)
    np.testing.assert_allclose(table["predicted/target_0"], heads.mean(axis=1), rtol=1e-4)


def test_entropy_is_that_of_the_probabilities(make_trained: Callable[..., Trained]) -> None:
    for task in ("multiclass", "multilabel"):
        state, aligned, _ = make_trained(task)
        predictor = Predictor.from_state(state)
        table = predictor.predict(predictor.prepare(aligned.test), batch_size=64)
        if task == "multiclass":
            p = table.filter(like="probability/").to_numpy(dtype=np.float64)
            np.testing.assert_allclose(table["entropy"], -(p * np.log(p)).sum(1), rtol=1e-5)
            assert table["entropy"].max() <= np.log(3) + 1e-6
            continue
        p = table["probability/target_1"].to_numpy(dtype=np.float64)
        expected = -(p * np.log(p) + (1 - p) * np.log(1 - p))
        np.testing.assert_allclose(table["entropy/target_1"], expected, rtol=1e-5)


def test_a_sample_without_an_id_is_called_by_its_row(trained: Trained) -> None:
    state, _, _ = trained
    shapes = Predictor.from_state(state).shapes
    records = pd.DataFrame({"id": [None, "a", float("nan"), 7]})
    assert list(split_of_records(records, shapes).ids) == ["0", "a", "2", "7"]


@pytest.mark.parametrize("task", TASKS)
def test_a_sample_with_nothing_is_a_marked_row(
    make_trained: Callable[..., Trained], task: str
) -> None:
    state, aligned, _ = make_trained(task)
    predictor = Predictor.from_state(state)
    split = split_of_records(pd.DataFrame({"id": ["a", "b"]}), predictor.shapes)
    table = predictor.predict(predictor.prepare(split), batch_size=64)
    assert list(table["predicted_by"]) == ["trivial", "trivial"]
    assert list(table["observed"]) == ["", ""]
    train = aligned.train.targets
    if task == "regression":
        assert table["predicted/target_0"][0] == pytest.approx(np.median(train.values))
        assert table["sd/target_0"].isna().all()
    elif task == "multiclass":
        counts = np.bincount(train.values) / len(train.values)
        assert table["predicted"][0] == train.names[counts.argmax()]
        found = table.filter(like="probability/").to_numpy()[0]
        np.testing.assert_allclose(found, counts, rtol=1e-6)
    else:
        shares = train.values.mean(axis=0)
        assert table["probability/target_1"][1] == pytest.approx(shares[1], rel=1e-6)
        assert table["predicted/target_1"][1] == float(shares[1] > 0.5)


def test_a_model_of_before_trivial_predictions_were_kept_leaves_them_out(trained: Trained) -> None:
    state, *_ = trained
    description = {k: v for k, v in state["description"].items() if k != "typical"}
    predictor = Predictor.from_state(state | {"description": description})
    split = split_of_records(pd.DataFrame({"id": ["a"]}), predictor.shapes)
    table = predictor.predict(predictor.prepare(split), batch_size=64)
    assert table["predicted_by"][0] == "trivial"
    assert np.isnan(table["predicted/target_0"][0])


def test_longer_samples_count_by_their_last_steps(trained: Trained) -> None:
    state, aligned, _ = trained
    predictor = Predictor.from_state(state)
    rng = np.random.default_rng(0)
    steps = aligned.test.modalities["language"].values.shape[1]
    long = rng.normal(size=(steps + 3, 5))
    frame = pd.DataFrame({"language": [long.tolist(), long[3:].tolist()]})
    split = split_of_records(frame, predictor.shapes)
    found = numbers(predictor.predict(predictor.prepare(split), batch_size=64))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_steps_may_lack_frames(trained: Trained) -> None:
    predictor = Predictor.from_state(trained[0])
    words, nothing = [[1.0] * 5, [2.0] * 5, [3.0] * 5], [np.nan] * 5
    sounds = [[1.0] * 3, [5.0] * 3, [1.0] * 3]
    forms = [[words[0], middle, words[2]] for middle in (None, nothing, [0] * 5)]
    frame = pd.DataFrame({"language": forms, "acoustic": [sounds] * 3})
    split = split_of_records(frame, predictor.shapes)
    steps = split.modalities["language"].steps
    assert steps is not None
    assert steps.tolist() == [[True, False, True]] * 3
    assert split.modalities["visual"].present.tolist() == [False] * 3
    assert split.step_mask is not None and split.step_mask.all()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"audio": [None]}, "found a column 'audio'; expected some of language, acoustic, visual"),
        ({"language": [[[1.0] * 4]]}, "sample '0', language: found 1 × 4; expected steps × 5"),
        ({"language": [[[1.0] * 5, [1.0] * 4]]}, "language: found something else; expected"),
        ({"language": [[["a"] * 5]]}, "language: found something else; expected steps × 5"),
        (
            {"language": [[[1.0] * 5]], "visual": [[[1.0] * 4] * 2]},
            "sample '0': found steps of language 1, visual 2; expected as many of each",
        ),
        ({"id": []}, "found no samples; expected at least one"),
    ],
)
def test_records_of_other_shapes_are_refused(
    trained: Trained, columns: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError) as error:
        split_of_records(pd.DataFrame(columns), Predictor.from_state(trained[0]).shapes)
    assert words in str(error.value)


def test_mlflow_loads_and_serves_it(trained: Trained, tracked: Path) -> None:
    state, aligned, _ = trained
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with mlflow.start_run() as run:
            uri = log_model(state)
        model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert uri is not None
    records = records_of(aligned.test)
    found = model.predict(records)
    predictor = load_predictor(run.info.run_id)
    expected = predictor.predict(predictor.prepare(aligned.test), batch_size=64)
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=0, atol=1e-6)
    columns = {spec.name for spec in model.metadata.get_input_schema().inputs}
    assert columns == {"language", "acoustic", "visual", "id"}
    assert not model.metadata.get_input_schema().required_input_names()
    names = [spec.name for spec in model.metadata.get_output_schema().inputs]
    assert names == list(found.columns)

    # What the scoring server does with a request, without its process.
    body = '{"dataframe_split": ' + records.to_json(orient="split", index=False) + "}"
    schema = model.metadata.get_input_schema()
    response = scoring_server.invocations(body, "application/json", model, schema)
    assert response.status == 200, response.response
    served = pd.DataFrame(json.loads(response.response)["predictions"])
    np.testing.assert_allclose(numbers(served), numbers(expected), rtol=0, atol=1e-6)

    folder = Path(mlflow.artifacts.download_artifacts(uri))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"weights.safetensors", "model.json"} <= {path.name for path in files}
    assert not [p for p in files if p.suffix in {".pkl", ".pickle", ".pt", ".pth", ".bin"}]
    assert not [p for p in files if p.read_bytes()[:2] in {b"\x80\x04", b"\x80\x05"}]
    assert (folder / "requirements.txt").read_text().split()[-1].startswith("mfm_pipeline==")


def test_where_a_model_lies(trained: Trained, tracked: Path, tmp_path: Path) -> None:
    state = trained[0]
    with mlflow.start_run() as run:
        uri = log_model(state)
    assert uri is not None
    own = tmp_path / "own"
    WeightsDataset(path=str(own)).save(state)
    (tmp_path / "downloaded").mkdir()
    downloaded = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "downloaded"))
    for place in (run.info.run_id, f"runs:/{run.info.run_id}/model", uri, own, downloaded):
        weights = load_predictor(place).model.state_dict()
        assert weights.keys() == state["weights"].keys()
        assert all(torch.equal(weights[name], state["weights"][name]) for name in weights)


def test_a_place_without_a_model_is_one_clear_error(tracked: Path, tmp_path: Path) -> None:
    nobody = "0123456789abcdef" * 2
    with mlflow.start_run() as run:
        pass
    foreign = tmp_path / "foreign"
    mlflow.pyfunc.save_model(
        foreign, loader_module="another.library", pip_requirements=["another"], data_path=__file__
    )
    (tmp_path / "empty").mkdir()
    for place, words in (
        (nobody, f"MLflow run {nobody}: found no such run at sqlite"),
        (run.info.run_id, f"MLflow run {run.info.run_id}: found no model in it at sqlite"),
        (f"runs:/{nobody}/model", "cannot be loaded from sqlite"),
        ("models:/nobody/1", "model 'models:/nobody/1': cannot be loaded from sqlite"),
        (tmp_path / "nowhere", "nowhere': found no such folder; expected the id of an MLflow run"),
        (tmp_path / "empty", "empty': found no model in "),
        (foreign, "found one that another.library loads; expected one of this project"),
    ):
        with pytest.raises(DataError) as error:
            load_predictor(place)
        assert words in str(error.value)
        assert "\n" not in str(error.value)


def test_without_a_run_nothing_is_logged(trained: Trained) -> None:
    assert mlflow.active_run() is None
    assert log_model(trained[0]) is None


def test_a_model_that_does_not_say_how_features_were_scaled(
    trained: Trained, tracked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = trained[0]
    old = state | {"description": state["description"] | {"preparation": None}}
    with pytest.raises(DataError, match="does not say how its features were chosen and scaled"):
        Predictor.from_state(old)
    with mlflow.start_run(), caplog.at_level("WARNING"):
        assert log_model(old) is None
    assert "not in MLflow" in caplog.text
