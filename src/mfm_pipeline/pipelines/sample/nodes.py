"""Nodes of the embedded sample: arrays to computational sequences, and the bound they set."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

from mfm_pipeline.config import SAMPLE_CORPUS
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.datasets import ComputationalSequence, RawFolder, Track
from mfm_pipeline.errors import DataError
from mfm_pipeline.simulation import (
    ACOUSTIC,
    LABELS,
    PLANTED,
    VECTORS,
    VISUAL,
    WORDS,
    Entry,
    SampleOptions,
    simulate,
)

_DESCRIPTIONS = {
    WORDS: "Words of each video, with pauses as sp",
    VECTORS: "A vector a word; zero for a pause",
    ACOUSTIC: "Acoustic frames at 100 Hz",
    VISUAL: "Visual frames at 30 Hz",
    LABELS: "Sentiment of each segment, from -3 to 3",
    PLANTED: "What the label hears of each segment's true shared factor; never an input",
}
_LACKING = {ACOUSTIC: "md5", VISUAL: "dimension names"}
"""Metadata that a file lacks, as real files do."""


def generate_sample(sample: SampleOptions) -> dict[str, ComputationalSequence]:
    """Generate the raw files of the synthetic corpus.

    Parameters
    ----------
    sample : SampleOptions

    Returns
    -------
    dict of str to ComputationalSequence
        By file name; empty if the run is about another corpus.
    """
    if sample.corpus != SAMPLE_CORPUS:
        return {}
    return {
        f"SAMPLE_{name}.csd": ComputationalSequence(
            name=name,
            entries={video: Track(*entry) for video, entry in entries.items()},
            metadata=_metadata(name, _width(entries), sample),
        )
        for name, entries in simulate(sample).items()
    }


def _width(entries: Mapping[str, Entry]) -> int:
    """Return the number of features of a frame; 1 for words."""
    features = next(iter(entries.values()))[1]
    return features.shape[1] if features.ndim == 2 else 1


def _metadata(name: str, width: int, sample: SampleOptions) -> dict[str, Any]:
    metadata = {
        "root name": name,
        "computational sequence description": _DESCRIPTIONS[name],
        "dimension names": [f"{name} {column}" for column in range(width)],
        "computational sequence version": 1.0,
        "alignment compatible": True,
        "dataset name": "SAMPLE (synthetic)",
        "dataset version": 1.0,
        "creator": "mfm_pipeline",
        "contact": None,
        "featureset bib citation": None,
        "dataset bib citation": None,
        "md5": None,
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {sample.model_dump_json()}")),
    }
    metadata.pop(_LACKING.get(name, ""), None)
    return metadata


def score_planted(raw: RawFolder, corpus: Corpus) -> dict[str, float]:
    """Score a linear predictor fitted on train from the true shared factor.

    No model that sees the modalities alone can be expected to do better.

    Parameters
    ----------
    raw : RawFolder
        Holds the planted factors.
    corpus : Corpus
        Which samples are in which split, and their targets.

    Returns
    -------
    dict of str to float
        ``planted/r`` (Pearson) and ``planted/mae`` on the test split; empty if
        the corpus is not synthetic.

    Raises
    ------
    DataError
        If the planted factors, or those of a sample, are not there.
    """
    if not corpus.synthetic:
        return {}
    planted = _planted_factors(raw)
    predictor = LinearRegression()
    predictor.fit(_factors_of(corpus.train, planted), corpus.train.targets.values)
    predicted = predictor.predict(_factors_of(corpus.test, planted))[:, 0]
    true = corpus.test.targets.values[:, 0]
    return {
        "planted/r": float(np.corrcoef(predicted, true)[0, 1]),
        "planted/mae": float(np.abs(predicted - true).mean()),
    }


def _planted_factors(raw: RawFolder) -> dict[str, NDArray[np.float32]]:
    """Read the shared factor of each segment, by sample id."""
    files = raw.matching(f"*_{PLANTED}.csd")
    if len(files) != 1:
        raise DataError(
            f"{raw.path}: found {len(files)} files *_{PLANTED}.csd; expected one in a "
            "synthetic corpus (run the node generate_sample again)"
        )
    with raw.open_sequence(files[0]) as reader:
        return {
            f"{video}[{segment}]": factor
            for video in reader.lengths
            for segment, factor in enumerate(reader.read(video).features)
        }


def _factors_of(split: Split, planted: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Shared factor of each sample of a split, shape ``(n, 3)``."""
    unknown = [name for name in split.ids if name not in planted]
    if unknown:
        raise DataError(
            f"sample '{unknown[0]}' has no planted factor (nor have {len(unknown) - 1} others); "
            "generate and ingest the sample again"
        )
    return np.stack([planted[name] for name in split.ids])
