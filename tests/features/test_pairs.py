"""Pairs by label: what they must hold, all that exist, and how often each is drawn."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.data import SPLIT_NAMES
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.features.pairs import Pairs, halve_by_label, pair_by_label

WAYS = st.sampled_from(["disjoint", "as_published"])
BALANCES = st.sampled_from(["balanced", "as_they_come"])


def label_set(*counts: int, seed: int = 0) -> np.ndarray:
    """So many images of each class, shuffled."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(labels)


def pair(labels: dict[str, np.ndarray], **options: Any) -> Pairs:
    defaults = {"classes": 2, "count": 12, "valid": 0.25, "test": 0.25}
    return pair_by_label(labels, **{**defaults, **options})


def of_split(pairs: Pairs, split: str) -> tuple[np.ndarray, np.ndarray]:
    chosen = pairs.splits == split
    return pairs.rows[chosen], pairs.labels[chosen]


@given(
    counts=st.lists(st.lists(st.integers(12, 30), min_size=3, max_size=3), min_size=2, max_size=4),
    count=st.integers(12, 100),
    way=WAYS,
    balance=BALANCES,
    seed=st.integers(0, 2**32),
)
def test_what_pairs_hold(
    counts: list[list[int]], count: int, way: Any, balance: Any, seed: int
) -> None:
    labels = {f"set {m}": label_set(*c, seed=m) for m, c in enumerate(counts)}
    options = {"classes": 3, "count": count, "way": way, "balance": balance, "seed": seed}
    pairs = pair(labels, **options)

    assert pairs.names == tuple(labels) and pairs.rows.shape == (count, len(counts))
    assert pairs.rows.dtype == pairs.labels.dtype == np.int64
    for row, label in zip(pairs.rows, pairs.labels, strict=True):
        assert {int(labels[n][i]) for n, i in zip(pairs.names, row, strict=True)} == {label}
    assert len({tuple(row) for row in pairs.rows.tolist()}) == count

    sizes = Counter(pairs.splits.tolist())
    valid = test = round(count * 0.25)
    assert sizes == {"train": count - valid - test, "valid": valid, "test": test}
    assert list(pairs.splits) == sorted(pairs.splits, key=SPLIT_NAMES.index)

    if balance == "balanced":
        for of in (pairs.labels, *(of_split(pairs, split)[1] for split in SPLIT_NAMES)):
            each = np.bincount(of, minlength=3)
            assert each.max() - each.min() <= 1
    for first, second in itertools.combinations(SPLIT_NAMES, 2):
        common = {
            name: len(set(of_split(pairs, first)[0][:, m]) & set(of_split(pairs, second)[0][:, m]))
            for m, name in enumerate(pairs.names)
        }
        assert pairs.images_in_both(first, second) == common
        if way == "disjoint":
            assert not any(common.values())

    again = pair(labels, **options)
    for name in ("rows", "labels", "splits"):
        np.testing.assert_array_equal(getattr(pairs, name), getattr(again, name))


@pytest.mark.parametrize("way", ["disjoint", "as_published"])
@pytest.mark.parametrize("balance", ["balanced", "as_they_come"])
def test_seeds_differ_and_classes_are_shuffled(way: Any, balance: Any) -> None:
    labels = {"a": label_set(40, 40), "b": label_set(40, 40, seed=1)}
    first, second = (pair(labels, count=200, way=way, balance=balance, seed=s) for s in (0, 1))
    assert (first.rows != second.rows).any()
    changes = np.count_nonzero(np.diff(of_split(first, "train")[1]))
    assert changes > 25  # Of 99; 50 is expected, and 1 in the order of classes.


def test_all_pairs_that_exist_can_be_drawn() -> None:
    labels = {"a": np.array([0, 1, 0, 1, 1]), "b": np.array([1, 1, 0, 0, 0])}
    existing = [
        (i, j) for i, j in itertools.product(range(5), range(5)) if labels["a"][i] == labels["b"][j]
    ]
    assert len(existing) == 12
    for balance in ("balanced", "as_they_come"):
        pairs = pair(labels, count=12, way="as_published", balance=balance)
        assert sorted(map(tuple, pairs.rows.tolist())) == existing
    with pytest.raises(DataError, match="all images: found 12 that exist; expected the 13 that"):
        pair(labels, count=13, way="as_published", balance="as_they_come")
    with pytest.raises(DataError, match=r"class [01]: found 6 that exist, of [23] x [23] images"):
        pair(labels, count=13, way="as_published")


@pytest.mark.parametrize("balance", ["balanced", "as_they_come"])
def test_each_pair_is_as_likely_as_another(balance: Any) -> None:
    labels = {"a": label_set(3, 3), "b": label_set(3, 3, seed=1)}
    drawn = Counter[tuple[int, ...]]()
    in_train = Counter[tuple[int, ...]]()
    for seed in range(600):
        pairs = pair(labels, count=9, way="as_published", balance=balance, seed=seed)
        drawn.update(map(tuple, pairs.rows.tolist()))
        in_train.update(map(tuple, of_split(pairs, "train")[0].tolist()))
    assert len(drawn) == 18
    # 9 of 18, and 5 of 9 of those; five standard deviations are 61 and 56.
    for pair_drawn, times in drawn.items():
        assert abs(times - 300) < 61
        assert abs(in_train[pair_drawn] - 167) < 56


def test_classes_as_they_come_are_as_frequent_as_their_pairs() -> None:
    labels = {"a": label_set(40, 10), "b": label_set(20, 20, seed=1)}
    for way in ("disjoint", "as_published"):
        shares = [
            of_split(pair(labels, count=60, way=way, balance="as_they_come", seed=s), split)[1]
            for s in range(60)
            for split in SPLIT_NAMES
        ]
        # 800 pairs of class 0, 200 of class 1.
        assert np.concatenate(shares).mean() == pytest.approx(0.2, abs=0.03)


def test_images_are_divided_class_by_class() -> None:
    labels = {"a": label_set(20, 40), "b": label_set(40, 20, seed=1)}
    pairs = pair(labels, count=320, valid=0.2, test=0.2, balance="as_they_come")
    found = {
        split: [
            [len(np.unique(rows[of == c, m])) for c in range(2)]
            for m in range(2)
        ]
        for split in ("valid", "test")
        for rows, of in [of_split(pairs, split)]
    }  # fmt: skip
    # All of them are drawn: the 64 pairs that exist.
    assert found["valid"] == found["test"] == [[4, 8], [8, 4]]


@pytest.mark.parametrize(
    ("labels", "options", "error", "said"),
    [
        ({"a": [0, 1]}, {}, DataError, "found 1 set(s); expected at least two"),
        ({"a": [0, 1, 2], "b": [0, 1]}, {}, DataError, "a: found label 2; expected 0 .. 1"),
        ({"a": [0, 1], "b": [0, -1]}, {}, DataError, "b: found label -1; expected 0 .. 1"),
        ({"a": [0, 1], "b": [0, 0]}, {}, DataError, "b: found no image of class 1"),
        ({"a": [0, 1], "b": []}, {}, DataError, "b: found no image of class 0"),
        (
            {"a": [0, 1] * 4, "b": [0] * 4 + [1] * 2},
            {},
            DataError,
            "b: class 1: found 2 images, 1 for valid and 1 for test; expected at least one",
        ),
        (
            {"a": [0, 1] * 8, "b": [0, 1] * 12},
            {"count": 60},
            DataError,
            "pairs: valid: class 0: found 6 that exist, of 2 x 3 images; expected the 8",
        ),
        (
            {"a": [0, 1] * 8, "b": [0, 1] * 12},
            {"count": 60, "balance": "as_they_come"},
            DataError,
            "pairs: valid: found 12 that exist; expected the 15 that are asked for",
        ),
        (
            {"a": [0, 1] * 8, "b": [0, 1] * 8},
            {"count": 4, "valid": 0.1},
            ParameterError,
            "4 pairs leave 3 for train, 0 for valid, 1 for test",
        ),
        (
            {str(m): [0, 1] * 1024 for m in range(7)},
            {"way": "as_published"},
            DataError,
            "expected less than 2^63",
        ),
    ],
)
def test_what_cannot_be_paired(labels: Any, options: Any, error: Any, said: str) -> None:
    sets = {name: np.array(found, np.int64) for name, found in labels.items()}
    with pytest.raises(error, match=re.escape(said)) as caught:
        pair(sets, **options)
    assert "\n" not in str(caught.value)


@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_halves(counts: list[int], seed: int) -> None:
    labels = label_set(*counts)
    halves = halve_by_label(labels, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(halves)), np.arange(sum(counts)))
    for c, count in enumerate(counts):
        sizes = [int((labels[rows] == c).sum()) for rows in halves]
        assert sizes == [count - count // 2, count // 2]
    np.testing.assert_array_equal(halves[0], halve_by_label(labels, seed)[0])


def test_halves_are_drawn() -> None:
    labels = np.zeros(10, np.int64)
    first = np.array([halve_by_label(labels, seed)[0] for seed in range(400)])
    times = np.bincount(first.ravel(), minlength=10)
    assert (np.abs(times - 200) < 50).all()
