"""`kedro run --pipeline=generate`, Figure 2(c): scores of every sampler, figures, and mistakes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread

from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.datasets import CorpusDataset, WeightsDataset
from mfm_pipeline.errors import DataError
from mfm_pipeline.generation import SAMPLERS, from_arrays
from mfm_pipeline.models import Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.pipelines.generate import nodes
from mfm_pipeline.pipelines.generate.options import GenerationOptions, JudgeOptions
from mfm_pipeline.training import TrainingOptions
from tests.conftest import kedro_run
from tests.models.image_samples import SMALL, image_split, mixed_corpus, model_of
from tests.pipelines.conftest import DIGITS, artifacts_of, runs_of, tracking_uri

MODALITIES = ("digits", "blended")
LATENTS = (DISCRIMINATIVE, *MODALITIES)
QUICK = ",".join(
    f"digits.{name}"
    for name in (
        "judge.training.epochs=1",
        "surrogate.epochs=1",
        "generation.scores.samples=24",
        "generation.scores.draws=2",
        "generation.samplers.components=2",
        "generation.columns=3",
    )
)
PER_MODALITY = (
    *("label_consistency", "frechet_of_zy", "frechet_of_joint"),
    *(f"diversity_of_{of}/{by}" for of in ("label", "zy") for by in ("pixels", "features")),
    *(f"style_consistency/{of}" for of in ("latent", "pixels")),
)
SCORES = {
    *((score, name) for score in PER_MODALITY for name in MODALITIES),
    *(("joint_coherence", "all"), ("coherence_from_digits", "blended")),
    ("coherence_from_blended", "digits"),
}


@pytest.fixture(scope="module")
def generated(trained_digits: Path) -> Path:
    """Return a project in which `generate` has run once, quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained_digits)
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri(trained_digits))
        result = kedro_run("--pipeline=generate", f"--params={QUICK}")
    assert result.exit_code == 0, result.output
    assert "Generated images, digits (synthetic data)" in result.output
    return trained_digits


def reported(project: Path, name: str) -> Path:
    return project / f"data/08_reporting/{DIGITS}" / name


def test_scores_of_every_sampler_beside_real_images(generated: Path) -> None:
    table = pd.read_csv(reported(generated, "generation_scores.csv"))
    assert list(table) == ["sampler", "score", "modality", "generated", "real", "chance"]
    assert list(table["sampler"].unique()) == list(SAMPLERS)
    for _, own in table.groupby("sampler"):
        assert set(zip(own["score"], own["modality"], strict=True)) == SCORES
        assert len(own) == len(SCORES)
    assert np.isfinite(table[["generated", "real"]].to_numpy()).all()
    shares = table["score"].str.contains("label_consistency|coherence")
    assert table[shares][["generated", "real", "chance"]].stack().between(0, 1).all()
    # What is real is the same, whatever the others are drawn from.
    real = table[shares].pivot(index=["score", "modality"], columns="sampler", values="real")
    assert (real.nunique(axis=1) == 1).all()


def test_metrics_are_the_scores_of_the_chosen_sampler(generated: Path) -> None:
    metrics = json.loads(reported(generated, "generation_metrics.json").read_text())
    table = pd.read_csv(reported(generated, "generation_scores.csv"))
    chosen = table[table["sampler"] == "mixture"]
    assert set(metrics) == {f"{of}/{s}/{m}" for of in ("generation", "real") for s, m in SCORES}
    for _, row in chosen.iterrows():
        key = f"{row['score']}/{row['modality']}"
        assert metrics[f"generation/{key}"] == pytest.approx(row["generated"])
        assert metrics[f"real/{key}"] == pytest.approx(row["real"])


def test_every_latent_is_set_beside_every_sampler(generated: Path) -> None:
    table = pd.read_csv(reported(generated, "posterior_match.csv"))
    pairs = set(zip(table["latent"], table["sampler"], strict=True))
    assert pairs == {(latent, kind) for latent in LATENTS for kind in SAMPLERS}
    assert (table["samples"] == 80).all()
    # What was fitted to train's latents is nearer to test's than N(0, I) is.
    match = table.pivot(index="latent", columns="sampler", values="mmd")
    assert (match["gaussian"] < match["prior"]).all()


def test_samplers_are_fitted_to_the_latents_of_train(generated: Path) -> None:
    path = generated / f"data/06_models/{DIGITS}"
    states = json.loads((path / "samplers.json").read_text())
    _, model = Blueprint.from_state(WeightsDataset(path=str(path / "mfm")).load())
    corpus = CorpusDataset(filepath=str(generated / f"data/05_model_input/{DIGITS}/corpus.h5"))
    with torch.inference_mode():
        latents = model.encode(Inputs.from_split(corpus.load().train))
    fitted = from_arrays({key: np.array(value) for key, value in states["gaussian"].items()})
    for name in LATENTS:
        values = latents[name].sample.numpy().astype(float)
        np.testing.assert_allclose(fitted[name].means[0], values.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(fitted[name].covariances[0], np.cov(values.T), atol=1e-5)
    mixture = from_arrays({key: np.array(value) for key, value in states["mixture"].items()})
    assert all(len(mixture[name].weights) == 2 for name in LATENTS)


def test_figures_are_pictures(generated: Path) -> None:
    figures = {path.name for path in reported(generated, "generated").iterdir()}
    assert figures == {
        "fixed_label.png",
        *(f"fixed_style_{name}.png" for name in MODALITIES),
        *(f"style_transfer_{name}.png" for name in MODALITIES),
        *(f"{name}_from_others.png" for name in MODALITIES),
        *(f"interpolation_{name}.png" for name in MODALITIES),
    }
    for name in figures:
        pixels = imread(reported(generated, "generated") / name)
        assert pixels.std() > 0.05 and min(pixels.shape[:2]) > 100, name


def test_one_run_with_a_nested_one_for_each_judge_and_surrogate(generated: Path) -> None:
    run, children = runs_of(generated, "generate")
    assert {child.info.run_name for child in children} == {
        f"{kind} {name}" for kind in ("judge of", "surrogate from") for name in MODALITIES
    }
    assert all(c.data.tags["mlflow.parentRunId"] == run.info.run_id for c in children)
    assert {run.info.status, *(child.info.status for child in children)} == {"FINISHED"}
    assert run.data.tags["corpus"] == "digits" and run.data.tags["synthetic"] == "true"
    metrics = json.loads(reported(generated, "generation_metrics.json").read_text())
    assert set(run.data.metrics) == set(metrics)
    assert run.data.params["digits.generation.samplers.sampler.default"] == "mixture"
    assert {"generated", "generation_scores.csv", "posterior_match.csv"} <= artifacts_of(run)


def test_judges_are_trained_apart_from_the_model(generated: Path) -> None:
    path = generated / f"data/06_models/{DIGITS}"
    judges = WeightsDataset(path=str(path / "judges")).load()
    assert set(judges["description"]) == set(MODALITIES)
    for name in MODALITIES:
        options = judges["description"][name]["options"]
        assert options["reads"] == [name] and options["generates"] == []
    own = WeightsDataset(path=str(path / "mfm")).load()["weights"]
    shared = [v for v in judges["weights"].values() for w in own.values() if torch.equal(v, w)]
    assert all(v.unique().numel() == 1 for v in shared)


# Mistakes.


@pytest.fixture(scope="module")
def copied(trained_digits: Path, make_project: Callable[[], Path]) -> Path:
    project = make_project()
    place = f"data/05_model_input/{DIGITS}"
    shutil.copytree(trained_digits / place, project / place)
    return project


@pytest.fixture
def elsewhere(copied: Path, trained_digits: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with the trained model and its corpus, to be spoilt."""
    place = f"data/06_models/{DIGITS}/mfm"
    shutil.rmtree(copied / place, ignore_errors=True)
    shutil.copytree(trained_digits / place, copied / place)
    monkeypatch.chdir(copied)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(trained_digits))
    return copied


def store(project: Path, model: ModelOptions, split: Split) -> None:
    blueprint = Blueprint.of(split, model)
    state = blueprint.to_state(blueprint.build())
    WeightsDataset(path=str(project / f"data/06_models/{DIGITS}/mfm")).save(state)


def corpus_of(project: Path) -> Corpus:
    path = project / f"data/05_model_input/{DIGITS}/corpus.h5"
    corpus: Corpus = CorpusDataset(filepath=str(path)).load()
    return corpus


def discriminative(project: Path) -> None:
    store(project, ModelOptions.model_validate(SMALL | {"generates": []}), corpus_of(project).train)


def of_one_modality(project: Path) -> None:
    options = ModelOptions.model_validate(SMALL | {"generates": "digits"})
    store(project, options, corpus_of(project).train)


def of_one_factor(project: Path) -> None:
    options = ModelOptions.model_validate(SMALL | {"generates_from": "discriminative"})
    store(project, options, corpus_of(project).train)


def of_other_sizes(project: Path) -> None:
    other = image_split({"digits": (1, 28, 28), "blended": (3, 28, 28)})
    store(project, ModelOptions.model_validate(SMALL), other)


def missing(project: Path) -> None:
    shutil.rmtree(project / f"data/06_models/{DIGITS}/mfm")


def paired_anew(project: Path) -> None:
    path = project / f"data/06_models/{DIGITS}/mfm/model.json"
    description = json.loads(path.read_text())
    assert len(description["data"]) == 64
    path.write_text(json.dumps(description | {"data": "0123456789abcdef"}))


@pytest.mark.parametrize(
    ("spoil", "params", "words"),
    [
        (paired_anew, "", ("corpus digits: found data", "expected 0123456789ab, which the model")),
        (discriminative, "", ("the model generates no modality", "generates: null")),
        (of_one_modality, "", ("the model generates digits; expected all of blended, digits",)),
        (of_one_factor, "", ("has the latents discriminative; expected", "one of each modality")),
        (of_other_sizes, "", ("(1, 28, 28)", "(1, 8, 8)")),
        (missing, "", ("digits/mfm: found no model; expected one that a training left",)),
        (None, "digits.generation.samplers.sampler=uniform", ("'uniform'", "prior, gaussian, mix")),
        (
            None,
            "digits.generation.samplers.sampler.blend=prior",
            ("generation.samplers.sampler names", "'blend'", "discriminative, digits, blended"),
        ),
        (None, "digits.generation.samplers.components=500", ("found 280 samples", "'prior'")),
        (None, "digits.generation.scores.samples=1", ("samples is 1", "greater than")),
        (None, "digits.judge.training.epochs=0", ("epochs is 0",)),
        (None, "digits.judge.training.resume=true", ("digits.judge", "resume is true; expected")),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    elsewhere: Path, spoil: Callable[[Path], None] | None, params: str, words: tuple[str, ...]
) -> None:
    if spoil is not None:
        spoil(elsewhere)
    result = kedro_run("--pipeline=generate", f"--params={QUICK},{params}".rstrip(","))
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.output
    # Before any judge is trained.
    assert not (elsewhere / f"data/06_models/{DIGITS}/judge_states").exists()
    assert not (elsewhere / "data/08_reporting" / DIGITS).exists()


def test_judges_of_images_of_other_sizes_are_refused() -> None:
    options = ModelOptions.model_validate(SMALL)
    split = image_split(n=12)
    corpus = Corpus("images", dict.fromkeys(("train", "valid", "test"), split))
    other = image_split({"digits": (1, 12, 12), "blended": (3, 12, 12)})
    judge = Blueprint.of(other, options.model_copy(update={"reads": ("digits",), "generates": ()}))
    judges = {
        "description": {"digits": judge.model_dump(mode="json")},
        "weights": {f"digits.{k}": v for k, v in judge.build().state_dict().items()},
    }
    blueprint = Blueprint.of(split, options)
    model = blueprint.to_state(model_of(split))
    plan = SurrogateBlueprint(model=blueprint, options=SurrogateOptions())
    surrogate = plan.to_state(
        plan.assemble(
            model_of(split),
            [plan.build_network(patterns, model_of(split)) for patterns in plan.networks],
        )
    )
    chosen = GenerationOptions()
    samplers = nodes.fit_samplers(model, corpus, chosen)
    with pytest.raises(DataError, match=r"\(1, 9, 7\).*trained on.*\(1, 12, 12\)"):
        nodes.score_images(model, surrogate, samplers, judges, corpus, chosen)


def test_kinds_for_which_there_is_too_little_are_left_out_unless_chosen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    split = image_split(n=14)
    corpus = Corpus("images", dict.fromkeys(("train", "valid", "test"), split))
    model = Blueprint.of(split, ModelOptions.model_validate(SMALL)).to_state(model_of(split))

    def kinds(sampler: object) -> list[str]:
        options = GenerationOptions.model_validate({"samplers": {"sampler": sampler}})
        states = nodes.fit_samplers(model, corpus, options)
        table = nodes.match_posterior(model, states, corpus, options)
        assert list(table["sampler"].unique()) == list(states)
        return list(states)

    assert kinds("prior") == kinds("gaussian") == ["prior", "gaussian"]
    assert "mixture is left out: sampler 'mixture' of latent 'discriminative': found 13" in (
        caplog.text
    )
    for chosen in ("mixture", {"digits": "mixture", "default": "prior"}):
        with pytest.raises(DataError, match="sampler 'mixture'"):
            kinds(chosen)


def test_samplers_may_differ_between_latents(generated: Path) -> None:
    path = generated / f"data/06_models/{DIGITS}"
    model = WeightsDataset(path=str(path / "mfm")).load()
    judges = WeightsDataset(path=str(path / "judges")).load()
    surrogate = WeightsDataset(path=str(path / "surrogate")).load()
    states = json.loads((path / "samplers.json").read_text())
    for key in states["gaussian"]:
        if key.endswith("covariances"):  # A point: what is drawn from it is all alike.
            states["gaussian"][key] = np.zeros_like(states["gaussian"][key]).tolist()
    corpus = corpus_of(generated)
    options = GenerationOptions.model_validate(
        {
            "samplers": {"sampler": {"digits": "gaussian", "default": "prior"}, "components": 2},
            "scores": {"samples": 24, "draws": 2},
        }
    )
    scores = nodes.score_images(model, surrogate, states, judges, corpus, options)
    assert list(scores["sampler"].unique()) == [*SAMPLERS, "chosen"]
    by_sampler = scores.set_index(["sampler", "score", "modality"])["generated"]
    for sampler, alike in (("gaussian", MODALITIES), ("prior", ()), ("chosen", ("digits",))):
        spread = {name: by_sampler[sampler, "diversity_of_zy/pixels", name] for name in MODALITIES}
        assert {name for name in MODALITIES if spread[name] < 1e-6} == set(alike), sampler
    metrics = nodes.report_scores(scores, corpus, options)
    chosen = by_sampler["chosen", "label_consistency", "digits"]
    assert metrics["generation/label_consistency/digits"] == chosen


def test_the_split_that_is_asked_for_is_scored(generated: Path) -> None:
    path = generated / f"data/06_models/{DIGITS}"
    model = WeightsDataset(path=str(path / "mfm")).load()
    # A model of before the digest of its corpus was kept: here test is changed by hand.
    model["description"]["data"] = None
    judges = WeightsDataset(path=str(path / "judges")).load()
    surrogate = WeightsDataset(path=str(path / "surrogate")).load()
    states = json.loads((path / "samplers.json").read_text())
    corpus = corpus_of(generated)
    of_one_label = corpus.test.select(np.flatnonzero(corpus.test.targets.values == 3))
    spoilt = replace(corpus, splits=dict(corpus.splits) | {"test": of_one_label})
    scores = {"samples": 24, "draws": 2}
    on_test = GenerationOptions.model_validate({"scores": scores})
    on_valid = on_test.model_copy(update={"split": "valid"})
    match = nodes.match_posterior(model, states, spoilt, on_valid)
    assert set(match["samples"]) == {len(corpus.valid)} != {len(of_one_label)}
    assert len(nodes.score_images(model, surrogate, states, judges, spoilt, on_valid))
    with pytest.raises(DataError, match=r"of 1 label\(s\)"):
        nodes.score_images(model, surrogate, states, judges, spoilt, on_test)


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        (mixed_corpus("regression"), "found 1 image modalities and a regression task"),
        (mixed_corpus("multilabel"), "found 1 image modalities and a multilabel task"),
    ],
)
def test_judges_need_images_of_classes(tmp_path: Path, corpus: Corpus, said: str) -> None:
    options = JudgeOptions(model=ModelOptions(), training=TrainingOptions())
    with pytest.raises(DataError, match=said):
        nodes.train_judges(corpus, options, tmp_path)
    assert not list(tmp_path.iterdir())
