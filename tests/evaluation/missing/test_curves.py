"""Holes and noise: what they change, by how much, and that draws can be repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.data import Modality
from mfm_pipeline.evaluation import EvaluationOptions
from mfm_pipeline.evaluation.missing import fillings, score_holes, score_method, score_noise
from mfm_pipeline.evaluation.missing.curves import add_noise, feature_spread
from mfm_pipeline.features.holes import draw_holes
from tests.conftest import MakeCorpus
from tests.evaluation.missing.stand_in import model_of
from tests.models.image_samples import image_modality, image_split
from tests.models.samples import ragged_split

OPTIONS = EvaluationOptions(batch_size=8)


@given(st.integers(0, 10_000))
def test_noise_touches_what_is_observed_of_one_modality_alone(seed: int) -> None:
    split = ragged_split(n=9, seed=seed)
    noisy = add_noise(split, "acoustic", np.array([1.0, 0.0, 2.0]), np.random.default_rng(seed))
    before, after = split.modalities["acoustic"], noisy.modalities["acoustic"]
    assert noisy.modalities["language"] is split.modalities["language"]
    np.testing.assert_array_equal(before.steps, after.steps)
    changed = (after.values != before.values)[before.steps]
    assert changed[:, [0, 2]].all() and not changed[:, 1].any()
    assert not after.values[~before.steps].any()


def test_noise_has_the_standard_deviation_that_is_asked_for() -> None:
    values = np.zeros((400, 50, 2), np.float32)
    steps = np.ones((400, 50), bool)
    split = ragged_split({"a": 2, "b": 1}, n=400, steps=50)
    split = replace(
        split, modalities={**split.modalities, "a": Modality(values, np.ones(400, bool), steps)}
    )
    noisy = add_noise(split, "a", np.array([0.5, 3.0]), np.random.default_rng(0))
    drawn = noisy.modalities["a"].values.reshape(-1, 2)
    np.testing.assert_allclose(drawn.std(axis=0), [0.5, 3.0], rtol=0.02)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.05)


def test_samples_that_share_an_image_do_not_share_its_noise() -> None:
    split = image_split(n=30)
    modality = split.modalities["digits"]
    noisy = add_noise(split, "digits", np.full((1, 9, 7), 20.0), np.random.default_rng(0))
    after = noisy.modalities["digits"]
    rows = modality.rows
    i, j = next((i, j) for i in range(30) for j in range(i) if rows[i] == rows[j])
    assert (after.values[i] != after.values[j]).any()
    moved = after.values.astype(float) - modality.values[rows]
    inside = (modality.values[rows] > 90) & (modality.values[rows] < 165)
    assert moved[inside].std() == pytest.approx(20, rel=0.1)
    assert after.values.dtype == np.uint8


def test_spread_of_features_is_over_observed_steps_or_images() -> None:
    modality = ragged_split(n=30).modalities["visual"]
    observed = [modality.values[i, t] for i, t in np.argwhere(modality.steps)]
    np.testing.assert_allclose(feature_spread(modality), np.std(observed, axis=0), rtol=1e-5)
    present = np.arange(20) % 3 > 0
    images = image_modality((2, 4, 3), present, shared=True)
    seen = [images.values[images.rows[i]] for i in np.flatnonzero(present)]
    np.testing.assert_allclose(feature_spread(images), np.std(seen, axis=0), rtol=1e-6)
    none = Modality(modality.values, np.zeros(30, bool), np.zeros_like(modality.steps))
    assert not feature_spread(none).any()


def test_points_of_the_curve_are_scores_with_the_drawn_holes(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    methods = fillings(model_of(corpus), corpus.train, 3)
    curve = score_holes(methods, corpus.test, corpus.train, (0.0, 0.5), 2, OPTIONS)
    assert len(curve) == 4 * (1 + 2)
    holes = draw_holes(corpus.test, 0.5, np.random.default_rng(1))
    for name, method in methods.items():
        at = curve.query(f"method == '{name}'").set_index(["share", "draw"])
        scores = score_method(method, corpus.test, holes, corpus.train.targets, OPTIONS)
        assert at.loc[(0.5, 1), "r"] == scores["r"] != at.loc[(0.5, 0), "r"]
        whole = score_method(method, corpus.test, {}, corpus.train.targets, OPTIONS)
        assert at.loc[(0.0, 0), "r"] == whole["r"]
    assert not any(column.startswith("mse/") for column in curve)
    again = score_holes(methods, corpus.test, corpus.train, (0.0, 0.5), 2, OPTIONS)
    pd.testing.assert_frame_equal(curve, again, check_exact=True)


def test_noise_of_one_modality_at_a_time(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    methods = {"model": fillings(model_of(corpus), corpus.train, 3)["absent"]}
    curve = score_noise(methods, corpus.test, corpus.train, (0.0, 2.0), 2, OPTIONS)
    assert len(curve) == 3 * (1 + 2)
    clean = score_method(methods["model"], corpus.test, {}, corpus.train.targets, OPTIONS)
    assert (curve.query("sd == 0")["r"] == clean["r"]).all()
    spread = feature_spread(corpus.train.modalities["visual"])
    noisy = add_noise(corpus.test, "visual", 2 * spread, np.random.default_rng(1))
    expected = score_method(methods["model"], noisy, {}, corpus.train.targets, OPTIONS)
    point = curve.query("modality == 'visual' and sd == 2 and draw == 1")
    assert point["r"].item() == expected["r"]
