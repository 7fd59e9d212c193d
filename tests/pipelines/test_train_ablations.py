"""`kedro run --pipeline=train_ablations`, Figure 3: tables, figure, nested runs, resuming."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from mfm_pipeline.pipelines import trials
from mfm_pipeline.pipelines.provenance import stated
from mfm_pipeline.pipelines.train_ablations import nodes
from tests.conftest import MakeCorpus, kedro_run
from tests.pipelines.conftest import artifacts_of, runs_of, tracking_uri

MODELS = ["M_A", "M_B", "M_C", "M_D", "M_E", "MFM"]
GENERATING = MODELS[2:]
SEEDS = 2
QUICK = (
    "training.epochs=1,training.batch_size=128,model.discriminative.latent=16,model.discriminative.factor=16,"
    "model.generative.latent=4,model.generative.factor=4,model.generative.decoder=4"
)
ARGUMENTS = ("--pipeline=train_ablations", f"--params={QUICK}")


@pytest.fixture(scope="module")
def ablated(make_project: Callable[[], Path], finished: Path) -> Path:
    """Return a project in which `train_ablations` has run once, quickly."""
    project = make_project()
    layer = "data/05_model_input"
    shutil.copytree(finished / layer, project / layer)
    shutil.copy(finished / "mlflow.db", project)  # A new one takes ten seconds.
    budget = {"ablations": {"settings": [{}], "seeds": SEEDS, "early_fusion": "ef_lstm"}}
    (project / "conf/base/parameters_train_ablations.yml").write_text(yaml.safe_dump(budget))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri(project))
        result = kedro_run(*ARGUMENTS)
    assert result.exit_code == 0, result.output
    told = [line for line in result.output.splitlines() if "M_" in line and "│" in line]
    assert len(told) == 5 and all(len(line) <= 80 and "…" not in line for line in told)
    assert "Ablations, test, sample (synthetic data), 112 samples, mean±sd of 2" in result.output
    return project


@pytest.fixture
def in_ablated(ablated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ablated)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(ablated))
    return ablated


def trials_in(project: Path) -> pd.DataFrame:
    return pd.read_csv(project / "data/07_model_output/sample/ablation_trials.csv")


def table_in(project: Path) -> pd.DataFrame:
    return pd.read_csv(project / "data/08_reporting/sample/ablations.csv")


def test_the_table_is_that_of_figure_3(ablated: Path) -> None:
    rows, table = trials_in(ablated), table_in(ablated)
    metrics = ["mae", "r", "acc_7", "acc_2", "f1", "acc_2_nonzero", "f1_nonzero"]
    errors = ["mse/language", "mse/acoustic", "mse/visual"]
    assert table["model"].tolist() == MODELS
    assert list(table) == ["model", "parameters", "seeds", "seconds"] + [
        f"{name}{end}" for name in [*metrics, *errors] for end in ("", "_sd")
    ]
    for _, row in table.iterrows():
        own = rows[rows["model"] == row["model"]]
        assert own["seed"].tolist() == [0, 1] and own["final"].all() and row["seeds"] == SEEDS
        assert row["parameters"] == own["parameters"].iloc[0]
        assert row["seconds"] == pytest.approx(own["seconds"].mean())
        for name in [*metrics, *errors]:
            values = own[f"test/{name}"]
            assert row[name] == pytest.approx(values.mean(), nan_ok=True), name
            assert row[f"{name}_sd"] == pytest.approx(values.std(ddof=1), nan_ok=True), name
    measured = table.set_index("model")[errors].notna()
    assert measured.loc[GENERATING].all(axis=None) and not measured.loc[MODELS[:2]].any(axis=None)
    assert (ablated / "data/08_reporting/sample/ablations.png").stat().st_size > 0


def test_one_run_with_one_nested_a_training(ablated: Path) -> None:
    run, children = runs_of(ablated, "train_ablations")
    assert Counter(child.info.run_name for child in children) == dict.fromkeys(MODELS, SEEDS)
    assert all(c.data.tags["mlflow.parentRunId"] == run.info.run_id for c in children)
    assert {run.info.status, *(child.info.status for child in children)} == {"FINISHED"}
    assert run.data.tags["synthetic"] == "true" and run.data.params["ablations.seeds"] == "2"
    assert {"ablation_trials.csv", "ablations.csv", "ablations.png"} <= artifacts_of(run)
    rows = trials_in(ablated).set_index(["model", "seed"])
    for child in children:
        row = rows.loc[(child.info.run_name, int(child.data.params["seed"]))]
        for name in ("valid/r", "test/r", "test/acc_7", "test/mse/visual"):
            measured = child.data.metrics.get(name, float("nan"))
            assert measured == pytest.approx(row[name], nan_ok=True)
    told = {
        child.info.run_name: tuple(
            child.data.params[name]
            for name in ("fusion", "generates", "predicts_from", "generates_from", "joint")
        )
        for child in children
    }
    every = "('language', 'acoustic', 'visual')"
    assert told == {
        "M_A": ("ef_lstm", "none", "fused", "both", "False"),
        "M_B": ("statistics", "none", "discriminative", "both", "False"),
        "M_C": ("statistics", every, "generative", "generative", "False"),
        "M_D": ("statistics", "all", "discriminative", "discriminative", "False"),
        "M_E": ("statistics", "all", "discriminative", "both", "True"),
        "MFM": ("statistics", "all", "discriminative", "both", "False"),
    }


def test_what_is_finished_is_read_when_resumed(
    in_ablated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained_again(*_: Any) -> None:
        raise AssertionError("a finished trial is trained again")

    monkeypatch.setattr(trials, "fit", trained_again)
    before, table = trials_in(in_ablated), table_in(in_ablated)
    (in_ablated / "data/08_reporting/sample/ablations.csv").unlink()
    result = kedro_run(ARGUMENTS[0], f"{ARGUMENTS[1]},resume=true")
    assert result.exit_code == 0, result.output
    pd.testing.assert_frame_equal(trials_in(in_ablated), before)
    pd.testing.assert_frame_equal(table_in(in_ablated), table)
    _, children = runs_of(in_ablated, "train_ablations")
    assert len(children) == SEEDS * len(MODELS)
    result = kedro_run(ARGUMENTS[0], f"{ARGUMENTS[1]},resume=true,ablations.seeds=3")
    assert result.exit_code == 1
    assert "Error: resume: ablations.seeds is 3, but was 2" in result.output


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("ablations.early_fusion=graph", ("ablations", "early_fusion is 'graph'", "ef_lstm")),
        ("model.generates=[]", ("model.generates none", "expected the same modalities")),
        ("model.predicts_from=fused", ("model", "'fused'; expected generates []")),
    ],
)
def test_a_mistake_is_one_line(in_ablated: Path, params: str, words: tuple[str, ...]) -> None:
    result = kedro_run(ARGUMENTS[0], f"{ARGUMENTS[1]},{params}")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert all(word in line for word in words), line


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_classes_are_compared_by_accuracy(task: str, make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(task=task, targets=2)
    rows = [
        {"model": model, "seed": seed, "final": True, "parameters": 5, "seconds": 1.0}
        | {"test/acc": 0.5 + 0.1 * seed, "test/f1": 0.4, "test/acc/target_0": 0.3}
        | ({"test/mse/visual": 0.2} if model == "MFM" else {})
        for model in ("M_A", "MFM")
        for seed in (0, 1)
    ]
    found = stated(pd.DataFrame(rows), corpus, seeds=(0, 1), settings={})
    table = nodes.summarise(found, corpus)
    assert table["acc"].tolist() == pytest.approx([0.55, 0.55])
    assert table["acc_sd"].tolist() == pytest.approx([0.1 / 2**0.5] * 2)
    labels = [axes.get_ylabel().split(" ")[0] for axes in nodes.plot_ablations(found, corpus).axes]
    assert [label for label in labels if label] == ["acc", "f1", "mse/visual"]
