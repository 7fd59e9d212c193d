"""The pipelines by name: a contract with users."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from mfm_pipeline.config import DIGITS
from mfm_pipeline.pipelines import (
    compare_digits,
    download,
    generate,
    ingest_features,
    interpret,
    pair_digits,
    predict,
    report,
    sample,
    train_ablations,
    train_baselines,
    train_mfm,
    train_surrogate,
)


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline that ``kedro run --pipeline=NAME`` knows."""
    ingestion = sample.create_pipeline() + ingest_features.create_pipeline()
    planted = sample.create_scoring_pipeline()
    training = ingestion + planted + train_mfm.create_pipeline(bounds=planted.outputs())
    pairing = pair_digits.create_pipeline()
    digits = pairing + Pipeline(train_mfm.create_pipeline(), namespace=DIGITS)
    return {
        "compare_digits": pairing + compare_digits.create_pipeline(),
        "download": download.create_pipeline(),
        "generate": generate.create_pipeline(),
        "ingest_features": ingestion,
        "interpret": interpret.create_pipeline(),
        "pair_digits": pairing,
        "report": report.create_pipeline(),
        "predict": predict.create_pipeline(),
        "train_ablations": train_ablations.create_pipeline(),
        "train_baselines": train_baselines.create_pipeline(),
        "train_mfm": training,
        "train_mfm_digits": digits,
        "train_surrogate": train_surrogate.create_pipeline(),
        "__default__": training,
    }
