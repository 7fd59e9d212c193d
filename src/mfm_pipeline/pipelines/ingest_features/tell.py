"""Say on the log what a corpus holds and what ingestion did to it."""

from __future__ import annotations

import logging

from mfm_pipeline.data import Corpus

logger = logging.getLogger(__name__)


def tell_corpus(corpus: Corpus) -> None:
    """Log sizes and presence by split, and every count of what was dropped or repaired."""
    for name, split in corpus.splits.items():
        present = ", ".join(
            f"{key} {int(modality.present.sum())}" for key, modality in split.modalities.items()
        )
        logger.info("%s %s: %d samples; present: %s", corpus.label, name, len(split), present)
        if nothing := int((~split.has_any_modality).sum()):
            logger.warning(
                "%s %s: %d sample(s) have no modality at all", corpus.label, name, nothing
            )
    for reason, count in corpus.counts.items():
        logger.info("%s: %d %s", corpus.label, count, reason)
