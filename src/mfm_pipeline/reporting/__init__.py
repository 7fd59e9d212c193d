"""The paper's tables and figures, its own beside ours, as one page and as tables."""

from mfm_pipeline.reporting.exhibits import EXHIBITS, Exhibit
from mfm_pipeline.reporting.overview import Headline, headlines
from mfm_pipeline.reporting.page import render
from mfm_pipeline.reporting.paper import (
    corpora_of,
    paper_figures,
    paper_headline,
    paper_notes,
    paper_rows,
)
from mfm_pipeline.reporting.sections import Section, make_section

__all__ = [
    "EXHIBITS",
    "Exhibit",
    "Headline",
    "Section",
    "corpora_of",
    "headlines",
    "make_section",
    "paper_figures",
    "paper_headline",
    "paper_notes",
    "paper_rows",
    "render",
]
