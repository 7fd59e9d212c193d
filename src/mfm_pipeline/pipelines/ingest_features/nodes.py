"""Nodes of the `ingest_features` pipeline."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import Any

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.features import scale
from mfm_pipeline.pipelines.ingest_features.choose import choose_form
from mfm_pipeline.pipelines.ingest_features.options import IngestionOptions, ScalingOptions
from mfm_pipeline.pipelines.ingest_features.prepared import ingest_prepared
from mfm_pipeline.pipelines.ingest_features.sequences import ingest_sequences
from mfm_pipeline.pipelines.ingest_features.tell import tell_corpus

logger = logging.getLogger(__name__)


def align_features(raw: RawFolder, ingestion: IngestionOptions) -> Corpus:
    """Bring raw files into splits of aligned, padded, cleaned samples.

    Parameters
    ----------
    raw : RawFolder
    ingestion : IngestionOptions

    Raises
    ------
    DataError
        If the folder holds neither raw form, or a file is not what it has to be.
    """
    form = choose_form(raw, ingestion)
    ingest = ingest_sequences if form == "csd" else ingest_prepared
    corpus = ingest(raw, ingestion)
    tell_corpus(corpus)
    return corpus


def fit_scaling(aligned_corpus: Corpus, scaling: ScalingOptions) -> dict[str, Any]:
    """Fit the statistics that standardise each feature, on the training split alone.

    Returns
    -------
    dict
        JSON-serialisable; `Scaling.load` rebuilds the object.
    """
    return scale.fit_scaling(aligned_corpus, scaling.clip, scaling.transform).model_dump()


def scale_features(aligned_corpus: Corpus, scaling_statistics: dict[str, Any]) -> Corpus:
    """Standardise and clip all splits by fitted statistics.

    Raises
    ------
    DataError
        If the statistics are for other modalities or another number of features.
    """
    scaling = scale.Scaling.load(scaling_statistics)
    splits, clipped = {}, Counter[str]()
    for name, split in aligned_corpus.splits.items():
        splits[name], found = scaling.apply(split)
        clipped.update(found)
    counts = dict(aligned_corpus.counts)
    for name, values in clipped.items():
        if values:
            counts[f"{name} values clipped to {scaling.clip:g} standard deviations"] = values
        total = sum(_observed_values(aligned_corpus, split, name) for split in splits)
        logger.info(
            "%s: %.3g %% of values clipped to %g standard deviations",
            name, 100 * values / max(total, 1), scaling.clip,
        )  # fmt: skip
    return replace(aligned_corpus, splits=splits, counts=counts)


def _observed_values(corpus: Corpus, split: str, modality: str) -> int:
    found = corpus.splits[split].modalities[modality]
    return 0 if found.steps is None else int(found.steps.sum()) * found.values.shape[-1]
