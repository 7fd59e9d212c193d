"""Pairs of digit images with the same label, of two sets (Section 3.1)."""

from mfm_pipeline.pipelines.pair_digits.pipeline import create_pipeline

__all__ = ["create_pipeline"]
