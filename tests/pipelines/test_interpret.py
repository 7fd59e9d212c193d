"""`kedro run --pipeline=interpret`: Table 6, Figure 4, the page, and mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import CorpusDataset
from mfm_pipeline.errors import DataError
from mfm_pipeline.interpretation import flow_at_words, flow_table
from mfm_pipeline.models import Blueprint, ModelOptions
from mfm_pipeline.pipelines.interpret import nodes
from mfm_pipeline.pipelines.interpret.options import InterpretationOptions
from mfm_pipeline.simulation import SampleOptions, sentiment_words
from mfm_pipeline.training import fit
from mfm_pipeline.training.options import TrainingOptions
from tests.conftest import kedro_run
from tests.models.image_samples import SMALL, mixed_corpus
from tests.pipelines.conftest import artifacts_of, runs_of, tracking_uri

QUICK = (
    "interpretation.information.permutations=19,interpretation.information.resamples=100,"
    "interpretation.flow.samples=2"
)
REPORTED = "data/08_reporting/sample"
MODALITIES = ["language", "acoustic", "visual"]


@pytest.fixture(scope="module")
def interpreted(finished: Path) -> Path:
    """Return a project in which `interpret` has run once, quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri(finished))
        result = kedro_run("--pipeline=interpret", f"--params={QUICK}")
    assert result.exit_code == 0, result.output
    assert "sample (synthetic data), test" in result.output
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    return finished


def test_table_has_a_row_a_kernel_and_modality(interpreted: Path) -> None:
    table = pd.read_csv(interpreted / REPORTED / "information.csv")
    assert table["modality"].tolist() == MODALITIES * 2
    assert table["bandwidth"].tolist() == ["median"] * 3 + ["1.0"] * 3
    assert table["estimator"].tolist() == ["unbiased"] * 3 + ["biased"] * 3
    numbers = table[["mi_discriminative", "mi_generative", "ratio", "ratio_low", "ratio_high"]]
    assert np.isfinite(numbers.to_numpy()).all()
    assert (table["ratio_low"] < table["ratio_high"]).all()
    ratio = table["mi_discriminative"] / table["mi_generative"]
    np.testing.assert_allclose(table["ratio"], ratio)


def test_flow_is_of_every_sample_step_and_modality(interpreted: Path) -> None:
    table = pd.read_parquet(interpreted / REPORTED / "gradient_flow.parquet")
    assert list(table) == ["id", "modality", "step", "word", "flow"]
    assert table["id"].nunique() == 112 and list(table["modality"].unique()) == MODALITIES
    assert (table["flow"] >= 0).all() and (table["word"] != "").all()
    counts = table.groupby(["id", "modality"]).size().unstack()
    assert counts.nunique(axis=1).eq(1).all()


def test_figures_page_and_run(interpreted: Path) -> None:
    reported = interpreted / REPORTED
    assert {path.name for path in (reported / "gradient_flow").iterdir()} == {
        "sample_0.png",
        "sample_1.png",
    }
    page = (reported / "gradient_flow.html").read_text(encoding="utf-8")
    assert "sample (synthetic data), test" in page and "sample_48[0]" in page
    assert (reported / "information.png").stat().st_size > 0
    run, children = runs_of(interpreted, "interpret")
    assert not children and run.data.tags["synthetic"] == "true"
    assert {"information.csv", "gradient_flow.html", "gradient_flow.parquet"} <= artifacts_of(run)
    assert run.data.params["interpretation.split"] == "test"


def test_planted_words_are_tested(interpreted: Path) -> None:
    table = pd.read_csv(interpreted / REPORTED / "planted_words.csv")
    assert table["modality"].tolist() == MODALITIES
    assert table["p_value"].between(1 / 20, 1).all()
    words = sentiment_words(SampleOptions())
    assert words["great"] > 0 > words["boring"] and not {"movie", "the"} & set(words)
    # What a word of the first pole says most, the label hears most.
    assert abs(words["great"]) > abs(words["wow"]) > 0


def test_flow_finds_the_planted_words(finished: Path, tmp_path: Path) -> None:
    """A small model, which generates language alone, shows what the default one does."""
    corpus = CorpusDataset(filepath=finished / "data/05_model_input/sample/corpus.h5").load()
    options = ModelOptions.model_validate(
        {
            "fusion": "statistics",
            "prior_weight": 0.1,
            "reconstruction": 0.1,
            "generates": ("language",),
            "discriminative": {"latent": 32, "factor": 32},
            "generative": {"encoder": "statistics", "latent": 64, "factor": 64, "decoder": 64},
        }
    )
    training = TrainingOptions(epochs=30, batch_size=32, learning_rate=0.003, averaging=0.99)
    model = fit(corpus, options, training, tmp_path).model
    flow = flow_table(model, corpus.test)
    (row,) = flow_at_words(flow, sentiment_words(SampleOptions())).to_dict("records")
    assert row["p_value"] < 0.01 and row["difference"] > 0.1
    # What the words say, and not where any words stand: nothing is left with the words of
    # other samples.
    rng = np.random.default_rng(0)
    spoken = {name: list(of) for name, of in flow.groupby("id")["word"]}
    alike: dict[int, list[str]] = {}
    for name, of in spoken.items():
        alike.setdefault(len(of), []).append(name)
    words: dict[str, list[str]] = {}
    for names in alike.values():
        words |= {
            name: spoken[other] for name, other in zip(names, rng.permutation(names), strict=True)
        }
    flow["word"] = np.concatenate([words[name] for name in flow["id"].unique()])
    (other,) = flow_at_words(flow, sentiment_words(SampleOptions())).to_dict("records")
    assert other["difference"] < 0.5 * row["difference"]


def test_the_same_seed_gives_the_same_table(
    interpreted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(interpreted)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(interpreted))
    files = [interpreted / REPORTED / f"{name}.csv" for name in ("information", "planted_words")]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    nodes_of = "interpretation.measure_information,interpretation.compare_planted_words"
    result = kedro_run("--pipeline=interpret", f"--nodes={nodes_of}", f"--params={QUICK}")
    assert result.exit_code == 0, result.output
    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("interpretation.flow.samples=-1", ("flow", "samples", "-1", "greater than or equal to 0")),
        ("interpretation.flow.samples=[nobody]", ("flow.samples names 'nobody'", "sample_48[0]")),
        ("interpretation.split=tset", ("split is 'tset'", "'train', 'valid' or 'test'")),
        ("interpretation.information.subsample=3", ("subsample is 3", "greater than or equal")),
    ],
)
def test_a_mistake_is_one_line(
    interpreted: Path, monkeypatch: pytest.MonkeyPatch, params: str, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(interpreted)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(interpreted))
    result = kedro_run(
        "--pipeline=interpret", "--nodes=interpretation.plot_flow", f"--params={params}"
    )
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert all(word in line for word in words), line


def test_before_training_the_error_says_what_is_missing(
    make_project: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, interpreted: Path
) -> None:
    monkeypatch.chdir(make_project())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(interpreted))
    result = kedro_run("--pipeline=interpret")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert "06_models/sample/mfm" in line or "05_model_input/sample/corpus.h5" in line


def state_of(corpus: Corpus, **changes: object) -> dict[str, object]:
    options = ModelOptions.model_validate(SMALL | changes)
    blueprint = Blueprint.of(corpus.train, options)
    return blueprint.to_state(blueprint.build())


def test_images_beside_sequences_without_words() -> None:
    corpus = mixed_corpus()
    options = InterpretationOptions.model_validate(
        {"information": {"permutations": 19, "resamples": 100}, "flow": {"samples": 1}}
    )
    state = state_of(corpus)
    information = nodes.measure_information(state, corpus, options)
    assert information["time"].tolist() == ["none", "mean"] * 2
    flow = nodes.measure_flow(state, corpus, options)
    predictions = pd.DataFrame(
        {"id": corpus.test.ids, "true/level": 1.0, "predicted/level": np.float64(0.5)}
    )
    figures = nodes.plot_flow(flow, predictions, corpus, options)
    assert list(figures) == ["sample_0.png"]
    page = nodes.write_page(flow, predictions, corpus, options)
    assert re.search(r'\["level","1","0.5"\]', page)
    other = SampleOptions(corpus="pom")
    assert nodes.compare_planted_words(flow, corpus, other, options).empty
    with pytest.raises(DataError, match="found none for sample 'test_0'"):
        nodes.write_page(flow, predictions.iloc[1:], corpus, options)


def test_a_model_that_generates_nothing_is_refused() -> None:
    corpus = mixed_corpus()
    with pytest.raises(DataError, match="generates nothing"):
        nodes.measure_flow(state_of(corpus, generates=()), corpus, InterpretationOptions())
