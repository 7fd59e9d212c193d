"""Missing modalities: methods, Table 2, and curves."""

from mfm_pipeline.evaluation.missing.methods import (
    ABSENT,
    DISCRIMINATIVE,
    GENERATIVE,
    MEAN,
    NEIGHBOURS,
    ZEROS,
    FilledModel,
    GenerativeOnly,
    Method,
    fillings,
)
from mfm_pipeline.evaluation.missing.score import score_method
from mfm_pipeline.evaluation.missing.table import over_seeds, print_missing, score_patterns

__all__ = [
    "ABSENT",
    "DISCRIMINATIVE",
    "GENERATIVE",
    "MEAN",
    "NEIGHBOURS",
    "ZEROS",
    "FilledModel",
    "GenerativeOnly",
    "Method",
    "fillings",
    "over_seeds",
    "print_missing",
    "score_method",
    "score_patterns",
]
