"""Sentences, windows, and means over the words of a step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.features.steps import (
    average_words,
    cut_windows,
    hull,
    join_tokens,
    split_sentences,
)


def test_a_sentence_ends_where_words_or_silence_say_so() -> None:
    words = np.array([[0, 1], [1, 2], [2.1, 3], [3.6, 4], [4, 5], [5, 6]], dtype=float)
    tokens = np.array(["So", "good.", "Really", "yes", "no?", "ok"])
    assert split_sentences(words, tokens, 0.5).tolist() == [0, 0, 1, 2, 2, 3]
    assert split_sentences(words, None, 0.5).tolist() == [0, 0, 0, 1, 1, 1]
    assert split_sentences(words, None, 9).tolist() == [0] * 6
    assert split_sentences(words[:0], tokens[:0], 1).tolist() == []


def test_silence_is_measured_from_the_last_end_so_far() -> None:
    words = np.array([[0, 5], [1, 2], [5.2, 6]])
    assert split_sentences(words, None, 0.5).tolist() == [0, 0, 0]


def test_windows_are_cut_from_the_start_and_the_last_are_kept() -> None:
    segments = np.array([[0, 2.5], [10, 14], [7, 7], [20, 20.3]])
    windows, slots, counts = cut_windows(segments, 1.0, 3)
    assert counts.tolist() == [3, 4, 0, 1]
    expected = [[0, 1], [1, 2], [2, 2.5], [11, 12], [12, 13], [13, 14], [20, 20.3]]
    np.testing.assert_allclose(windows, expected)
    assert slots.tolist() == [[0, 1, 2], [3, 4, 5], [-1, -1, -1], [-1, -1, 6]]


def test_a_tiny_rest_is_no_window_of_its_own() -> None:
    windows, _, counts = cut_windows(np.array([[0, 2.005]]), 1.0, 5)
    assert counts.tolist() == [2]
    np.testing.assert_allclose(windows, [[0, 1], [1, 2.005]])


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 20)), min_size=1, max_size=5),
    st.floats(0.1, 5),
    st.integers(1, 8),
)
def test_windows_cover_the_end_of_each_segment_without_gaps(
    spans: list[tuple[float, float]], seconds: float, steps: int
) -> None:
    segments = np.array([[start, start + length] for start, length in spans])
    windows, slots, counts = cut_windows(segments, seconds, steps)
    for (start, end), places, count in zip(segments, slots, counts, strict=True):
        own = windows[places[places >= 0]]
        assert len(own) == min(count, steps)
        assert (places[: steps - len(own)] == -1).all()
        if len(own):
            assert own[-1, 1] == end
            np.testing.assert_allclose(own[1:, 0], own[:-1, 1], atol=1e-9)
            assert (own[:, 1] > own[:, 0]).all()
            assert count > steps or own[0, 0] == start
            assert (own[:, 1] - own[:, 0] <= 1.011 * seconds).all()
        else:
            assert start == end


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 5))
def test_means_are_those_of_a_loop(seed: int, words: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(words, 3)).astype(np.float32)
    observed = rng.random(words) < 0.6
    step = rng.integers(steps, size=words)
    means, found = average_words(values, observed, step, steps)
    for index in range(steps):
        own = values[(step == index) & observed]
        expected = own.astype(np.float64).mean(axis=0) if len(own) else np.zeros(3)
        np.testing.assert_allclose(means[index], expected, rtol=1e-6, atol=1e-7)
        assert found[index] == (len(own) > 0)


def test_hull_and_text_of_each_step() -> None:
    words = np.array([[0, 1], [1, 3], [2, 2.5]])
    step = np.array([0, 1, 1])
    assert hull(words, step, 2).tolist() == [[0, 1], [1, 3]]
    tokens = np.array(["a", "b", "c"])
    assert join_tokens(tokens, step, 3).tolist() == ["a", "b c", ""]
