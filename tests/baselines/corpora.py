"""Tiny corpora with every irregularity the contract allows, and options that suit them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mfm_pipeline.baselines import BaselineOptions, Session
from mfm_pipeline.data import Corpus, Split, Targets
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.training import TrainingOptions

FEATURES = {"language": 4, "acoustic": 2, "visual": 3, "pulse": 1}
LARGEST = 8
"""Of sizes, trees and the like."""

SMALL_MFM = {
    "fusion": "statistics",
    "fusion_options": {"mfn": {"hidden": 8, "memory": 8}, "late_fusion": {"hidden": 8}},
    "prior_weight": 0.1,
    "reconstruction": 0.1,
    "discriminative": {"latent": 8, "factor": 8},
    "generative": {"latent": 4, "factor": 4, "decoder": 4},
}


def small(options: type[BaselineOptions]) -> BaselineOptions:
    """Return options with no whole number above `LARGEST`."""
    sizes = {
        name: LARGEST
        for name, field in options.model_fields.items()
        if type(field.default) is int and field.default > LARGEST
    }
    return options(**sizes)


def session(folder: Path, **training: Any) -> Session:
    """Return what a quick fit is given."""
    settings = {"epochs": 1, "batch_size": 16, "learning_rate": 0.02} | training
    return Session(TrainingOptions(**settings), folder, ModelOptions(**SMALL_MFM))


def by_video(corpus: Corpus) -> Corpus:
    """Return the corpus with ids of segments of videos, four each."""

    def named(name: str, split: Split) -> Split:
        ids = np.array([f"{name}{i // 4}[{i % 4}]" for i in range(len(split))])
        return replace(split, ids=ids)

    return replace(corpus, splits={name: named(name, one) for name, one in corpus.splits.items()})


def mapped(corpus: Corpus, change: Callable[[Split], Split]) -> Corpus:
    """Return the corpus with every split changed."""
    return replace(corpus, splits={name: change(split) for name, split in corpus.splits.items()})


def other_test(corpus: Corpus) -> Corpus:
    """Return the corpus with other samples and other targets in test."""
    shorter = corpus.test.select(np.arange(len(corpus.test))[::-3])
    values = shorter.targets.values
    changed = 1 - values
    if shorter.targets.task == "multiclass":
        changed = np.full_like(values, len(shorter.targets.names) - 1)
    targets = Targets(changed, shorter.targets.names, shorter.targets.task)
    return replace(corpus, splits={**corpus.splits, "test": replace(shorter, targets=targets)})
