"""Train an MFM, evaluate it on test, draw its figures."""

from mfm_pipeline.pipelines.train_mfm.pipeline import create_pipeline

__all__ = ["create_pipeline"]
