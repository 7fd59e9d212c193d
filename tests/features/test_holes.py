"""Samples that lose modalities."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.data.patterns import observed_patterns
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.holes import draw_holes, punch
from tests.models.samples import ragged_split, whole_split


@given(share=st.sampled_from([0.0, 0.25, 0.5, 1.0]), seed=st.integers(0, 99))
def test_a_share_loses_something_and_nobody_everything(share: float, seed: int) -> None:
    split = ragged_split(n=40, seed=seed)
    present = np.stack([m.present for m in split.modalities.values()])
    holes = np.stack(list(draw_holes(split, share, np.random.default_rng(seed)).values()))
    assert not (holes & ~present).any()
    able = present.sum(axis=0) > 1
    lossy = holes.any(axis=0)
    assert not lossy[~able].any()
    assert lossy.sum() == round(share * able.sum())
    left = (present & ~holes).sum(axis=0)
    assert (left[lossy] >= 1).all()


def test_each_pattern_is_drawn_as_often() -> None:
    split = whole_split({"a": 1, "b": 1, "c": 1}, n=6000, steps=1)
    holes = draw_holes(split, 1.0, np.random.default_rng(0))
    left = {name: m.present & ~holes[name] for name, m in split.modalities.items()}
    names, counts = np.unique(observed_patterns(left), return_counts=True)
    assert sorted(names) == ["a", "a+b", "a+c", "b", "b+c", "c"]
    # 1,000 each, with a standard deviation of 29.
    assert np.abs(counts - 1000).max() < 120


def test_same_seed_same_holes() -> None:
    split = ragged_split(n=30)
    first, again, other = (draw_holes(split, 0.5, np.random.default_rng(s)) for s in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@given(seed=st.integers(0, 99))
def test_punched_samples_are_as_a_literal_loop_leaves_them(seed: int) -> None:
    split = ragged_split(n=12, seed=seed)
    rng = np.random.default_rng(seed)
    holes = {name: rng.random(12) < 0.5 for name in ("language", "visual")}
    punched = punch(split, holes, fill=np.nan)
    for i, name in product(range(12), split.modalities):
        before, after = split.modalities[name], punched.modalities[name]
        gone = name in holes and holes[name][i]
        assert after.present[i] == (before.present[i] and not gone)
        expected = np.zeros_like(before.steps[i]) if gone else before.steps[i]
        assert np.array_equal(after.steps[i], expected)
        if gone and before.present[i]:
            assert np.isnan(after.values[i]).all()
        else:
            assert np.array_equal(after.values[i], before.values[i], equal_nan=True)
    for i in range(12):
        loses = any(holes[name][i] and split.modalities[name].present[i] for name in holes)
        words = split.words[i].copy()
        if loses:
            observed = [m.steps[i] for m in punched.modalities.values()]
            for t in range(len(words)):
                if not any(steps[: t + 1].any() for steps in observed):
                    words[t] = ""
        assert np.array_equal(punched.words[i], words)


def test_what_is_punched_is_left_as_it_was() -> None:
    split = ragged_split()
    before = {name: m.values.copy() for name, m in split.modalities.items()}
    punch(split, {"language": np.ones(len(split), np.bool_)})
    for name, values in before.items():
        assert np.array_equal(split.modalities[name].values, values, equal_nan=True)


def test_images_stay_where_they_lie() -> None:
    images = np.arange(2 * 4, dtype=np.uint8).reshape(2, 1, 2, 2)
    rows = np.array([0, 1, 1])
    present = np.ones(3, np.bool_)
    split = Split(
        {name: Modality(images, present, rows=rows) for name in ("left", "right")},
        Targets(np.zeros(3, np.int64), ("0", "1"), "multiclass"),
        np.array(["a", "b", "c"]),
    )
    punched = punch(split, {"left": np.array([False, True, False])})
    assert punched.modalities["left"].values is images
    assert punched.modalities["left"].present.tolist() == [True, False, True]
    assert punched.modalities["right"].present.all()


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("smell", np.zeros(9, np.bool_)),
        ("language", np.zeros(8, np.bool_)),
        ("language", np.zeros(9, np.int64)),
    ],
)
def test_holes_that_do_not_fit_are_named(name: str, mask: np.ndarray) -> None:
    with pytest.raises(DataError, match=name):
        punch(ragged_split(), {name: mask})
