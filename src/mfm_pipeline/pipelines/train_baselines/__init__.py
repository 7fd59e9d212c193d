"""Every baseline of the paper, retrained with hyperparameter search, beside MFM."""

from mfm_pipeline.pipelines.train_baselines.pipeline import create_pipeline

__all__ = ["create_pipeline"]
