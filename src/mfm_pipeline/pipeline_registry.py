"""The pipelines by name: a contract with users."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from mfm_pipeline.pipelines import download, ingest_features, pair_digits, sample, train_mfm


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline that ``kedro run --pipeline=NAME`` knows."""
    ingestion = sample.create_pipeline() + ingest_features.create_pipeline()
    training = ingestion + sample.create_scoring_pipeline() + train_mfm.create_pipeline()
    return {
        "download": download.create_pipeline(),
        "ingest_features": ingestion,
        "pair_digits": pair_digits.create_pipeline(),
        "train_mfm": training,
        "__default__": training,
    }
