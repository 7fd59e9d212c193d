"""Public data, fetched once and checked by digest."""

from mfm_pipeline.pipelines.download.pipeline import create_pipeline

__all__ = ["create_pipeline"]
