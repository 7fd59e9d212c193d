"""One Kedro dataset a file format: how bytes become arrays. No decisions are taken here."""

from mfm_pipeline.datasets.corpus import CorpusDataset
from mfm_pipeline.datasets.csd import (
    ComputationalSequence,
    ComputationalSequenceDataset,
    SequenceReader,
    Track,
)
from mfm_pipeline.datasets.folder import FolderDataset
from mfm_pipeline.datasets.metrics import MetricsDataset
from mfm_pipeline.datasets.prepared import PreparedArray
from mfm_pipeline.datasets.raw_folder import RawFolder, RawFolderDataset
from mfm_pipeline.datasets.weights import WeightsDataset

__all__ = [
    "ComputationalSequence",
    "ComputationalSequenceDataset",
    "CorpusDataset",
    "FolderDataset",
    "MetricsDataset",
    "PreparedArray",
    "RawFolder",
    "RawFolderDataset",
    "SequenceReader",
    "Track",
    "WeightsDataset",
]
