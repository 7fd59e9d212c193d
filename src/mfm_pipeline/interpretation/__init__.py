"""What a trained model's factors stand for: HSIC ratios and gradient flow, Appendix F."""

from mfm_pipeline.interpretation.flow_at_words import flow_at_words
from mfm_pipeline.interpretation.gradient_flow import flow_table, gradient_flow
from mfm_pipeline.interpretation.information import Observations, information, observe
from mfm_pipeline.interpretation.options import InformationOptions, KernelOptions

__all__ = [
    "InformationOptions",
    "KernelOptions",
    "Observations",
    "flow_at_words",
    "flow_table",
    "gradient_flow",
    "information",
    "observe",
]
