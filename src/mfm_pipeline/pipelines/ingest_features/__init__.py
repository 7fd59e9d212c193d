"""Raw sequences to aligned, cleaned, scaled splits."""

from mfm_pipeline.pipelines.ingest_features.pipeline import create_pipeline

__all__ = ["create_pipeline"]
