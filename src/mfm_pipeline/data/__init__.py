"""The one in-memory contract: modalities, presence, targets, ids, splits.

Everything after ingestion takes a `Corpus` and nothing else. Dimension letters
used throughout the project: ``n`` samples, ``T`` steps, ``d`` features of a
modality, ``k`` targets, ``N`` images of ``C`` channels, ``H`` rows and ``W`` columns.
"""

from mfm_pipeline.data.corpus import SPLIT_NAMES, Corpus, Split
from mfm_pipeline.data.labelled_images import LabelledImages
from mfm_pipeline.data.modality import BoolArray, Index, Modality
from mfm_pipeline.data.targets import Targets, Task

__all__ = [
    "SPLIT_NAMES",
    "BoolArray",
    "Corpus",
    "Index",
    "LabelledImages",
    "Modality",
    "Split",
    "Targets",
    "Task",
]
