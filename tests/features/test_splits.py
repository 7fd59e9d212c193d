from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfm_pipeline.data import Task
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.features.splits import check_straddling, draw_splits


def _samples(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return samples of `count` videos, one to six each, and their skewed labels."""
    rng = np.random.default_rng(seed)
    videos = np.array([f"v{i:03d}" for i in rng.permutation(count)])
    mood = rng.exponential(size=count)
    members = np.repeat(np.arange(count), rng.integers(1, 7, count))
    return videos[members], mood[members, None] + 0.1 * rng.normal(size=(len(members), 1)), rng


@settings(deadline=None)
@given(
    count=st.integers(3, 60),
    valid=st.integers(1, 20) | st.floats(0.02, 0.5),
    test=st.integers(1, 20) | st.floats(0.02, 0.5),
    task=st.sampled_from(["regression", "multiclass", "multilabel"]),
    k=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_group_is_in_one_split_of_the_size_asked_for(
    count: int, valid: float, test: float, task: Task, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(count), rng.integers(0, count, 2 * count)]).astype(str)
    labels = rng.integers(0, 2, (3 * count, k)).astype(float)
    sizes = {"valid": valid, "test": test}
    sizes = {name: size if size >= 1 else round(size * count) for name, size in sizes.items()}
    sizes["train"] = count - sum(sizes.values())
    if min(sizes.values()) < 1:
        with pytest.raises(DataError, match=f"found {count} groups, which leaves"):
            draw_splits(groups, labels, task=task, valid=valid, test=test, seed=seed)
        return
    found = draw_splits(groups, labels, task=task, valid=valid, test=test, seed=seed)
    assert list(found) == ["train", "valid", "test"]
    assert {name: len(split) for name, split in found.items()} == sizes
    assert sorted(np.concatenate(list(found.values()))) == sorted(set(groups))
    assert all(list(split) == sorted(split) for split in found.values())
    check_straddling(found)
    mixed = rng.permutation(len(groups))
    again = draw_splits(groups[mixed], labels[mixed], task=task, valid=valid, test=test, seed=seed)
    for name, split in found.items():
        np.testing.assert_array_equal(again[name], split)


def test_the_order_of_samples_does_not_matter_to_the_last_digit() -> None:
    # 0.1 + 0.2 + 0.3 depends on the order: the two groups must still tie.
    groups = np.array(["a", "a", "a", "b", "b", "b", "c", "d"])
    labels = np.array([0.1, 0.2, 0.3, 0.3, 0.2, 0.1, 5, -5])[:, None]
    draws = set()
    for seed in range(20):
        mixed = np.random.default_rng(seed).permutation(8)
        found = draw_splits(
            groups[mixed], labels[mixed], task="regression", valid=1, test=1, seed=4
        )
        draws.add(tuple(name for split in found.values() for name in split))
    assert len(draws) == 1


def test_the_seed_matters() -> None:
    groups, labels, _ = _samples(60, 0)
    draws = {
        tuple(draw_splits(groups, labels, task="regression", valid=6, test=9, seed=seed)["test"])
        for seed in range(10)
    }
    assert len(draws) == 10


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_targets_count_alike_whatever_their_scale(task: Task) -> None:
    groups, labels, rng = _samples(60, 1)
    labels = np.hstack([labels, rng.normal(size=labels.shape)])

    def draw(labels: Any) -> list[str]:
        found = draw_splits(groups, labels, task=task, valid=9, test=0.2, seed=3)
        return [name for split in found.values() for name in split]

    assert draw(labels * [1, 1024]) == draw(labels)
    assert draw(np.hstack([labels, labels * 0 + 7, labels * 0])) == draw(labels)


def _gap(splits: Any, summary: dict[str, float]) -> float:
    """Return how far the mean of any split lies from that of all."""
    overall = np.mean(list(summary.values()))
    return max(abs(np.mean([summary[name] for name in split]) - overall) for split in splits)


@pytest.mark.parametrize("kind", ["regression", "two targets", "one-hot", "index", "multilabel"])
def test_splits_are_more_alike_than_by_chance(kind: str) -> None:
    drawn, chance = [], []
    for seed in range(40):
        groups, labels, rng = _samples(80, seed)
        names = np.unique(groups)
        task: Task = "regression"
        if kind == "two targets":  # On other scales, which must not matter.
            labels = np.hstack([labels, 1000 - 1000 * labels**2])
            value = ((labels - labels.mean(0)) / labels.std(0)).mean(1)
        elif kind in ("one-hot", "index"):
            task, index = "multiclass", np.digitize(labels[:, 0], (0.7, 1.5))
            labels = np.eye(3)[index] if kind == "one-hot" else index[:, None].astype(float)
            # The rarest class, as the most frequent of a group.
            value = index
        elif kind == "multilabel":
            task, labels = "multilabel", (labels > [0.3, 1.5]).astype(float)
            value = labels.sum(1)
        else:
            value = labels[:, 0]
        summary = {}
        for name in names:
            mine = value[groups == name]
            if task == "multiclass":
                summary[name] = float(np.bincount(mine, minlength=3).argmax() == 2)
            else:
                summary[name] = mine.mean()
        found = draw_splits(groups, labels, task=task, valid=0.1, test=12, seed=seed)
        drawn.append(_gap(found.values(), summary))
        random = rng.permutation(names)
        chance.append(_gap((random[:60], random[60:68], random[68:]), summary))
    assert np.mean(drawn) < 0.6 * np.mean(chance)
    assert np.max(drawn) < np.max(chance)


@pytest.mark.parametrize("size", [0, -1, 1.5, float("nan"), float("inf")])
def test_sizes_are_shares_or_numbers(size: float) -> None:
    groups, labels, _ = _samples(9, 0)
    with pytest.raises(ParameterError, match=f"valid is {size}; expected a share"):
        draw_splits(groups, labels, task="regression", valid=size, test=1, seed=0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((3, 1)), r"found shape \(3, 1\) for 4 samples"),
        (np.zeros(4), r"found shape \(4,\) for 4 samples"),
        (np.zeros((4, 0)), r"found shape \(4, 0\) for 4 samples"),
        (np.array([[0.0], [1], [np.nan], [2]]), "found NaN or infinity"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_splits(np.array(list("abcd")), labels, task="regression", valid=1, test=1, seed=0)


def test_empty_splits_are_refused_with_counts() -> None:
    with pytest.raises(DataError, match="found 3 groups, which leaves 2 for train, 0 for valid, 1"):
        draw_splits(
            np.array(["a", "a", "b", "c"]), np.eye(4), task="regression", valid=0.1, test=1, seed=0
        )


def test_a_group_in_two_splits_is_named() -> None:
    splits = {"train": ["a", "a", "b"], "valid": ["c"], "test": ["d"]}
    check_straddling({name: np.array(groups) for name, groups in splits.items()})
    splits["test"] = ["d", "b", "a"]
    with pytest.raises(DataError, match=r"found 2 group\(s\) in both train and test \('a', 'b'\)"):
        check_straddling({name: np.array(groups) for name, groups in splits.items()})
    splits["valid"] = [*"vwxyz"]
    splits["test"] = [*"zyxwe"]
    with pytest.raises(DataError, match=r"found 4 .* valid and test \('w', 'x', 'y', \.\.\.\)"):
        check_straddling({name: np.array(groups) for name, groups in splits.items()})
