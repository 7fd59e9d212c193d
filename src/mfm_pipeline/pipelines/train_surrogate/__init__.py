"""Surrogate inference for missing modalities, Table 2 and its curves."""

from mfm_pipeline.pipelines.train_surrogate.pipeline import create_pipeline

__all__ = ["create_pipeline"]
