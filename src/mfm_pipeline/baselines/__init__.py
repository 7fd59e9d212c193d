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
from mfm_pipeline.baselines.classical import MajorityOptions
from mfm_pipeline.baselines.hidden_states import (
    CmvHcrfOptions,
    CmvLdhcrfOptions,
    EfHcrfOptions,
    EfHsshcrfOptions,
    EfLdhcrfOptions,
    MvHcrfOptions,
    MvHsshcrfOptions,
    MvLdhcrfOptions,
    ThmmOptions,
)

BASELINES: dict[str, type[BaselineOptions]] = {
    "majority": MajorityOptions,
    "thmm": ThmmOptions,
    "ef_hcrf": EfHcrfOptions,
    "ef_ldhcrf": EfLdhcrfOptions,
    "mv_hcrf": MvHcrfOptions,
    "mv_ldhcrf": MvLdhcrfOptions,
    "cmv_hcrf": CmvHcrfOptions,
    "cmv_ldhcrf": CmvLdhcrfOptions,
    "ef_hsshcrf": EfHsshcrfOptions,
    "mv_hsshcrf": MvHsshcrfOptions,
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
