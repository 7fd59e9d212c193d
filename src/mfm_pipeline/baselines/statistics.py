"""Every sample as one row of numbers, for models that know no time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from mfm_pipeline.data import Corpus, Modality, Split
from mfm_pipeline.errors import DataError
from mfm_pipeline.models.pooling import masked_statistics
from mfm_pipeline.training.fit import check_targets, usable_samples


def early_fused(split: Split) -> NDArray[np.float64]:
    """Return statistics of all modalities side by side.

    Of each modality the mean and standard deviation of every feature over the observed
    steps, the logarithm of one plus their number, and presence (`masked_statistics`);
    all zero where it is absent.

    Returns
    -------
    ndarray, shape (n, sum of 2 d + 2)
    """
    return np.concatenate([statistics_of(m) for m in split.modalities.values()], axis=1)


def statistics_of(modality: Modality) -> NDArray[np.float64]:
    """Return the statistics of one modality, ``(n, 2 d + 2)``.

    Raises
    ------
    DataError
        If it holds images.
    """
    if modality.steps is None:
        raise DataError("found images; expected sequences, which have statistics over steps")
    parts = (modality.values, modality.steps, modality.present)
    statistics = masked_statistics(*(torch.from_numpy(np.ascontiguousarray(p)) for p in parts))
    return statistics.numpy().astype(np.float64)


def known(split: Split) -> NDArray[np.bool_]:
    """Return which samples have anything to learn from, ``(n,)``."""
    return split.has_any_modality


def usable(corpus: Corpus) -> Corpus:
    """Return a corpus of sequences whose train and valid are what there is to learn from.

    Samples that have no modality are left out; test stays as it is.

    Raises
    ------
    DataError
        If a modality holds images, too few samples are left, or a target is constant in
        training.
    """
    check_sequences(corpus)
    names = tuple(corpus.train.modalities)
    kept = {
        name: corpus.splits[name].select(usable_samples(corpus.splits[name], name, names).numpy())
        for name in ("train", "valid")
    }
    left = replace(corpus, splits={**corpus.splits, **kept})
    check_targets(left)
    return left


def check_sequences(corpus: Corpus) -> None:
    """Check that a corpus holds sequences alone.

    Raises
    ------
    DataError
        That names the modality which does not.
    """
    for name, modality in corpus.train.modalities.items():
        if modality.is_image:
            raise DataError(
                f"corpus {corpus.name}: modality '{name}' holds images; expected sequences"
            )
