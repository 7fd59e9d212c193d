"""Draw splits by group, alike in their labels; and check that no group straddles two.

A group is what must not be divided: a video, or all that a speaker says.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import SPLIT_NAMES, Task
from mfm_pipeline.errors import DataError, ParameterError

Groups = NDArray[np.str_]
Keys = NDArray[np.float64] | NDArray[np.intp]


def draw_splits(
    groups: Groups,
    labels: NDArray[np.floating],
    *,
    task: Task,
    valid: float,
    test: float,
    seed: int,
) -> dict[str, Groups]:
    """Draw groups for validation and test, stratified by their labels.

    The groups are put in the order of their labels, equal ones in random order. For the
    test they are cut into as many stretches of neighbours as groups are wanted, and one is
    drawn from each; for validation likewise, from the rest. So each split follows the
    distribution of the labels, whatever its size.

    Regression and multilabel: groups are ordered by the mean over samples and targets of
    the labels, each standardised so that all count alike. Multiclass: by the class most
    frequent in the group, the lower of equals, then by its share.

    Parameters
    ----------
    groups : ndarray of str, shape (n,)
        Group of each sample.
    labels : ndarray of float, shape (n, k)
        Numbers, or 0 and 1; multiclass: one-hot, or one column of class indices.
    task : {"regression", "multiclass", "multilabel"}
    valid, test : float or int
        Share of the groups if below 1, rounded to whole groups, otherwise their number.
    seed : int
        The same seed gives the same splits, in whatever order the samples come.

    Returns
    -------
    dict of str to ndarray of str
        Sorted names of the groups of ``train``, ``valid`` and ``test``.

    Raises
    ------
    ParameterError
        If `valid` or `test` is neither a share nor a number.
    DataError
        If a split would be empty, labels are not one row a sample, or not finite.
    """
    if labels.ndim != 2 or len(labels) != len(groups) or not labels.size:
        raise DataError(
            f"labels to draw splits by: found shape {labels.shape} for {len(groups)} samples; "
            "expected a row a sample"
        )
    if not np.isfinite(labels).all():
        raise DataError("labels to draw splits by: found NaN or infinity; expected numbers")
    # In one order, for sums depend on it in their last digit.
    order = np.lexsort((*labels.T, groups))
    names, members = np.unique(groups[order], return_inverse=True)
    counts = _counts(len(names), {"valid": valid, "test": test})
    keys = _class_keys if task == "multiclass" else _mean_keys
    rng = np.random.default_rng(seed)
    left = np.lexsort((rng.permutation(len(names)), *keys(members, labels[order])))
    drawn = {}
    for split in ("test", "valid"):
        places = _one_of_each_stretch(len(left), counts[split], rng)
        drawn[split] = left[places]
        left = np.delete(left, places)
    drawn["train"] = left
    return {split: names[np.sort(drawn[split])] for split in SPLIT_NAMES}


def check_straddling(splits: Mapping[str, Groups]) -> None:
    """Check that no group is in two splits.

    Parameters
    ----------
    splits : mapping of str to ndarray of str
        Groups of each split; a group may be repeated within one.

    Raises
    ------
    DataError
        If one is: what is learnt of it in training would be known in the test.
    """
    for first, second in combinations(splits, 2):
        if len(both := np.intersect1d(splits[first], splits[second])):
            shown = ", ".join(f"'{name}'" for name in both[:3])
            more = ", ..." if len(both) > 3 else ""
            raise DataError(
                f"splits: found {len(both)} group(s) in both {first} and {second} "
                f"({shown}{more}); expected each video or speaker in one split"
            )


def _counts(total: int, wanted: Mapping[str, float]) -> dict[str, int]:
    for split, size in wanted.items():
        if not (0 < size < 1 or (size >= 1 and float(size).is_integer())):
            raise ParameterError(
                f"{split} is {size}; expected a share of the groups above 0 and below 1, "
                "or a whole number of them"
            )
    counts = {
        split: round(size * total) if size < 1 else int(size) for split, size in wanted.items()
    }
    counts = {"train": total - sum(counts.values()), **counts}
    if min(counts.values()) < 1:
        found = ", ".join(f"{count} for {split}" for split, count in counts.items())
        raise DataError(
            f"splits: found {total} groups, which leaves {found}; expected at least one each, "
            "by ingestion.splits.valid and test"
        )
    return counts


def _mean_keys(members: NDArray[np.intp], labels: NDArray[np.floating]) -> tuple[Keys, ...]:
    """Return the mean of standardised labels of each group."""
    spread = labels.std(axis=0)
    units = (labels - labels.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return (np.bincount(members, units.mean(axis=1)) / np.bincount(members),)


def _class_keys(members: NDArray[np.intp], labels: NDArray[np.floating]) -> tuple[Keys, ...]:
    """Return share and index of the most frequent class of each group, the last counts first."""
    classes = labels[:, 0].astype(np.intp) if labels.shape[1] == 1 else labels.argmax(axis=1)
    found, index = np.unique(classes, return_inverse=True)
    table = np.zeros((members.max() + 1, len(found)))
    np.add.at(table, (members, index), 1)
    return table.max(axis=1) / table.sum(axis=1), table.argmax(axis=1)


def _one_of_each_stretch(total: int, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Cut ``0 .. total`` into `count` stretches, alike in length, and draw one from each."""
    edges = np.arange(count + 1) * total // count
    return rng.integers(edges[:-1], edges[1:])
