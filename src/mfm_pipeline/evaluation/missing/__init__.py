"""Missing modalities: methods, Table 2, and curves."""

from mfm_pipeline.evaluation.missing.choose import choose_neighbours
from mfm_pipeline.evaluation.missing.curves import score_holes, score_noise
from mfm_pipeline.evaluation.missing.fills import zeros
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
from mfm_pipeline.evaluation.missing.natural import score_natural
from mfm_pipeline.evaluation.missing.options import MissingOptions
from mfm_pipeline.evaluation.missing.score import score_method
from mfm_pipeline.evaluation.missing.table import NONE, over_seeds, print_missing, score_patterns

__all__ = [
    "ABSENT",
    "DISCRIMINATIVE",
    "GENERATIVE",
    "MEAN",
    "NEIGHBOURS",
    "NONE",
    "ZEROS",
    "FilledModel",
    "GenerativeOnly",
    "Method",
    "MissingOptions",
    "choose_neighbours",
    "fillings",
    "over_seeds",
    "print_missing",
    "score_holes",
    "score_method",
    "score_natural",
    "score_noise",
    "score_patterns",
    "zeros",
]
