"""Scores of a method against loops over samples and steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.evaluation import EvaluationOptions, score
from mfm_pipeline.evaluation.missing import FilledModel, GenerativeOnly, fillings, score_method
from mfm_pipeline.evaluation.missing.score import infer
from mfm_pipeline.features.holes import punch
from mfm_pipeline.models import Inputs
from tests.conftest import MakeCorpus
from tests.evaluation.missing.stand_in import counting, model_of
from tests.models.image_samples import mixed_corpus
from tests.models.image_samples import model_of as image_model_of
from tests.models.samples import ragged_split

OPTIONS = EvaluationOptions(batch_size=4)


@given(st.integers(0, 10_000))
def test_errors_are_those_of_the_steps_that_are_generated(seed: int) -> None:
    split = ragged_split(n=9, seed=seed)
    rng = np.random.default_rng(seed)
    holes = {name: rng.random(9) > 0.5 for name in ("language", "visual")}
    left = punch(split, holes).step_mask
    inferred = infer(counting, split, holes, batch_size=4)
    scores = score_method(counting, split, holes, split.targets, OPTIONS)
    assert not any(key.startswith("mse/acoustic") for key in scores)
    for name in ("language", "visual"):
        modality = split.modalities[name]
        errors = []
        for i in range(9):
            squares = []
            for t in np.flatnonzero(modality.steps[i]):
                # Steps are counted from the first one that is left; before it is nothing.
                number = left[i, : t + 1].sum() - 1 if left[i, t] else 0
                squares += list((modality.values[i, t] - number) ** 2)
            error = np.mean(squares) if squares else 0.0
            np.testing.assert_allclose(inferred.errors[name][i], error, rtol=1e-5)
            if modality.present[i] and holes[name][i]:
                errors.append(error)
        if errors:
            assert scores[f"mse/{name}"] == pytest.approx(np.mean(errors), rel=1e-5)
        else:
            assert f"mse/{name}" not in scores


def test_what_has_nothing_left_is_predicted_trivially() -> None:
    split = ragged_split(n=9, seed=1)
    everyone = np.ones(9, dtype=bool)
    scores = score_method(
        counting, split, {"language": everyone, "acoustic": everyone}, split.targets, OPTIONS
    )
    visual = split.modalities["visual"].present
    steps = punch(split, {"language": everyone, "acoustic": everyone}).step_mask.sum(axis=1)
    median = np.median(split.targets.values)
    expected = np.where(visual, steps, median).astype(np.float32)[:, None]
    assert not visual.all() and visual.any()
    for key, value in score(split.targets, expected).items():
        assert scores[key] == pytest.approx(value)


def test_without_holes_every_modality_is_scored_where_it_is() -> None:
    split = ragged_split(n=9, seed=2)
    scores = score_method(counting, split, {}, split.targets, OPTIONS)
    inferred = infer(counting, split, {}, batch_size=9)
    for name, modality in split.modalities.items():
        assert scores[f"mse/{name}"] == pytest.approx(
            inferred.errors[name][modality.present].mean(), rel=1e-5
        )


def test_fills_count_as_what_is_reconstructed(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    methods = fillings(model_of(corpus), corpus.train, 3)
    everyone = np.ones(len(corpus.test), dtype=bool)
    found = {
        name: score_method(method, corpus.test, {"visual": everyone}, corpus.train.targets, OPTIONS)
        for name, method in methods.items()
    }
    visual, train = corpus.test.modalities["visual"], corpus.train.modalities["visual"]
    observed = [visual.values[i][visual.steps[i]] for i in np.flatnonzero(visual.present)]
    mean = train.values[train.steps].mean(axis=0)
    for name, fill in {"zeros": 0.0, "mean": mean}.items():
        expected = np.mean([((values - fill) ** 2).mean() for values in observed])
        assert found[name]["mse/visual"] == pytest.approx(expected, rel=1e-5)
    # Four ways to look at the same samples.
    assert len({round(scores["r"], 6) for scores in found.values()}) == 4


def test_holes_do_not_let_through_what_was_there(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    everyone = np.ones(len(corpus.test), dtype=bool)
    holes = {"language": everyone}
    other = punch(corpus.test, holes)
    for method in fillings(model_of(corpus), corpus.train, 3).values():
        seen = infer(method, corpus.test, holes, 16)
        blank = infer(method, other, {}, 16)
        np.testing.assert_array_equal(seen.prediction, blank.prediction)
        np.testing.assert_array_equal(seen.known, blank.known)


def test_a_generative_method_has_errors_alone(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    everyone = np.ones(len(corpus.test), dtype=bool)
    model = model_of(corpus)
    scores = score_method(
        GenerativeOnly(model), corpus.test, {"visual": everyone}, corpus.train.targets, OPTIONS
    )
    assert list(scores) == ["mse/visual"]
    told = score_method(
        FilledModel(model), corpus.test, {"visual": everyone}, corpus.train.targets, OPTIONS
    )
    assert scores["mse/visual"] == told["mse/visual"]


def test_an_image_that_is_missing_is_compared_with_the_true_one() -> None:
    corpus = mixed_corpus(sizes=(40, 8, 12))
    everyone = np.ones(12, dtype=bool)
    model = image_model_of(corpus.train)
    methods = fillings(model, corpus.train, 3)
    picture = corpus.test.modalities["picture"]
    present = np.flatnonzero(picture.present)
    scores = score_method(
        methods["zeros"], corpus.test, {"picture": everyone}, corpus.train.targets, OPTIONS
    )
    expected = np.mean([np.mean((picture.values[i] / 255.0) ** 2) for i in present])
    assert scores["mse/picture"] == pytest.approx(expected, rel=1e-5)
    batch = Inputs.from_split(punch(corpus.test, {"picture": everyone}))
    for method in methods.values():
        assert not method(batch).prediction.isnan().any()
