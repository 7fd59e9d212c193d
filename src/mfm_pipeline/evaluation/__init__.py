"""Metrics, the trivial predictor, predictions and comparison tables."""

from mfm_pipeline.evaluation.console import print_comparison, print_table
from mfm_pipeline.evaluation.metrics import primary_metric, score
from mfm_pipeline.evaluation.options import EvaluationOptions, SentimentOptions
from mfm_pipeline.evaluation.predict import (
    predict_corpus,
    predictions_of,
    reconstruction_errors,
)
from mfm_pipeline.evaluation.report import comparison, score_test
from mfm_pipeline.evaluation.trivial import trivial_prediction

__all__ = [
    "EvaluationOptions",
    "SentimentOptions",
    "comparison",
    "predict_corpus",
    "predictions_of",
    "primary_metric",
    "print_comparison",
    "print_table",
    "reconstruction_errors",
    "score",
    "score_test",
    "trivial_prediction",
]
