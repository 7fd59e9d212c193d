"""Every corpus that has been trained on, by its headline metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import pandas as pd

from mfm_pipeline.config import NAMESPACES
from mfm_pipeline.data import Task
from mfm_pipeline.datasets.results import Results
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation.metrics import primary_metric
from mfm_pipeline.evaluation.verdict import MFM
from mfm_pipeline.reporting.columns import metric_base, names_of
from mfm_pipeline.reporting.exhibits import BASELINES
from mfm_pipeline.reporting.paper import paper_headline
from mfm_pipeline.reporting.sections import Statement

COMPARISON = "comparison"


@dataclass(frozen=True)
class Headline:
    """How good the latest MFM of a corpus is.

    Parameters
    ----------
    folder : str
        Of the corpus.
    corpus : str
        The corpus's own name: the digits of a folder may have another.
    metric : str
    ours, trivial : float
    paper : float or None
        Of several targets, the mean of the paper's.
    statement : mapping
    page : str
        The corpus's own report, from that of another; "" if it has none.
    """

    folder: str
    corpus: str
    metric: str
    ours: float
    trivial: float
    paper: float | None
    statement: Statement
    page: str


def headlines(results: Results, page: str) -> tuple[Headline, ...]:
    """Return the headline of each corpus, and of each namespace of it, that was trained on.

    Parameters
    ----------
    results : Results
    page : str
        Name of the report's file.

    Raises
    ------
    DataError
        If a table of results is not what its pipeline writes.
    """
    places = [
        (corpus, "/".join([*namespace, COMPARISON]))
        for corpus in results.corpora
        for namespace in ((), *((name,) for name in NAMESPACES))
    ]
    found = (_headline(results, corpus, name, page) for corpus, name in places)
    return tuple(one for one in found if one is not None)


def _headline(results: Results, corpus: str, name: str, page: str) -> Headline | None:
    table = results.table(corpus, name)
    if table is None:
        every = results.table(corpus, BASELINES) if name == COMPARISON else None
        table = None if every is None else _of_all_models(every)
    if table is None:
        return None
    if not {"metric", "MFM", "trivial"} <= set(table):
        found = ", ".join(map(str, table.columns))
        raise DataError(
            f"{corpus}/{name}.csv: found columns {found}; expected metric, MFM and trivial"
        )
    ours, trivial = (dict(zip(table["metric"], table[c], strict=True)) for c in ("MFM", "trivial"))
    candidates = dict.fromkeys(primary_metric(task) for task in get_args(Task))
    metric = next((one for one in candidates if one in ours), next(iter(ours)))
    own_name = str(table.attrs.get("corpus", corpus))
    return Headline(
        folder=corpus,
        corpus=own_name,
        metric=metric,
        ours=float(ours[metric]),
        trivial=float(trivial[metric]),
        paper=paper_headline(own_name, metric),
        statement=table.attrs,
        page=f"../{corpus}/{page}" if results.files(corpus, page) else "",
    )


def _of_all_models(every: pd.DataFrame) -> pd.DataFrame | None:
    """Return MFM and the trivial predictor from the comparison of all models; None without."""
    columns = {"MFM": every["model"] == MFM, "trivial": every["family"] == "trivial"}
    metrics = [c for c in names_of(every) if metric_base(c)]
    rows = {name: every.loc[which, metrics] for name, which in columns.items()}
    if any(len(row) != 1 or row.isna().all(axis=None) for row in rows.values()):
        return None
    table = pd.DataFrame({"metric": metrics} | {n: r.iloc[0].tolist() for n, r in rows.items()})
    table.attrs = every.attrs
    return table
