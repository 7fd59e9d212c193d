"""The paper's tables and figures, its own beside ours, as one page."""

from mfm_pipeline.pipelines.report.pipeline import create_pipeline

__all__ = ["create_pipeline"]
