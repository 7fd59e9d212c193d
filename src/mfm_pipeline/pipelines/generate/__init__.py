"""Conditional generation by a trained MFM, Figure 2(c), and numbers for it."""

from mfm_pipeline.pipelines.generate.pipeline import create_pipeline

__all__ = ["create_pipeline"]
