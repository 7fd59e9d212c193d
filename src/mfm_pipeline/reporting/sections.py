"""Ours beside the paper's: a section of the report for each of its tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from mfm_pipeline.config import SAMPLE_CORPUS
from mfm_pipeline.datasets.results import Results
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation.verdict import verdict
from mfm_pipeline.reporting.columns import (
    LOWER_IS_BETTER,
    OF_PAPER,
    SPREAD,
    is_of_metric,
    metric_base,
    names_of,
)
from mfm_pipeline.reporting.exhibits import (
    BASELINES,
    BOTH,
    BOUNDS,
    OURS,
    PAPER,
    Exhibit,
    OfAllModels,
)
from mfm_pipeline.reporting.models import NOTES
from mfm_pipeline.reporting.paper import paper_notes, paper_rows

Statement = Mapping[Any, Any]
Status = Literal["run", "not run", "of other corpora"]

_NOT_RANKED = ("ratio",)
_OWN_DATA = ("train_and_test",)
"""Protocols that prepare the data anew, and train the model anew."""

_UNITS = (
    "Errors of reconstruction (mse) are in the units of scaled features, which the paper does "
    "not give: compare ours with ours, and the paper's with the paper's."
)


NOT_IN_PAPER = "not in the paper"


@dataclass(frozen=True)
class Section:
    """What the report says of one exhibit.

    Parameters
    ----------
    exhibit : Exhibit
    status : {"run", "not run", "of other corpora"}
    command : str
        That makes ours.
    fuller : str
        Command that would set every other model beside it; empty if there is none, or
        they are there.
    verdict : str
        Of all models: whether MFM is ahead; empty where they are not compared.
    table : DataFrame
        ``source`` (``ours``, ``paper``, ``ours and paper``), ``method``, and what else the
        exhibit has; empty if there is nothing to show.
    notes : dict of (int, str) to str
        On cells of the table, by row and column.
    best : set of (int, str)
        Cells that hold the best of their column; of missing modalities, among the rows
        of the same pattern.
    statement : mapping
        Of what ours is; empty if that is not known.
    remarks, warnings : tuple of str
    figures, pages : tuple of Path
    """

    exhibit: Exhibit
    status: Status
    command: str
    fuller: str = ""
    verdict: str = ""
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: Mapping[tuple[int, str], str] = field(default_factory=dict)
    best: frozenset[tuple[int, str]] = frozenset()
    statement: Statement = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    figures: tuple[Path, ...] = ()
    pages: tuple[Path, ...] = ()


def make_section(exhibit: Exhibit, results: Results, corpus: str) -> Section:
    """Set what a pipeline left beside what the paper has.

    Raises
    ------
    DataError
        If a table of results is not what its pipeline writes.
    """
    source, result = _found(exhibit, results, corpus)
    if not exhibit.can_be_made_of(corpus) and (result is None or exhibit.of_its_corpora):
        return Section(exhibit, "of other corpora", _command("report", exhibit.corpora[0]))
    paper = paper_rows(exhibit.key, corpus)
    ours = pd.DataFrame() if result is None else _rows(source, result, corpus)
    together = isinstance(source, OfAllModels) and source.by_method and len(paper) > 0
    table = _by_method(paper, ours) if together else _beside(paper, ours)
    statement = {} if result is None else result.attrs
    lacks_others = exhibit.of_all is not None and source is exhibit
    return Section(
        exhibit,
        "not run" if result is None else "run",
        _command(source.pipeline, corpus),
        fuller=_command(OfAllModels.pipeline, corpus) if lacks_others else "",
        verdict=verdict(result) if result is not None and source.source == BASELINES else "",
        table=table,
        notes=_notes(table, exhibit.key, corpus, ours.attrs.get(NOTES, {})),
        best=best_cells(table),
        statement=statement,
        remarks=_remarks(exhibit, corpus),
        warnings=()
        if result is None
        else stale(statement, _latest(results, corpus, source.source)),
        figures=_files(results, corpus, exhibit.figures),
        pages=_files(results, corpus, exhibit.pages),
    )


def _found(
    exhibit: Exhibit, results: Results, corpus: str
) -> tuple[Exhibit | OfAllModels, pd.DataFrame | None]:
    """Return what ours comes from, and its table; that of all models if it is there."""
    if exhibit.of_all is not None:
        result = results.table(corpus, exhibit.of_all.source)
        if result is not None:
            return exhibit.of_all, result
    return exhibit, results.table(corpus, exhibit.source)


def stale(statement: Statement, latest: Statement) -> tuple[str, ...]:
    """Return what speaks against a table being of the latest data and model.

    Parameters
    ----------
    statement : mapping
        What the table states; under a protocol with data and models of its own, nothing is
        known of whether they would come out otherwise now.
    latest : mapping
        What the history of the latest training of MFM states; empty if not known.
    """
    if not statement:
        return (
            "Nothing is known of what this was made from: the statement beside the table is "
            "missing, or the table has changed since.",
        )
    if statement.get("protocol") in _OWN_DATA:
        return ()
    warnings = []
    for name, what in (("data", "prepared data"), ("model", "model")):
        known = latest.get(name) and statement.get(name)
        if known and latest[name] != statement[name]:
            warnings.append(f"Made from another {what} than the latest training of MFM.")
    return tuple(warnings)


def best_cells(table: pd.DataFrame) -> frozenset[tuple[int, str]]:
    """Return the cells with the best value of their column, ties included.

    Errors of reconstruction are in units of the features, so that the paper's and ours are
    not set against each other.
    """
    best: set[tuple[int, str]] = set()
    if "method" not in table:
        return frozenset()
    ranked = table[~table["method"].isin(BOUNDS)]
    for column in names_of(ranked):
        base = metric_base(column)
        if base is None or base in _NOT_RANKED:
            continue
        rivals = [name for name in ("missing",) if name in ranked]
        rivals += ["source"] if base == "mse" else []
        values = ranked[[*rivals, column]].dropna()
        for _, group in values.groupby(rivals) if rivals else [((), values)]:
            best |= {(row, column) for row in _best(group[column], base in LOWER_IS_BETTER)}
    return frozenset(best)


def _best(values: pd.Series[float], lower: bool) -> list[int]:
    """Return the rows of the best value; none if there is nothing to compare it with."""
    if len(values) < 2:
        return []
    top = values.min() if lower else values.max()
    return [int(row) for row in values.index[values == top]]


def _rows(source: Exhibit | OfAllModels, result: pd.DataFrame, corpus: str) -> pd.DataFrame:
    try:
        return source.rows(result)
    except DataError as error:
        raise DataError(
            f"{corpus}/{source.source}.csv: {error}; make it again: "
            f"{_command(source.pipeline, corpus)}"
        ) from error


def _by_method(paper: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Return a row a method, with columns of the paper's own figures; its methods come first."""
    metrics = [c for c in names_of(paper) if metric_base(c)]
    theirs = paper.set_index("method")[metrics].add_suffix(OF_PAPER)
    own = ours.set_index("method")
    names = list(dict.fromkeys([*theirs.index, *own.index]))
    table = theirs.reindex(names).join(own)
    table["source"] = [
        (BOTH if name in theirs.index else OURS) if name in own.index else PAPER for name in names
    ]
    columns = [f"{name}{end}" for name in metrics for end in ("", SPREAD, OF_PAPER)]
    return table.reset_index(names="method").reindex(columns=["source", "method", *columns])


def _beside(paper: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Return both as one table; where the paper has figures, of its metrics alone."""
    metrics = [c for c in names_of(paper) if metric_base(c)]
    if metrics and len(ours):
        kept = {*metrics, *(f"{name}{SPREAD}" for name in metrics)}
        ours = ours[[c for c in names_of(ours) if c in kept or not is_of_metric(c)]]
    parts = [p.assign(source=s) for p, s in ((paper, PAPER), (ours, OURS)) if len(p)]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    if "missing" in table:
        table["missing"] = table["missing"].fillna("")
        # Ours names every pattern; none missing comes first.
        order = {name: i for i, name in enumerate(parts[-1]["missing"].unique())}
        order = {**{name: len(order) for name in table["missing"]}, **order, "": -1}
        table = table.sort_values(
            "missing", key=lambda names: names.map(order), kind="stable", ignore_index=True
        )
    # The paper's metrics in its own order, after all that says what a row is of.
    columns = [c for c in names_of(table) if c not in ("source", *metrics)]
    front = [c for c in columns if not (metrics and is_of_metric(c))]
    return table[["source", *front, *metrics, *(c for c in columns if c not in front)]]


def _notes(
    table: pd.DataFrame, key: str, corpus: str, of_ours: Mapping[tuple[str, str], str]
) -> dict[tuple[int, str], str]:
    """Return the notes on the paper's own figures, and on ours, by row and column."""
    notes = paper_notes(key, corpus)
    by_method = any(name.endswith(OF_PAPER) for name in names_of(table))
    found = {}
    for row, values in enumerate(table.to_dict("records")):
        method = values.get("method", "")
        for column in names_of(table):
            which = (method, values.get("missing", ""), column.removesuffix(OF_PAPER))
            of_paper = values["source"] == PAPER or column.endswith(OF_PAPER)
            if of_paper and which in notes:
                found[row, column] = notes[which]
            if values["source"] != PAPER and (method, column) in of_ours:
                found[row, column] = of_ours[method, column]
            elif values["source"] == OURS and column == "method" and by_method:
                found[row, column] = NOT_IN_PAPER
    return found


def _remarks(exhibit: Exhibit, corpus: str) -> tuple[str, ...]:
    theirs = ", ".join(exhibit.corpora)
    if not theirs:
        return ()
    if exhibit.drawn_of:
        return (f"The paper draws its own, of {theirs}; its text has no numbers for it.",)
    if corpus in exhibit.corpora:
        has_errors = "mse" in map(metric_base, names_of(paper_rows(exhibit.key, corpus)))
        return (_UNITS,) if has_errors else ()
    return (f"The paper has no figure for {corpus} here; its own are of {theirs}.",)


def _latest(results: Results, corpus: str, source: str) -> Statement:
    """Return what the latest training of MFM states, in the namespace of a table."""
    *namespace, _ = source.split("/")
    history = results.table(corpus, "/".join([*namespace, "history"]))
    return {} if history is None else history.attrs


def _files(results: Results, corpus: str, patterns: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(path for pattern in patterns for path in results.files(corpus, pattern))


def _command(pipeline: str, corpus: str) -> str:
    environment = "" if corpus == SAMPLE_CORPUS else f" --env={corpus}"
    return f"kedro run --pipeline={pipeline}{environment}"
