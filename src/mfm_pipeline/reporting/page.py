"""The report as one page of HTML that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from mfm_pipeline import __version__
from mfm_pipeline.reporting.columns import OF_PAPER, SPREAD, metric_base, names_of
from mfm_pipeline.reporting.exhibits import BOTH, OURS
from mfm_pipeline.reporting.models import AHEAD
from mfm_pipeline.reporting.overview import Headline
from mfm_pipeline.reporting.sections import Section, Statement

LONG = 40
"""Characters of a text beyond which it is broken into lines."""

LOW, HIGH = "_low", "_high"
"""End the names of columns that hold a number's interval."""

NO_FIGURE = "–"
"""A metric that a method does not have, as the paper's dashes."""

_TEMPLATE = "page.html.jinja"
_DIGITS = {"mse": 4}
_DEFAULT_DIGITS = 3


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and how it is set."""

    text: str
    kind: Literal["number", "long", ""] = ""
    best: bool = False
    note: str = ""


def render(
    sections: Sequence[Section],
    headlines: Sequence[Headline],
    *,
    corpus: str,
    others: Sequence[Path] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    sections : sequence of Section
        In the paper's order.
    headlines : sequence of Headline
        Of every corpus.
    corpus : str
        That the sections are of.
    others : sequence of Path
        Figures of the corpus that belong to no section.

    Returns
    -------
    str
        HTML; everything that comes from data is escaped.
    """
    return _template().render(
        sections=sections,
        rows={section.exhibit.key: table_cells(section) for section in sections},
        columns={section.exhibit.key: _columns(section.table) for section in sections},
        facts={section.exhibit.key: facts(section.statement) for section in sections},
        headlines=headlines,
        corpus=corpus,
        synthetic=_synthetic(sections),
        others=others,
        version=__version__,
        ours=OURS,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mfm_pipeline.reporting", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": format_number, "embedded": _embedded, "heading": _heading}
    return environment.get_template(_TEMPLATE)


def facts(statement: Statement) -> dict[str, str]:
    """Return what a table is of, in words: corpus, kind of data, seeds, protocol and run."""
    if not statement:
        return {}
    seeds = statement["seeds"]
    named = {
        "corpus": statement["corpus"],
        "data": "synthetic" if statement["synthetic"] else "real",
        "seeds" if len(seeds) > 1 else "seed": ", ".join(map(str, seeds)) or "none",
        "protocol": statement["protocol"],
        "made": f"{statement['date'][:16].replace('T', ' ')} UTC by {statement['version']}",
        "MLflow run": statement["run"],
    }
    return {name: str(value) for name, value in named.items() if value is not None}


def table_cells(section: Section) -> list[tuple[bool, list[Cell]]]:
    """Return the rows of a section's table: whether one is ours, and its cells."""
    table = section.table
    rows = []
    for row, values in zip(table.index, table.to_dict("records"), strict=True):
        cells = [
            Cell(
                _text(column, values),
                kind=_kind(values[column]),
                best=(row, column) in section.best,
                note=section.notes.get((row, column), ""),
            )
            for column in _columns(table)
        ]
        rows.append((values["source"] in (OURS, BOTH), cells))
    return rows


def _kind(value: Any) -> Literal["number", "long", ""]:
    if not isinstance(value, str):
        return "number"
    return "long" if len(value) > LONG else ""


def format_number(value: Any, column: str = "") -> str:
    """Return a number as it is printed: by its column, "" for none."""
    if pd.isna(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    base = metric_base(column)
    if base or column == AHEAD:
        return f"{value:.{_DIGITS.get(base or '', _DEFAULT_DIGITS)}f}"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:#.3g}"


def _columns(table: pd.DataFrame) -> list[str]:
    """Return the columns that are shown; spreads and bounds stand in the cells they are of."""
    columns = names_of(table)
    beside = {f"{c}{end}" for c in columns for end in (SPREAD, LOW, HIGH)}
    return [c for c in columns if c not in beside]


def _text(column: str, values: Mapping[Any, Any]) -> str:
    value = values[column]
    if isinstance(value, str):
        return "none" if column == "missing" and not value else value
    if pd.isna(value) and metric_base(column):
        return NO_FIGURE
    texts = {
        end: format_number(values.get(f"{column}{end}", np.nan), column)
        for end in (SPREAD, LOW, HIGH)
    }
    spread = f" ± {texts[SPREAD]}" if texts[SPREAD] else ""
    interval = f" [{texts[LOW]}, {texts[HIGH]}]" if texts[LOW] and texts[HIGH] else ""
    return f"{format_number(value, column)}{spread}{interval}"


def _heading(column: str) -> str:
    if metric_base(column) is None:
        return column.replace("_", " ")
    return f"{column.removesuffix(OF_PAPER)} (paper)" if column.endswith(OF_PAPER) else column


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _synthetic(sections: Sequence[Section]) -> bool | None:
    """Return whether the corpus is synthetic, None if no table says."""
    said = [s.statement["synthetic"] for s in sections if s.statement and not _in_namespace(s)]
    return bool(said[0]) if said else None


def _in_namespace(section: Section) -> bool:
    return "/" in section.exhibit.source
