"""The embedded synthetic corpus: written as raw files, and scored by its true factor."""

from mfm_pipeline.pipelines.sample.pipeline import create_pipeline, create_scoring_pipeline

__all__ = ["create_pipeline", "create_scoring_pipeline"]
