"""MFM and the models that lack its design components one by one, Figure 3."""

from mfm_pipeline.pipelines.train_ablations.pipeline import create_pipeline

__all__ = ["create_pipeline"]
