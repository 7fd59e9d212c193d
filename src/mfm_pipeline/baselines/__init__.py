"""Every model that MFM is compared with, by name; MFM itself among them.

Adding one is a new options class in the file of its family, and one line here.
"""

from __future__ import annotations

from mfm_pipeline.baselines.adapt import fit_adapted
from mfm_pipeline.baselines.base import (
    BaselineOptions,
    Choice,
    Distribution,
    Fitted,
    Range,
    Session,
    Space,
)
from mfm_pipeline.baselines.classical import (
    BoostingOptions,
    ForestOptions,
    LogisticOptions,
    MajorityOptions,
    RidgeOptions,
    SvmOptions,
)
from mfm_pipeline.baselines.deep import EarlyFusionOptions, MemoryFusionOptions
from mfm_pipeline.baselines.factorized import (
    MfmEarlyFusionOptions,
    MfmKlOptions,
    MfmLateFusionOptions,
    MfmMemoryFusionOptions,
    MfmOptions,
)

BASELINES: dict[str, type[BaselineOptions]] = {
    "majority": MajorityOptions,
    "ridge": RidgeOptions,
    "logistic": LogisticOptions,
    "rf": ForestOptions,
    "gbt": BoostingOptions,
    "svm": SvmOptions,
    "ef_lstm": EarlyFusionOptions,
    "mfn": MemoryFusionOptions,
    "mfm_ef_lstm": MfmEarlyFusionOptions,
    "mfm_late_fusion": MfmLateFusionOptions,
    "mfm_mfn": MfmMemoryFusionOptions,
    "mfm_kl": MfmKlOptions,
    "mfm": MfmOptions,
}

__all__ = [
    "BASELINES",
    "BaselineOptions",
    "Choice",
    "Distribution",
    "Fitted",
    "Range",
    "Session",
    "Space",
    "fit_adapted",
]
