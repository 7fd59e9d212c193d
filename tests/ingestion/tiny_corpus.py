"""A corpus of six videos in both raw forms."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import ComputationalSequence, RawFolderDataset, Track
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.pipelines.ingest_features import nodes

Entries = dict[str, dict[str, Track]]

VIDEOS = [f"v{i}" for i in range(6)]
FILES = {
    "words": "X_TimestampedWords.csd",
    "language": "X_TimestampedWordVectors.csd",
    "acoustic": "X_COVAREP.csd",
    "visual": "X_Facet_42.csd",
    "labels": "X_Opinion_Labels.csd",
}


def make_options(**changes: Any) -> IngestionOptions:
    values = {
        "corpus": "tiny",
        "modalities": {
            "language": {"csd": "*WordVectors.csd", "prepared": "text", "columns": [0, 4]},
            "acoustic": {"csd": "*COVAREP.csd", "prepared": "audio", "columns": [4, 7]},
            "visual": {"csd": "*Facet*.csd", "prepared": "video", "columns": [7, 9]},
        },
        "words": {"csd": "*TimestampedWords.csd"},
        "labels": {"csd": "*Labels.csd", "table": "labels.csv"},
        "steps": 4,
        "targets": {"names": ["sentiment"]},
        "folds": {"train": VIDEOS[:3], "valid": VIDEOS[3:4], "test": VIDEOS[4:]},
    }
    return IngestionOptions.model_validate({**values, **changes})


def make_entries() -> Entries:
    """Write six videos of two touching segments, with the flaws of real files."""
    rng = np.random.default_rng(0)
    entries: Entries = {use: {} for use in FILES}
    for video in VIDEOS:
        starts = np.arange(12) * 0.4
        spoken = np.stack([starts, starts + 0.4], axis=1)
        spoken[5, 1] = spoken[5, 0] + 5e-6  # Too short to be a word.
        tokens = np.array([f"{video}w{i}" for i in range(12)])
        tokens[2] = "sp"
        order = rng.permutation(12)
        entries["words"][video] = Track(spoken[order], tokens[order])
        vectors = rng.normal(size=(12, 4)).astype(np.float32)
        entries["language"][video] = Track(spoken, vectors)
        for use, rate, width in [("acoustic", 25, 3), ("visual", 9, 2)]:
            begin = np.arange(0, 4.8, 1 / rate)
            track = np.stack([begin, begin + 1 / rate], axis=1)
            values = rng.normal(3, 2, size=(len(begin), width)).astype(np.float32)
            values[rng.integers(len(begin), size=5), 0] = [np.nan, -np.inf, np.nan, np.inf, np.nan]
            kept = rng.permutation(len(begin))[: len(begin) * 3 // 4]
            entries[use][video] = Track(track[kept], values[kept])
        segments = np.array([[0.0, 2.2], [2.2, 4.8]])
        entries["labels"][video] = Track(segments, rng.uniform(-3, 3, (2, 1)).astype(np.float32))
    return entries


def write_corpus(folder: Path, entries: Entries) -> Path:
    RawFolderDataset(path=str(folder)).save(
        {FILES[use]: ComputationalSequence(use, found) for use, found in entries.items() if found}
    )
    return folder


def ingest(folder: Path, **changes: Any) -> Corpus:
    return ingest_all(folder, **changes)[0]


def ingest_all(
    folder: Path, parts: Path | None = None, **changes: Any
) -> tuple[Corpus, pd.DataFrame, pd.DataFrame]:
    return ingest_with(folder, make_options(**changes), parts)


def ingest_with(
    folder: Path, options: IngestionOptions, parts: Path | None = None
) -> tuple[Corpus, pd.DataFrame, pd.DataFrame]:
    """Run the two nodes that read; what is kept of each video goes beside the folder."""
    raw = RawFolderDataset(path=str(folder)).load()
    vectors = RawFolderDataset(path=str(folder.parent / "glove"), required=False).load()
    parts = parts or folder.parent / f".{folder.name}_parts"
    parts.mkdir(exist_ok=True)
    embedded = nodes.embed_words(raw, vectors, parts, options)
    return nodes.align_features(raw, embedded, parts, options)
