"""The paper's own figures (Tables 1 to 7, Figure 3, Section 3.2), as data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pandas as pd

_FILE = "paper.csv"


@cache
def paper_figures() -> pd.DataFrame:
    """Return every figure that the paper prints of MFM and its baselines.

    Returns
    -------
    DataFrame
        ``table`` (``table_1``, ``figure_3``), ``corpus`` (by the name of its
        environment), ``method``, ``missing`` (the modality, in Table 2; else empty),
        ``metric`` (by the project's keys), ``value`` (accuracies and F1 from 0 to 1),
        ``note`` (of SOTA1 and SOTA2: the model; where the paper is of two minds: how).
    """
    with (files(__package__) / _FILE).open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False, dtype={"value": float})


def corpora_of(table: str) -> tuple[str, ...]:
    """Return the corpora of one of the paper's tables, in its order."""
    figures = paper_figures()
    return tuple(figures.loc[figures["table"] == table, "corpus"].unique())


def paper_rows(table: str, corpus: str) -> pd.DataFrame:
    """Return the paper's table of one corpus, a row a method, a column a metric.

    Returns
    -------
    DataFrame
        ``method``, ``missing`` where the table has it, and the metrics, NaN where the
        paper has none; empty if the paper has no figure of this corpus.
    """
    chosen = _of(table, corpus)
    keys = ["method", "missing"] if chosen["missing"].any() else ["method"]
    wide = chosen.pivot_table(
        index=keys, columns="metric", values="value", aggfunc="first", sort=False, observed=True
    )
    # Reconstruction stands first, though some models of a table have none.
    order = sorted(map(str, wide.columns), key=lambda metric: not metric.startswith("mse/"))
    return wide[order].reset_index().rename_axis(columns=None)


def paper_notes(table: str, corpus: str) -> dict[tuple[str, str, str], str]:
    """Return the notes on figures of one table and corpus, by method, missing and metric."""
    chosen = _of(table, corpus)
    rows = chosen[["method", "missing", "metric", "note"]].itertuples(index=False)
    return {(method, missing, metric): note for method, missing, metric, note in rows if note}


def paper_headline(corpus: str, metric: str) -> float | None:
    """Return the paper's figure of MFM on a corpus: of several targets, their mean."""
    figures = paper_figures()
    ours = figures[
        (figures["table"] == "table_1")
        & (figures["corpus"] == corpus)
        & (figures["method"] == "MFM")
    ].set_index("metric")["value"]
    whole = ours[ours.index == metric]
    each = ours[ours.index.str.startswith(f"{metric}/")]
    chosen = whole if len(whole) else each
    return float(chosen.mean()) if len(chosen) else None


def _of(table: str, corpus: str) -> pd.DataFrame:
    figures = paper_figures()
    return figures[(figures["table"] == table) & (figures["corpus"] == corpus)]
