"""The Multimodal Factorization Model and its parts: modules only, no files."""

from mfm_pipeline.models.blueprint import Blueprint
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.mfm import MFM, MfmOutput
from mfm_pipeline.models.options import ModelOptions
from mfm_pipeline.models.spec import ModalitySpec

__all__ = ["MFM", "Blueprint", "Inputs", "MfmOutput", "ModalitySpec", "ModelOptions"]
