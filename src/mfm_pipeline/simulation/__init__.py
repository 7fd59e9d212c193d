"""Synthetic corpora drawn from the paper's own graphical model; arrays only."""

from mfm_pipeline.simulation.corpus import (
    ACOUSTIC,
    LABELS,
    PLANTED,
    RATES,
    SEQUENCES,
    VECTORS,
    VISUAL,
    WORDS,
    sentiment_words,
    simulate,
)
from mfm_pipeline.simulation.options import SampleOptions, Strengths, Traps
from mfm_pipeline.simulation.traps import Entry

__all__ = [
    "ACOUSTIC",
    "LABELS",
    "PLANTED",
    "RATES",
    "SEQUENCES",
    "VECTORS",
    "VISUAL",
    "WORDS",
    "Entry",
    "SampleOptions",
    "Strengths",
    "Traps",
    "sentiment_words",
    "simulate",
]
