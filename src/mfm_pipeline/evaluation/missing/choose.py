"""How many neighbours serve best."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation.metrics import primary_metric
from mfm_pipeline.evaluation.missing.methods import FilledModel
from mfm_pipeline.evaluation.missing.neighbours import NeighbourFill
from mfm_pipeline.evaluation.missing.score import score_method
from mfm_pipeline.evaluation.options import EvaluationOptions
from mfm_pipeline.models import MFM

log = logging.getLogger(__name__)


def choose_neighbours(
    model: MFM, corpus: Corpus, tried: Sequence[int], options: EvaluationOptions
) -> int:
    """Return the number of neighbours with the best primary metric on valid.

    It is the mean over modalities, each of which every sample lacks once.

    Parameters
    ----------
    model : MFM
    corpus : Corpus
    tried : sequence of int
        The first of equals is chosen.
    options : EvaluationOptions
    """
    metric = primary_metric(corpus.train.targets.task)
    everyone = np.ones(len(corpus.valid), np.bool_)
    means = []
    for k in tried:
        method = FilledModel(model, NeighbourFill(corpus.train, k))
        scores = [
            score_method(method, corpus.valid, {name: everyone}, corpus.train.targets, options)
            for name in corpus.valid.modalities
        ]
        means.append(float(np.mean([score[metric] for score in scores])))
    best = int(np.argmax(means))
    log.info(
        "knn: %d neighbours, by %s on valid: %s", tried[best], metric,
        ", ".join(f"{k}: {mean:.3f}" for k, mean in zip(tried, means, strict=True)),
    )  # fmt: skip
    return tried[best]
