"""What a trained model's factors stand for: Figure 4 and Table 6."""

from mfm_pipeline.pipelines.interpret.pipeline import create_pipeline

__all__ = ["create_pipeline"]
