"""Neighbours of a segment, against a search by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.context import PLACE, in_context, neighbours


@given(
    segments=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=15, unique=True
    ),
    window=st.integers(1, 4),
)
def test_neighbours_are_those_of_the_video_in_order(
    segments: list[tuple[str, int]], window: int
) -> None:
    ids = np.array([f"{video}[{number}]" for video, number in segments])
    rows, place = neighbours(ids, window)
    for row, (video, number) in enumerate(segments):
        own = sorted(n for v, n in segments if v == video)
        at = own.index(number)
        expected = [f"{video}[{n}]" for n in own[max(0, at - window) : at + window + 1]]
        inside = rows[row][rows[row] >= 0]
        assert list(ids[inside]) == expected
        # Behind what is padded.
        assert (rows[row][-len(expected) :] >= 0).all()
        assert rows[row, place[row]] == row


def test_a_video_of_one_segment_has_no_neighbour() -> None:
    rows, place = neighbours(np.array(["a", "a[0]", "b", "a[1]"]), 2)
    assert [list(r[r >= 0]) for r in rows] == [[0], [1, 3], [2], [1, 3]]
    assert list(place) == [1, 0, 1, 1]


def split_of(ids: list[str], present: list[bool]) -> Split:
    n = len(ids)
    have = np.array(present)
    steps = np.ones((n, 2), dtype=bool)
    part = {
        "sound": Modality(np.zeros((n, 2, 1), np.float32), have, steps & have[:, None]),
        "sight": Modality(np.zeros((n, 2, 1), np.float32), np.ones(n, bool), steps),
    }
    targets = Targets(np.zeros((n, 1), np.float32), ("score",), "regression")
    return Split(part, targets, np.array(ids))


def test_steps_are_segments_and_those_that_lack_a_modality_are_not_read() -> None:
    split = split_of(["v[1]", "v[0]", "w[0]"], [True, False, False])
    values = np.array([[1.0], [np.nan], [np.nan]], dtype=np.float32)
    found = in_context(split, {"sound": values, "sight": np.full((3, 2), 5, np.float32)}, 3)
    sound = found.modalities["sound"]
    assert sound.values[:, :, 0].tolist() == [[0, 1], [0, 1], [0, 0]]
    assert sound.steps is not None
    assert sound.steps.tolist() == [[False, True], [False, True], [False, False]]
    assert sound.present.tolist() == [True, True, False]
    marker = found.modalities[PLACE]
    assert marker.steps is not None
    assert marker.steps.tolist() == [[False, True], [True, False], [False, True]]
    assert list(found.ids) == list(split.ids)


def test_a_sample_without_anything_around_it_is_without_anything() -> None:
    split = split_of(["v[0]", "v[1]", "w"], [True, False, False])
    features = {"sound": np.ones((3, 1), np.float32)}
    found = in_context(split, features, window=1)
    marker = found.modalities[PLACE]
    assert marker.steps is not None
    assert marker.present.tolist() == [True, True, False]
    assert marker.steps.any(axis=1).tolist() == [True, True, False]
    assert found.has_any_modality.tolist() == [True, True, False]


def test_a_modality_of_that_name_is_refused() -> None:
    split = split_of(["v[0]"], [True])
    taken = Split(
        {PLACE: split.modalities["sound"], "sight": split.modalities["sight"]},
        split.targets,
        split.ids,
    )
    with pytest.raises(DataError, match=re.escape(f"a modality is called '{PLACE}'")):
        in_context(taken, {}, 1)
