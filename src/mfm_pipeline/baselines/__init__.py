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
from mfm_pipeline.baselines.bc_lstm import ContextualOptions
from mfm_pipeline.baselines.c_mkl import ConvolutionalKernelOptions
from mfm_pipeline.baselines.classical import (
    BoostingOptions,
    ForestOptions,
    LogisticOptions,
    MajorityOptions,
    RidgeOptions,
    SvmOptions,
)
from mfm_pipeline.baselines.deep import (
    DeepFusionOptions,
    EarlyFusionBothWaysOptions,
    EarlyFusionOptions,
    EarlyFusionStackedBothWaysOptions,
    EarlyFusionStackedOptions,
    MemoryFusionOptions,
    MultiAttentionOptions,
    MultiViewOptions,
    TensorFusionOptions,
    TransformerOptions,
)
from mfm_pipeline.baselines.dictionary import DictionaryOptions
from mfm_pipeline.baselines.factorized import (
    MfmEarlyFusionOptions,
    MfmKlOptions,
    MfmLateFusionOptions,
    MfmMemoryFusionOptions,
    MfmMultiAttentionOptions,
    MfmOptions,
    MfmTensorFusionOptions,
    MfmTransformerOptions,
)
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
from mfm_pipeline.baselines.hsu_glass import HsuGlassOptions
from mfm_pipeline.baselines.sal_cnn import SelectAdditiveOptions

BASELINES: dict[str, type[BaselineOptions]] = {
    "majority": MajorityOptions,
    "ridge": RidgeOptions,
    "logistic": LogisticOptions,
    "rf": ForestOptions,
    "gbt": BoostingOptions,
    "svm": SvmOptions,
    "svm_md": DictionaryOptions,
    "thmm": ThmmOptions,
    "sal_cnn": SelectAdditiveOptions,
    "c_mkl": ConvolutionalKernelOptions,
    "ef_hcrf": EfHcrfOptions,
    "ef_ldhcrf": EfLdhcrfOptions,
    "mv_hcrf": MvHcrfOptions,
    "mv_ldhcrf": MvLdhcrfOptions,
    "cmv_hcrf": CmvHcrfOptions,
    "cmv_ldhcrf": CmvLdhcrfOptions,
    "ef_hsshcrf": EfHsshcrfOptions,
    "mv_hsshcrf": MvHsshcrfOptions,
    "df": DeepFusionOptions,
    "ef_lstm": EarlyFusionOptions,
    "ef_slstm": EarlyFusionStackedOptions,
    "ef_blstm": EarlyFusionBothWaysOptions,
    "ef_sblstm": EarlyFusionStackedBothWaysOptions,
    "mv_lstm": MultiViewOptions,
    "bc_lstm": ContextualOptions,
    "tfn": TensorFusionOptions,
    "marn": MultiAttentionOptions,
    "mfn": MemoryFusionOptions,
    "transformer": TransformerOptions,
    "hsu_glass": HsuGlassOptions,
    "mfm_ef_lstm": MfmEarlyFusionOptions,
    "mfm_late_fusion": MfmLateFusionOptions,
    "mfm_tfn": MfmTensorFusionOptions,
    "mfm_marn": MfmMultiAttentionOptions,
    "mfm_transformer": MfmTransformerOptions,
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
