"""Nodes that gather what the pipelines left into a report."""

from __future__ import annotations

import logging
from collections import Counter

import pandas as pd

from mfm_pipeline.config import NAMESPACES
from mfm_pipeline.datasets import Results
from mfm_pipeline.reporting import EXHIBITS, Section, headlines, make_section, render

log = logging.getLogger(__name__)

PAGE = "report.html"


def gather(results: Results, corpus: str) -> list[Section]:
    """Set the results of a corpus beside the paper's, a section a table or figure of it."""
    sections = [make_section(exhibit, results, corpus) for exhibit in EXHIBITS]
    for section in sections:
        for warning in section.warnings:
            log.warning("%s: %s", section.exhibit.name, warning)
    counts = Counter(section.status for section in sections)
    log.info("report on %s: %s", corpus, ", ".join(f"{n} {s}" for s, n in counts.items()))
    return sections


def tables(sections: list[Section], corpus: str) -> dict[str, pd.DataFrame]:
    """Return each section's table, by the name of its file, with what ours is of.

    Returns
    -------
    dict of str to DataFrame
        ``table_1``, ``figure_3``, ...: those that have rows, ours or the paper's.
    """
    return {
        section.exhibit.key: _stated(section, corpus) for section in sections if len(section.table)
    }


def make_page(sections: list[Section], results: Results, corpus: str) -> str:
    """Return the report as HTML."""
    shown = {figure for section in sections for figure in section.figures}
    figures = [f for folder in (".", *NAMESPACES) for f in results.files(corpus, f"{folder}/*.png")]
    others = [figure for figure in figures if figure not in shown]
    return render(sections, headlines(results, PAGE), corpus=corpus, others=others)


def _stated(section: Section, corpus: str) -> pd.DataFrame:
    table = section.table.copy()
    table.attrs = {
        "shows": section.exhibit.name,
        "corpus": corpus,
        "status": section.status,
        "verdict": section.verdict,
        "warnings": list(section.warnings),
        "ours": dict(section.statement),
    }
    return table
