"""Unimodal, multimodal and MFM on the pairs of digits, Figure 2(b)."""

from mfm_pipeline.pipelines.compare_digits.pipeline import create_pipeline

__all__ = ["create_pipeline"]
