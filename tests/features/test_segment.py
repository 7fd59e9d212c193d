from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mfm_pipeline.features.segment import (
    Members,
    assign_words,
    count_overlapping,
    fill_steps,
    find_dropped,
    fit_steps,
    last_steps,
)
from tests.features.reference import overlap

EPS = 1e-5


def _pairs(members: Members) -> list[tuple[int, int]]:
    return list(zip(members.segments.tolist(), members.words.tolist(), strict=True))


def _assign_literally(segments: Any, words: Any) -> set[tuple[int, int]]:
    pairs = set()
    for w, word in enumerate(words):
        shared = [overlap(segment, word) for segment in segments]
        middle = (word[0] + word[1]) / 2
        own = [
            s
            for s, (start, end) in enumerate(segments)
            if shared[s] > EPS and start <= middle < end
        ]
        stray = [s for s in range(len(segments)) if shared[s] > EPS]
        if not own and stray:
            own = [min(stray, key=lambda s: (-shared[s], segments[s][0]))]
        pairs |= {(s, w) for s in own}
    return pairs


POINTS = st.integers(0, 20).map(lambda i: i / 4)


@st.composite
def intervals(draw: st.DrawFn, most: int) -> Any:
    pairs = draw(st.lists(st.tuples(POINTS, POINTS), max_size=most))
    return np.array(pairs, dtype=float).reshape(-1, 2)


@settings(max_examples=200, deadline=None)
@given(segments=intervals(6), words=intervals(10))
def test_the_literal_rule_agrees(segments: Any, words: Any) -> None:
    assert set(_pairs(assign_words(segments, words))) == _assign_literally(segments, words)


@settings(max_examples=200, deadline=None)
@given(
    borders=st.lists(st.floats(0, 1000), min_size=2, max_size=8, unique=True).map(sorted),
    words=st.lists(st.tuples(st.floats(0, 1000), st.floats(1e-3, 50)), max_size=12),
    slip=st.sampled_from([0.0, 1e-9, -1e-9, 9e-6]),
)
def test_no_word_lands_in_two_touching_segments(
    borders: list[float], words: list[tuple[float, float]], slip: float
) -> None:
    """Ends may differ from the next start by rounding, either way."""
    segments = np.array([borders[:-1], np.array(borders[1:]) + slip]).T
    segments = segments[np.diff(segments, axis=1)[:, 0] > 1e-4]
    spoken = np.array([(start, start + length) for start, length in words]).reshape(-1, 2)
    members = assign_words(segments, spoken)
    assert len(set(members.words.tolist())) == len(members.words)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=8))
def test_overlapping_segments_are_counted(spans: list[tuple[int, int]]) -> None:
    spans = sorted((start, start + length) for start, length in spans)
    overlapping = sum(any(spans[j][1] > spans[i][0] for j in range(i)) for i in range(len(spans)))
    segments = np.array(spans, dtype=float).reshape(-1, 2)[::-1]
    assert count_overlapping(segments) == overlapping
    assert count_overlapping(segments + np.array([0, 1e-6])) == overlapping


def test_by_hand() -> None:
    """Words inside, across a border, past the end, in a gap, and in two nested segments."""
    segments = np.array([[0.0, 1.0], [1.0, 2.0], [3.0, 4.0], [0.0, 2.0]])
    words = np.array([[0.9, 1.3], [0.1, 0.4], [3.8, 4.8], [2.2, 2.8], [0.5, 1.5]])
    assert _pairs(assign_words(segments, words)) == [
        (0, 1), (1, 4), (1, 0), (2, 2), (3, 1), (3, 4), (3, 0),
    ]  # fmt: skip


def test_the_last_steps_are_kept_and_padding_is_on_the_left() -> None:
    members = Members(np.array([0, 0, 0, 2]), np.array([5, 3, 4, 1]))
    slots = last_steps(members, segments=3, steps=2)
    assert slots.tolist() == [[3, 4], [-1, -1], [-1, 1]]
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    np.testing.assert_array_equal(
        fill_steps(slots, values), [[[6, 7], [8, 9]], [[0, 0], [0, 0]], [[0, 0], [2, 3]]]
    )
    tokens = np.array(["a", "b", "c", "d", "e", "f"])
    assert fill_steps(slots, tokens).tolist() == [["d", "e"], ["", ""], ["", "b"]]


def test_short_words_and_pauses_are_told_apart() -> None:
    words = np.array([[0, 1], [1, 1 + 0.9e-5], [2, 3], [4, 3], [5, 5.0]])
    tokens = np.array(["a", "sp", "sp", "b", "c"])
    short, pause = find_dropped(words, tokens, ("sp",), EPS)
    assert short.tolist() == [False, True, False, True, True]
    assert pause.tolist() == [False, False, True, False, False]
    assert not find_dropped(words, None, ("sp",), EPS)[1].any()


def test_sequences_are_brought_to_length() -> None:
    values = np.arange(6, dtype=np.float32).reshape(1, 3, 2)
    np.testing.assert_array_equal(fit_steps(values, 2), [[[2, 3], [4, 5]]])
    np.testing.assert_array_equal(fit_steps(values, 4)[0, 0], [0, 0])
    np.testing.assert_array_equal(fit_steps(values, 3), values)
