"""`kedro run`, as users call it: outputs, MLflow, single nodes, and errors in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from mfm_pipeline.datasets import StatedTableDataset, WeightsDataset
from mfm_pipeline.pipeline_registry import register_pipelines
from mfm_pipeline.pipelines.trials import fingerprint_of_weights
from tests.conftest import EPOCHS, QUICK, kedro_run
from tests.pipelines.conftest import runs_of

SHARED_ENTRIES = {"shared_vectors", "raw_root", "results", "digits.raw_mnist", "digits.raw_svhn"}


@pytest.fixture
def in_project(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return finished


def runs_at(uri: str) -> pd.DataFrame:
    mlflow.set_tracking_uri(uri)
    runs = mlflow.search_runs(search_all_experiments=True)
    assert isinstance(runs, pd.DataFrame)
    return runs


def test_every_output_is_where_the_catalog_says(in_project: Path) -> None:
    for path in (
        "01_raw/sample/SAMPLE_COVAREP.csd",
        "02_intermediate/sample/aligned.h5",
        "04_feature/sample/scaling.json",
        "05_model_input/sample/corpus.h5",
        "06_models/sample/mfm/weights.safetensors",
        "06_models/sample/mfm/model.json",
        "07_model_output/sample/predictions.csv",
        "08_reporting/sample/metrics.json",
        "08_reporting/sample/training_curves.png",
        "08_reporting/sample/predictions.png",
        "08_reporting/sample/reconstruction.png",
    ):
        assert (in_project / "data" / path).stat().st_size > 0, path
    assert not list((in_project / "data").rglob("*.tmp"))


def test_metrics_follow_from_the_predictions(in_project: Path) -> None:
    metrics = json.loads((in_project / "data/08_reporting/sample/metrics.json").read_text())
    table = pd.read_csv(in_project / "data/07_model_output/sample/predictions.csv")
    test = table[table["split"] == "test"]
    true, predicted = test["true/sentiment"], test["predicted/sentiment"]
    assert metrics["test/mae"] == pytest.approx(np.abs(true - predicted).mean(), rel=1e-5)
    assert metrics["test/r"] == pytest.approx(pearsonr(true, predicted)[0], rel=1e-5)
    assert metrics["test/acc_2"] == pytest.approx(((true >= 0) == (predicted >= 0)).mean())
    nonzero = true != 0
    assert metrics["test/acc_2_nonzero"] == pytest.approx(
        ((true > 0) == (predicted > 0))[nonzero].mean()
    )
    train = table[table["split"] == "train"]["true/sentiment"]
    assert metrics["trivial/mae"] == pytest.approx(np.abs(true - train.median()).mean(), rel=1e-5)


def test_one_run_with_every_epoch_once(in_project: Path) -> None:
    run, meanwhile = runs_of(in_project, "train_mfm")
    assert not meanwhile
    run_id = run.info.run_id
    data = mlflow.get_run(run_id).data
    for name in (
        "train/loss",
        "valid/loss",
        "train/task",
        "valid/prior",
        "train/reconstruction/language",
        "valid/reconstruction/visual",
    ):
        history = mlflow.MlflowClient().get_metric_history(run_id, name)
        assert [metric.step for metric in history] == list(range(EPOCHS)), name
    assert {"test/mae", "test/r", "trivial/mae", "planted/r", "planted/mae"} <= set(data.metrics)
    assert data.params["training.epochs"] == str(EPOCHS)
    assert data.params["model.discriminative.latent"] == "16"
    assert data.params["ingestion.steps"] == "20"
    assert data.tags["corpus"] == "sample"
    assert data.tags["synthetic"] == "true"
    artifacts = {file.path for file in mlflow.MlflowClient().list_artifacts(run_id)}
    assert {"predictions.csv", "training_curves.png"} <= artifacts
    assert {f"{name}.{kind}" for name in ("history", "comparison") for kind in ("csv", "json")} <= (
        artifacts
    )


def test_a_table_states_the_model_and_the_run_it_is_of(in_project: Path) -> None:
    model = WeightsDataset(path="data/06_models/sample/mfm").load()
    run, _ = runs_of(in_project, "train_mfm")
    for name in ("history", "comparison"):
        path = f"data/08_reporting/sample/{name}.csv"
        says = StatedTableDataset(filepath=path).load().attrs
        assert fingerprint_of_weights(model).startswith(says["model"])
        assert (says["corpus"], says["synthetic"], says["seeds"]) == ("sample", True, [0])
        assert says["settings"]["training.epochs"] == EPOCHS
        assert says["run"] == run.info.run_id


def test_planted_predictor_is_the_bound_it_claims_to_be(in_project: Path) -> None:
    planted = json.loads((in_project / "data/08_reporting/sample/planted_metrics.json").read_text())
    assert 0.8 < planted["planted/r"] < 0.97


def test_user_s_tracking_server_is_used(
    in_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path}/elsewhere.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    result = kedro_run("--pipeline=train_mfm", "--nodes=evaluation.score", f"--params={QUICK}")
    assert result.exit_code == 0, result.output
    assert "metrics.test/mae" in runs_at(uri)


def test_a_node_re_runs_alone_after_a_feature_update(in_project: Path) -> None:
    model = in_project / "data/06_models/sample/mfm/weights.safetensors"
    scaling = in_project / "data/04_feature/sample/scaling.json"
    before = model.stat().st_mtime_ns, scaling.stat().st_mtime_ns
    result = kedro_run("--pipeline=ingest_features", "--from-nodes=ingestion.fit_scaling")
    assert result.exit_code == 0, result.output
    assert scaling.stat().st_mtime_ns > before[1]
    assert model.stat().st_mtime_ns == before[0]


def test_a_broken_run_is_continued(in_project: Path) -> None:
    model = in_project / "data/06_models/sample/mfm/weights.safetensors"
    figure = in_project / "data/08_reporting/sample/predictions.png"
    before = model.stat().st_mtime_ns
    figure.unlink()
    result = kedro_run("--pipeline=train_mfm", "--only-missing-outputs", f"--params={QUICK}")
    assert result.exit_code == 0, result.output
    assert figure.exists()
    assert model.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--env=pomm",), ("unknown environment 'pomm'", "youtube")),
        (("--params=sed=3",), ("unknown parameter 'sed'", "'seed'")),
        (("--params=seed=-1",), ("training", "seed is -1", "greater than or equal to 0")),
        (("--params=training.epoch=3",), ("'epoch' is not a parameter", "'epochs'")),
        (("--params=training.learning_rate=2",), ("learning_rate is 2", "less than or equal")),
        (("--params=model.fusion=tfnn",), ("tfnn", "mfn, ef_lstm, statistics")),
        (("--params=model.prior=vae",), ("prior", "'mmd' or 'kl'")),
        (("--params=ingestion.steps=0",), ("ingestion", "steps is 0")),
        (("--params=model.reconstruction.langage=2",), ("langage", "language")),
        (("--pipelines=nosuch",), ("unknown pipeline 'nosuch'", "train_mfm")),
        (("--params=raw_root=nowhere", "--env=pom"), ("nowhere/pom", "no such folder")),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_1(
    in_project: Path, args: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    corpus = in_project / "data/05_model_input/sample/corpus.h5"
    before = corpus.stat().st_mtime_ns
    pipeline = () if args[0].startswith("--pipelines") else ("--pipeline=train_mfm",)
    result = kedro_run(*pipeline, *args)
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.output
    assert corpus.stat().st_mtime_ns == before or "langage" in words


def test_verbose_shows_the_traceback(in_project: Path) -> None:
    with pytest.raises(Exception, match="sed"):
        kedro_run("--pipeline=train_mfm", "--params=sed=3", "--verbose")


def test_registered_names_are_the_contract() -> None:
    assert set(register_pipelines()) == {
        "__default__",
        "compare_digits",
        "download",
        "generate",
        "ingest_features",
        "interpret",
        "pair_digits",
        "predict",
        "report",
        "train_ablations",
        "train_baselines",
        "train_mfm",
        "train_mfm_digits",
        "train_surrogate",
    }


def test_no_environment_writes_where_another_reads(in_project: Path) -> None:
    from mfm_pipeline.config import ConfigLoader
    from mfm_pipeline.settings import CONFIG_LOADER_ARGS

    used = {name for pipeline in register_pipelines().values() for name in pipeline.datasets()}
    folders: dict[str, set[Any]] = {}
    for env in sorted(path.name for path in (in_project / "conf").iterdir() if path.is_dir()):
        loader = ConfigLoader(str(in_project / "conf"), env, **CONFIG_LOADER_ARGS)
        # Word vectors, downloads and digits are shared, on purpose, and raw.
        catalog = {n: e for n, e in loader["catalog"].items() if n not in SHARED_ENTRIES}
        # What says where others lie names their places again.
        catalog = {n: e for n, e in catalog.items() if not n.startswith("last_")}
        places = {name: _place(entry) for name, entry in catalog.items()}
        # What pipelines of digits use lies beside what the others do.
        own = {name for name in used if name.startswith("digits.") and name not in SHARED_ENTRIES}
        for name in own - places.keys():
            pattern = places["{namespace}." + name.removeprefix("digits.")]
            places[name] = pattern.replace("{namespace}", "digits")
        assert all("/digits/" in places[name] for name in own)
        resolved = [place for name, place in places.items() if name[0] != "{"]
        assert len(set(resolved)) >= len(resolved) - 1  # raw@folder and its files
        folders[env] = set(resolved)
        loader["parameters"]
    for env, paths in folders.items():
        others = set().union(*(folders[other] for other in folders if other != env))
        assert not paths & others


def _place(entry: dict[str, Any]) -> str:
    if "filepath" in entry or "path" in entry:
        return str(Path(entry.get("filepath") or entry["path"]))
    return _place(entry["dataset"])
