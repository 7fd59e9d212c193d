"""`kedro run --pipeline=train_mfm_digits`: the training of sequences, reused for images."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from kedro.pipeline import Pipeline

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import CorpusDataset, WeightsDataset
from mfm_pipeline.models import Blueprint
from mfm_pipeline.pipeline_registry import register_pipelines
from tests.conftest import kedro_run
from tests.pipelines.conftest import DIGITS, EPOCHS, PAIRS, QUICK, artifacts_of, runs_of

MODALITIES = ("digits", "blended")
CLASSES = tuple("0123456789")


def corpus_in(project: Path) -> Corpus:
    path = project / f"data/05_model_input/{DIGITS}/corpus.h5"
    corpus: Corpus = CorpusDataset(filepath=str(path)).load()
    return corpus


def predictions_in(project: Path) -> pd.DataFrame:
    path = project / f"data/07_model_output/{DIGITS}/predictions.csv"
    return pd.read_csv(path, dtype={"true": str, "predicted": str, "id": str})


def test_nothing_is_copied_from_the_pipeline_of_sequences() -> None:
    pipelines = register_pipelines()

    def parts(pipeline: Pipeline, namespace: str) -> dict[str, object]:
        return {
            node.name.removeprefix(namespace): node.func
            for node in pipeline.nodes
            if node.name.removeprefix(namespace).split(".")[0] in ("training", "evaluation")
        }

    sequences = parts(pipelines["train_mfm"], "")
    assert parts(pipelines["train_mfm_digits"], "digits.") == sequences
    assert len(sequences) == 8


def test_every_output_is_where_the_catalog_says(trained_digits: Path) -> None:
    for path in (
        f"02_intermediate/{DIGITS}/images.h5",
        f"03_primary/{DIGITS}/pairs.parquet",
        f"05_model_input/{DIGITS}/corpus.h5",
        f"06_models/{DIGITS}/mfm/weights.safetensors",
        f"06_models/{DIGITS}/mfm/model.json",
        f"06_models/{DIGITS}/checkpoints/mlflow_run.json",
        f"07_model_output/{DIGITS}/predictions.csv",
        f"07_model_output/{DIGITS}/reconstruction_errors.csv",
        f"08_reporting/{DIGITS}/history.csv",
        f"08_reporting/{DIGITS}/metrics.json",
        f"08_reporting/{DIGITS}/comparison.csv",
        f"08_reporting/{DIGITS}/training_curves.png",
        f"08_reporting/{DIGITS}/predictions.png",
        f"08_reporting/{DIGITS}/reconstruction.png",
    ):
        assert (trained_digits / "data" / path).stat().st_size > 0, path
    assert not list((trained_digits / "data").rglob("*.tmp"))
    # And nothing lies where the sequences of the sample corpus are.
    files = [file for file in (trained_digits / "data").rglob("*") if file.is_file()]
    assert all(f"/{DIGITS}/" in str(file) for file in files if file.name != ".gitkeep")


def test_metrics_follow_from_the_predictions(trained_digits: Path) -> None:
    path = trained_digits / f"data/08_reporting/{DIGITS}/metrics.json"
    metrics = json.loads(path.read_text())
    assert set(metrics) == {
        *("test/acc", "test/f1", "trivial/acc", "trivial/f1"),
        *(f"test/reconstruction/{name}" for name in MODALITIES),
    }
    table = predictions_in(trained_digits)
    assert set(table["true"]) == set(CLASSES)
    assert list(table) == [
        *("id", "split", "predicted_by", "observed", "true", "predicted"),
        *(f"probability/{name}" for name in CLASSES),
        "entropy",
    ]
    test = table[table["split"] == "test"]
    assert metrics["test/acc"] == pytest.approx((test["true"] == test["predicted"]).mean())
    f1 = 0.0
    for name in CLASSES:
        true, predicted = test["true"] == name, test["predicted"] == name
        both = (true & predicted).sum()
        f1 += 2 * both / (true.sum() + predicted.sum()) * true.mean()
    assert metrics["test/f1"] == pytest.approx(f1)
    assert metrics["trivial/acc"] == pytest.approx(0.1)
    # Of the corpus that is stored, by the model that is stored.
    corpus = corpus_in(trained_digits)
    assert test["id"].tolist() == corpus.test.ids.tolist()
    assert test["true"].tolist() == [CLASSES[k] for k in corpus.test.targets.values]
    assert len(table) == PAIRS


def test_the_stored_model_predicts_what_the_table_says(trained_digits: Path) -> None:
    from mfm_pipeline.models import Inputs

    state = WeightsDataset(path=str(trained_digits / f"data/06_models/{DIGITS}/mfm")).load()
    blueprint, model = Blueprint.from_state(state)
    assert blueprint.targets == CLASSES and blueprint.task == "multiclass"
    assert {name: spec.shape for name, spec in blueprint.modalities.items()} == {
        "digits": (1, 8, 8),
        "blended": (3, 8, 8),
    }
    found = model.predict(Inputs.from_split(corpus_in(trained_digits).test)).detach().numpy()
    table = predictions_in(trained_digits)
    columns = table[table["split"] == "test"].filter(like="probability/")
    np.testing.assert_allclose(columns.to_numpy(), found, atol=1e-5)


def test_one_run_without_children_and_every_epoch_once(trained_digits: Path) -> None:
    run, children = runs_of(trained_digits, "train_mfm_digits")
    assert children == []
    assert run.info.status == "FINISHED"
    assert run.data.tags["corpus"] == "digits"
    assert run.data.tags["synthetic"] == "true"
    assert run.data.tags["modalities"] == "digits, blended"
    assert run.data.params["digits.training.epochs"] == str(EPOCHS)
    assert run.data.params["digits.pairs.count"] == str(PAIRS)
    assert run.data.params["digits.model.fusion"] == "late_fusion"
    assert not any(name.startswith(("training.", "model.")) for name in run.data.params)
    costs = (
        "loss",
        "task",
        "prior",
        *(f"{cost}/{name}" for cost in ("reconstruction", "swap") for name in MODALITIES),
    )
    by_epoch = {f"{split}/{cost}" for split in ("train", "valid") for cost in costs}
    metrics = json.loads((trained_digits / f"data/08_reporting/{DIGITS}/metrics.json").read_text())
    assert set(run.data.metrics) == by_epoch | {"learning_rate", "valid/error"} | set(metrics)
    for name in by_epoch:
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in history] == list(range(EPOCHS)), name
    for name, value in metrics.items():
        assert run.data.metrics[name] == pytest.approx(value)
    assert {
        *("predictions.csv", "reconstruction_errors.csv", "history.csv"),
        *("comparison.csv", "training_curves.png", "predictions.png", "reconstruction.png"),
    } <= artifacts_of(run)
    assert len(mlflow.get_run(run.info.run_id).outputs.model_outputs) == 1


def test_the_model_in_mlflow_predicts_from_nested_lists(in_digits: Path) -> None:
    run, _ = runs_of(in_digits, "train_mfm_digits")
    served = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    test = corpus_in(in_digits).test
    rows = {
        name: [m.values[row].tolist() for row in (range(9) if m.rows is None else m.rows[:9])]
        for name, m in test.modalities.items()
    }
    found = served.predict(pd.DataFrame(rows).assign(id=test.ids[:9]))
    table = pd.read_csv(f"data/07_model_output/{DIGITS}/predictions.csv", dtype={"predicted": str})
    expected = table[table["split"] == "test"].head(9).reset_index(drop=True)
    assert list(found["id"]) == list(expected["id"])
    assert list(found["predicted"]) == list(expected["predicted"])
    np.testing.assert_allclose(
        found.filter(like="probability/"), expected.filter(like="probability/"), atol=1e-5
    )


def test_a_node_re_runs_alone(in_digits: Path) -> None:
    figure = in_digits / f"data/08_reporting/{DIGITS}/reconstruction.png"
    model = in_digits / f"data/06_models/{DIGITS}/mfm/weights.safetensors"
    before = model.stat().st_mtime_ns
    figure.unlink()
    result = kedro_run(
        "--pipeline=train_mfm_digits",
        "--nodes=digits.evaluation.plot_reconstruction",
        f"--params={QUICK}",
    )
    assert result.exit_code == 0, result.output
    assert figure.stat().st_size > 0 and model.stat().st_mtime_ns == before
    latest = mlflow.last_active_run()
    assert latest is not None and latest.data.tags["corpus"] == "digits"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("digits.model.fusion=mfn", ("'mfn'", "'digits' is of kind 'image'")),
        ("digits.model.reads=[digit]", ("model.reads names modality 'digit'", "digits, blended")),
        ("digits.model.kernel=laplace", ("kernel is 'laplace'", "'multiquadric'")),
        ("digits.training.epoch=1", ("'epoch' is not a parameter", "'epochs'")),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    in_digits: Path, params: str, words: tuple[str, ...]
) -> None:
    model = in_digits / f"data/06_models/{DIGITS}/mfm/weights.safetensors"
    before = model.read_bytes()
    result = kedro_run(
        "--pipeline=train_mfm_digits", "--nodes=digits.training.train", f"--params={QUICK},{params}"
    )
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.output
    assert model.read_bytes() == before
