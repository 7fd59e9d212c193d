"""What every run that trains says of its data."""

from __future__ import annotations

import logging

import mlflow

from mfm_pipeline.data import Corpus

log = logging.getLogger(__name__)


def tag_run(corpus: Corpus) -> None:
    """Say on the console and the MLflow run which data it saw, and what that data lacks."""
    lacking = {
        f"{split_name}/{name}": int((~modality.present).sum())
        for split_name, split in corpus.splits.items()
        for name, modality in split.modalities.items()
    }
    tags = {
        "corpus": corpus.name,
        "synthetic": str(corpus.synthetic).lower(),
        "modalities": ", ".join(corpus.train.modalities),
        "modalities_left_out": ", ".join(corpus.left_out) or "none",
        "samples": ", ".join(f"{name} {len(split)}" for name, split in corpus.splits.items()),
        "samples_lacking_modality": (
            ", ".join(f"{name} {count}" for name, count in lacking.items() if count) or "none"
        ),
        "samples_without_any_modality": ", ".join(
            f"{name} {int((~split.has_any_modality).sum())}"
            for name, split in corpus.splits.items()
        ),
    }
    for name, value in tags.items():
        log.info("%s: %s", name.replace("_", " "), value)
    if mlflow.active_run():
        mlflow.set_tags(tags)
