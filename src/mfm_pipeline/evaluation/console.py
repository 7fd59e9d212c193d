"""Tables on a console of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from mfm_pipeline.logs import CONSOLE_WIDTH


def print_comparison(table: pd.DataFrame, title: str) -> None:
    """Print a comparison; with several targets a row a target, a column a metric.

    Parameters
    ----------
    table : DataFrame
        As `mfm_pipeline.evaluation.comparison` returns it.
    title : str
        What the numbers are of.
    """
    predictors = list(table.columns[1:])
    rows: dict[str, list[float]] = {
        str(metric): list(values) for metric, *values in table.itertuples(index=False)
    }
    # Metrics that are given as a mean, and once more for each target.
    means = [key for key in rows if any(other.startswith(f"{key}/") for other in rows)]
    console = Console(width=min(CONSOLE_WIDTH, Console().width))
    if means:
        columns = [f"{mean} {predictor}" for mean in means for predictor in predictors]
        names = [key.removeprefix(f"{means[0]}/") for key in rows if key.startswith(means[0] + "/")]
        by_target = {"mean": [value for mean in means for value in rows.pop(mean)]}
        for name in names:
            by_target[name] = [v for mean in means for v in rows.pop(f"{mean}/{name}")]
        console.print(_table("target", columns, by_target, title))
        title = ""
    if rows:
        console.print(_table("metric", predictors, rows, title))


def print_table(table: pd.DataFrame, title: str, *, lead: str = "") -> None:
    """Print a table whose first column names its rows.

    Parameters
    ----------
    table : DataFrame
        Numbers are rounded to three digits; missing ones are left blank.
    title : str
        What the numbers are of.
    lead : str
        What comes of them, above the table.
    """
    console = Console(width=min(CONSOLE_WIDTH, Console().width))
    if lead:
        console.print(lead, markup=False, highlight=False)
    first, *columns = map(str, table.columns)
    # Narrow: seven columns of numbers have to fit beside the names.
    shown = Table(title=title, title_justify="left", padding=(0, 0, 0, 1))
    shown.add_column(first)
    for column in columns:
        numbers = pd.api.types.is_numeric_dtype(table[column])
        shown.add_column(column.replace("_", " "), justify="right" if numbers else "left")
    for name, *values in table.itertuples(index=False):
        shown.add_row(str(name), *map(_cell, values))
    console.print(shown)


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(
    first: str, columns: Sequence[str], rows: Mapping[str, Sequence[float]], title: str
) -> Table:
    table = Table(title=title or None, title_justify="left")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    for name, values in rows.items():
        table.add_row(name, *("" if pd.isna(value) else f"{value:.3f}" for value in values))
    return table
