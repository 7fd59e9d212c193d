"""Predict new, possibly incomplete, data by a trained model."""

from mfm_pipeline.pipelines.predict.pipeline import create_pipeline

__all__ = ["create_pipeline"]
