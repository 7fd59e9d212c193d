"""Fusion encoders Q(Zy | X1:M), chosen by name.

Adding one is a new file with its module and options, and one line here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from mfm_pipeline.models.fusion.base import FusionOptions
from mfm_pipeline.models.fusion.df import DeepFusionOptions
from mfm_pipeline.models.fusion.ef_lstm import EarlyFusionLSTMOptions
from mfm_pipeline.models.fusion.late_fusion import LateFusionOptions
from mfm_pipeline.models.fusion.marn import MultiAttentionOptions
from mfm_pipeline.models.fusion.mfn import MemoryFusionOptions
from mfm_pipeline.models.fusion.mv_lstm import MultiViewLSTMOptions
from mfm_pipeline.models.fusion.statistics import StatisticsOptions
from mfm_pipeline.models.fusion.tfn import TensorFusionOptions
from mfm_pipeline.models.fusion.transformer import TransformerOptions

FUSIONS: dict[str, type[FusionOptions]] = {
    "mfn": MemoryFusionOptions,
    "ef_lstm": EarlyFusionLSTMOptions,
    "statistics": StatisticsOptions,
    "late_fusion": LateFusionOptions,
    "df": DeepFusionOptions,
    "mv_lstm": MultiViewLSTMOptions,
    "tfn": TensorFusionOptions,
    "marn": MultiAttentionOptions,
    "transformer": TransformerOptions,
}


def _known(name: str) -> str:
    if name not in FUSIONS:
        raise ValueError(f"expected one of {', '.join(FUSIONS)}")
    return name


FusionName = Annotated[str, AfterValidator(_known)]
"""Name of a fusion encoder."""

__all__ = ["FUSIONS", "FusionName", "FusionOptions"]
