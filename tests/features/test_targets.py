from typing import Any

import numpy as np
import pytest

from mfm_pipeline.errors import DataError
from mfm_pipeline.features.targets import check_varied, make_targets


def _make(labels: Any, task: Any, names: tuple[str, ...], columns: Any = None) -> Any:
    return make_targets(
        np.asarray(labels, dtype=float), task=task, names=names, columns=columns, source="y.h5: d1"
    )


def test_columns_are_chosen_in_order() -> None:
    found = _make([[1, 2, 3], [4, 5, 6]], "regression", ("c", "a"), (2, 0))
    np.testing.assert_array_equal(found.values, [[3, 1], [6, 4]])


def test_classes_come_one_hot_or_as_an_index() -> None:
    names = ("a", "b", "c")
    assert _make([[0, 1, 0], [1, 0, 0]], "multiclass", names).values.tolist() == [1, 0]
    assert _make([[2], [0]], "multiclass", names).values.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("labels", "task", "names", "columns", "message"),
    [
        ([[1], [np.nan]], "regression", ("a",), None, r"1 label\(s\) missing .* row 1: \[nan\]"),
        ([[np.inf]], "regression", ("a",), None, "not finite"),
        ([[1, 2]], "regression", ("a",), None, "found 2 label column"),
        ([[1, 2]], "regression", ("a",), (2,), "expected column 2"),
        ([[1, 1, 0]], "multiclass", ("a", "b", "c"), None, "expected one 1 among 0s"),
        ([[0, 0, 0]], "multiclass", ("a", "b", "c"), None, "expected one 1 among 0s"),
        ([[0, 1]], "multiclass", ("a", "b", "c"), None, "2 class columns; expected 3"),
        ([[3], [0]], "multiclass", ("a", "b", "c"), None, "whole numbers from 0 to 2"),
        ([[0.5]], "multiclass", ("a", "b"), None, "whole numbers"),
        ([[0.5]], "multilabel", ("a",), None, "other than 0 and 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    labels: Any, task: str, names: tuple[str, ...], columns: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _make(labels, task, names, columns)
    assert str(caught.value).startswith("y.h5: d1: ")


def test_a_constant_target_is_refused() -> None:
    check_varied(_make([[1, 2], [2, 1]], "regression", ("a", "b")), "y")
    with pytest.raises(DataError, match=r"y: found target 'b' constant \(2\) in all 2"):
        check_varied(_make([[1, 2], [2, 2]], "regression", ("a", "b")), "y")
    with pytest.raises(DataError, match="found class 'b' alone"):
        check_varied(_make([[1], [1]], "multiclass", ("a", "b")), "y")
