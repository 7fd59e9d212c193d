"""The last step of both raw forms: what is left out, and the corpus."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mfm_pipeline.config import SAMPLE_CORPUS
from mfm_pipeline.data import Corpus, Modality, Split
from mfm_pipeline.errors import DataError
from mfm_pipeline.ingestion.options import IngestionOptions

logger = logging.getLogger(__name__)

WITHOUT_ANY = "samples without any modality"

BySplit = dict[str, Modality]


def leave_out(
    modalities: Mapping[str, BySplit], reasons: Mapping[str, str], options: IngestionOptions
) -> tuple[dict[str, BySplit], tuple[str, ...]]:
    """Leave out the modalities that no training sample has.

    Parameters
    ----------
    modalities : mapping of str to mapping of str to Modality
        By name, then by split.
    reasons : mapping of str to str
        Why a modality is not among them.
    options : IngestionOptions

    Returns
    -------
    kept : dict
    left_out : tuple of str

    Raises
    ------
    DataError
        If fewer than two are kept.
    """
    kept = {name: found for name, found in modalities.items() if found["train"].present.any()}
    missing = tuple(name for name in options.wanted if name not in kept)
    why = {name: reasons.get(name, "no training sample has it") for name in missing}
    for name, reason in why.items():
        logger.warning("%s: %s is left out: %s", options.corpus, name, reason)
    if len(kept) < 2:
        told = ", ".join(f"{name} ({reason})" for name, reason in why.items())
        raise DataError(
            f"corpus {options.corpus}: found {len(kept)} modality with training samples "
            f"({', '.join(kept) or 'none'}); expected at least two; left out: {told}"
        )
    return kept, missing


def assemble_corpus(
    options: IngestionOptions,
    splits: Mapping[str, Split],
    left_out: tuple[str, ...],
    counts: Mapping[str, int],
    features: Mapping[str, tuple[str, ...]],
    preparation: Mapping[str, Any],
) -> Corpus:
    """Put splits and counts together; samples without any modality stay, and are counted."""
    nothing = sum(int((~split.has_any_modality).sum()) for split in splits.values())
    modalities = next(iter(splits.values())).modalities
    all_counts = {**counts, WITHOUT_ANY: nothing}
    return Corpus(
        name=options.corpus,
        splits=splits,
        synthetic=options.corpus == SAMPLE_CORPUS,
        left_out=left_out,
        counts={reason: count for reason, count in all_counts.items() if count},
        features={name: found for name, found in features.items() if name in modalities},
        preparation=preparation,
    )
