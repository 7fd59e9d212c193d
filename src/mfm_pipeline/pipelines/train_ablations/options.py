"""How the ablations are trained; checked before any node runs."""

from __future__ import annotations

from pydantic import Field, field_validator

from mfm_pipeline.models.fusion import FUSIONS
from mfm_pipeline.pipelines.comparing import ComparisonOptions


class AblationOptions(ComparisonOptions):
    """Equal budgets for all models of Figure 3."""

    early_fusion: str = Field("ef_lstm", description="Fusion encoder of M_A.")

    @field_validator("early_fusion")
    @classmethod
    def _known_fusion(cls, fusion: str) -> str:
        if fusion not in FUSIONS:
            raise ValueError(f"expected one of {', '.join(FUSIONS)}")
        return fusion
