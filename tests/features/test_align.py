from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mfm_pipeline.errors import DataError
from mfm_pipeline.features import overlap
from mfm_pipeline.features.align import align
from tests.features.reference import align_literally

EPS = 1e-5
# On a grid, so that intervals touch, repeat and nest; and off it by amounts around the
# bound, where rounding would show.
NUDGES = st.sampled_from([0.0, 0.0, EPS, -EPS, 0.999 * EPS, 1.001 * EPS, 2 * EPS, 1e-12])
POINTS = st.builds(lambda i, nudge: i / 10 + nudge, st.integers(-5, 40), NUDGES)
LENGTHS = st.one_of(
    st.sampled_from([0.0, EPS, 1.001 * EPS, 0.1, 0.1, 0.3, 5.0, -0.2]), st.floats(-1, 5)
)


@st.composite
def intervals(draw: st.DrawFn, most: int) -> Any:
    pairs = draw(st.lists(st.tuples(POINTS, LENGTHS), max_size=most))
    return np.array([(start, start + length) for start, length in pairs]).reshape(-1, 2)


@st.composite
def frames(draw: st.DrawFn) -> tuple[Any, Any]:
    found = draw(intervals(14))
    special = st.sampled_from([np.nan, np.inf, -np.inf, 1e4, 3e38, -3e38])
    values = st.one_of(st.floats(-10, 10, width=32), special)
    width = draw(st.integers(1, 3))
    shape = (len(found), width)
    return found, draw(hnp.arrays(np.float32, shape, elements=st.one_of(values, values)))


@settings(max_examples=300, deadline=None)
@given(words=intervals(8), track=frames(), skip=st.booleans(), block=st.sampled_from([1, 7, 2**21]))
def test_the_literal_double_loop_agrees(words: Any, track: Any, skip: bool, block: int) -> None:
    rule = "skip" if skip else "zero"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap, "_BLOCK", block)
        means, observed = align(words, *track, min_overlap=EPS, bad_frames=rule)
    expected, expected_observed = align_literally(words, *track, EPS, skip=skip)
    np.testing.assert_array_equal(observed, expected_observed)
    # Sums in float64 are as exact as the largest value in their column allows.
    values = np.abs(np.where(np.isfinite(track[1]), track[1], 0).astype(np.float64))
    largest = values.max(axis=0, initial=1)
    assert (np.abs(means - expected) <= 1e-6 * np.abs(expected) + 1e-13 * largest).all()


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_long_video_with_a_large_offset_loses_nothing(shuffled: bool) -> None:
    """Twenty minutes at 100 Hz around 1e4: sums of everything so far would cancel."""
    rng = np.random.default_rng(0)
    starts = np.arange(120_000) / 100
    track = np.stack([starts, starts + 0.01], axis=1)
    features = (1e4 + rng.normal(size=(len(starts), 2))).astype(np.float32)
    features[50] = 1e30
    words = np.stack([starts[90_000:90_040:8], starts[90_000:90_040:8] + 0.3], axis=1)
    means = align(words, track, features)[0]
    if shuffled:
        order = rng.permutation(len(starts))
        means = align(words, track[order], features[order])[0]
    near = slice(89_900, 90_200)
    expected, _ = align_literally(words, track[near], features[near], EPS, skip=True)
    np.testing.assert_allclose(means, expected, rtol=1e-6)


def test_by_hand() -> None:
    words = np.array([[0.0, 1.0], [1.0, 2.0], [5.0, 6.0]])
    track = np.array([[0.9, 1.1], [0.0, 0.5], [1.5, 9.0], [1.999991, 2.5]])
    features = np.array([[1, 1], [3, np.nan], [5, 7], [100, 100]], dtype=np.float32)
    means, observed = align(words, track, features)
    np.testing.assert_allclose(means, [[2, 1], [3, 4], [5, 7]])
    assert observed.tolist() == [True, True, True]
    means, observed = align(words, track, features, bad_frames="zero")
    np.testing.assert_allclose(means, [[2, 0], [3, 4], [5, 7]])
    assert observed.tolist() == [True, True, True]


def test_a_word_of_bad_frames_alone_is_not_observed() -> None:
    words = np.array([[0.0, 1.0]])
    features = np.full((1, 2), -np.inf, dtype=np.float32)
    for rule, seen in [("skip", False), ("zero", True)]:
        means, observed = align(words, words, features, bad_frames=rule)  # type: ignore[arg-type]
        assert observed.tolist() == [seen] and not means.any()


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(DataError, match="1 intervals, but 2 features"):
        align(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((2, 3), dtype=np.float32))
