"""Paired bootstrap against a loop over resamples, SciPy, and its level on equal models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mfm_pipeline.evaluation.metrics import pearson_r
from mfm_pipeline.evaluation.paired import Resamples, difference, holm


def literal(metric: str, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Score each target and seed by itself."""
    scores = np.empty((len(predicted), true.shape[1]))
    for s, one in enumerate(predicted):
        for k in range(true.shape[1]):
            y, p = true[:, k], one[:, k]
            if metric == "r":
                scores[s, k] = pearson_r(y, p)
            elif metric == "mae":
                scores[s, k] = np.mean(np.abs(y - p))
            else:
                scores[s, k] = np.mean(y == p)
    return scores.mean(axis=0)


@given(
    samples=st.integers(2, 12),
    targets=st.integers(1, 3),
    seeds=st.integers(1, 3),
    metric=st.sampled_from(["r", "mae", "acc"]),
    seed=st.integers(0, 1000),
)
def test_it_is_the_metric_of_the_samples_drawn(
    samples: int, targets: int, seeds: int, metric: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, size=(samples, targets)).astype(float)
    predicted = rng.integers(0, 3, size=(seeds, samples, targets)).astype(float)
    found = Resamples(range(samples), 7, seed).of(metric, true, predicted)
    assert found.shape == (8, targets)
    np.testing.assert_allclose(found[0], literal(metric, true, predicted), atol=1e-12)
    draws = np.random.default_rng(seed).multinomial(samples, np.full(samples, 1 / samples), 7)
    for row, counts in zip(found[1:], draws, strict=True):
        index = np.repeat(np.arange(samples), counts)
        expected = literal(metric, true[index], predicted[:, index])
        np.testing.assert_allclose(row, expected, atol=1e-9)


@given(
    groups=st.lists(st.sampled_from("abcd"), min_size=2, max_size=12),
    metric=st.sampled_from(["r", "mae", "acc"]),
    seed=st.integers(0, 1000),
)
def test_groups_are_drawn_whole(groups: list[str], metric: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, size=(len(groups), 2)).astype(float)
    predicted = rng.integers(0, 3, size=(1, len(groups), 2)).astype(float)
    found = Resamples(groups, 7, seed).of(metric, true, predicted)
    names = sorted(set(groups))
    draws = np.random.default_rng(seed).multinomial(len(names), [1 / len(names)] * len(names), 7)
    for row, counts in zip(found[1:], draws, strict=True):
        index = [
            i
            for name, count in zip(names, counts, strict=True)
            for _ in range(count)
            for i, own in enumerate(groups)
            if own == name
        ]
        expected = literal(metric, true[index], predicted[:, index])
        np.testing.assert_allclose(row, expected, atol=1e-9)


def test_the_same_model_twice_is_not_ahead_of_itself() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(30, 2))
    one = Resamples(range(30), 200, 0).of("r", true, true[None] + rng.normal(size=(3, 30, 2)))
    assert difference(one, one) == (0.0, 0.0, 0.0, 1.0)


def test_interval_of_a_mean_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    true = np.zeros((80, 1))
    first, second = rng.normal(1.0, 1, (1, 80, 1)), rng.normal(0.7, 1, (1, 80, 1))
    draws = Resamples(range(80), 9999, 0)
    found = difference(draws.of("mae", true, first), draws.of("mae", true, second))
    errors = np.abs(first[0, :, 0]) - np.abs(second[0, :, 0])
    expected = stats.bootstrap(
        (errors,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.value == pytest.approx(errors.mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.015)


def test_its_level_is_kept_where_models_are_equally_good() -> None:
    rng = np.random.default_rng(3)
    rejected = 0
    for seed in range(300):
        true = rng.normal(size=(100, 1))
        two = true + rng.normal(size=(2, 100, 1))
        draws = Resamples(range(100), 299, seed)
        rejected += difference(*(draws.of("r", true, one[None]) for one in two)).p_value < 0.05
    assert 0.02 <= rejected / 300 <= 0.09


def test_a_better_model_is_found() -> None:
    rng = np.random.default_rng(4)
    true = rng.normal(size=(200, 1))
    draws = Resamples(range(200), 500, 0)
    good, bad = (draws.of("r", true, true[None] + rng.normal(0, s, (3, 200, 1))) for s in (0.5, 2))
    ahead = difference(good, bad)
    assert ahead.low > 0 and ahead.p_value < 0.01
    assert difference(bad, good).value == pytest.approx(-ahead.value)


def test_constant_predictions_have_no_correlation() -> None:
    true = np.arange(5.0)[:, None]
    assert (Resamples(range(5), 20, 0).of("r", true, np.full((1, 5, 1), 2.5)) == 0).all()


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.5]), [0.04, 0.09, 0.09, 0.5])
    np.testing.assert_allclose(holm([0.4, np.nan, 0.3]), [0.6, np.nan, 0.6])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p: list[float]) -> None:
    corrected = holm(p)
    assert (corrected >= np.asarray(p) - 1e-15).all() and (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= -1e-15).all()


def test_where_segments_of_a_video_are_alike_only_videos_keep_the_level() -> None:
    """Twenty videos of ten segments that nearly have one error: 20 facts, not 200."""
    rng = np.random.default_rng(4)
    videos = np.repeat(np.arange(20), 10)
    rejected = np.zeros(2)
    for seed in range(200):
        true = rng.normal(size=(200, 1))
        errors = rng.normal(size=(2, 20, 1))[:, videos] + 0.1 * rng.normal(size=(2, 200, 1))
        for kind, groups in enumerate((range(200), videos)):
            draws = Resamples(groups, 199, seed)
            first, second = (draws.of("mae", true, (true + one)[None]) for one in errors)
            rejected[kind] += difference(second, first).p_value < 0.05
    by_sample, by_video = rejected / 200
    assert by_sample > 0.3 and by_video < 0.12
