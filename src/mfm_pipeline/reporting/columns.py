"""What the columns of the report's tables are called, and what they measure."""

from __future__ import annotations

import re

import pandas as pd

SPREAD = "_sd"
"""Ends the name of the column that holds a metric's standard deviation."""

OF_PAPER = "_paper"
"""Ends the name of the column that holds the paper's figure, where ours stands beside it."""

LOWER_IS_BETTER = ("mae", "mse")

_METRIC = re.compile(r"(mae|r|f1|acc|mse|ratio)(_\d+)?(_nonzero)?(/.+)?")


def names_of(table: pd.DataFrame) -> list[str]:
    """Return the names of a table's columns."""
    return [str(name) for name in table.columns]


def metric_base(column: str) -> str | None:
    """Return what a column measures (``acc`` of ``acc_2`` and ``acc/happy``); None if nothing."""
    found = _METRIC.fullmatch(column.removesuffix(OF_PAPER))
    return found[1] if found and not column.endswith(SPREAD) else None


def is_of_metric(column: str) -> bool:
    """Return whether a column holds a metric, or its spread."""
    return metric_base(column.removesuffix(SPREAD)) is not None
