"""How well a method does on a split that lacks modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline.data import BoolArray, Split, Targets
from mfm_pipeline.evaluation.metrics import Metrics, score
from mfm_pipeline.evaluation.missing.methods import Method
from mfm_pipeline.evaluation.options import EvaluationOptions
from mfm_pipeline.evaluation.predict import decide, mean_square
from mfm_pipeline.features.holes import punch
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.completed import NOTHING

Holes = Mapping[str, BoolArray]
"""Samples that lose a modality, ``(n,)`` each, by its name."""


class Inferred(NamedTuple):
    """What a method made of a split.

    Attributes
    ----------
    prediction : ndarray, shape (n, outputs)
        In target units, or probabilities; without outputs if it predicts nothing.
    known : ndarray of bool, shape (n,)
        Samples that had something to be inferred from.
    errors : dict of str to ndarray, shape (n,)
        Mean square error of each modality that is generated, over the truth's observed
        steps and features; 0 where the truth has none.
    """

    prediction: NDArray[Any]
    known: BoolArray
    errors: dict[str, NDArray[Any]]


def infer(method: Method, split: Split, holes: Holes, batch_size: int) -> Inferred:
    """Let a method infer what `holes` leave of a split, `batch_size` samples at once.

    A step before the first one that is left to a sample is generated as zero.
    """
    truth, seen = Inputs.from_split(split), Inputs.from_split(punch(split, holes))
    predictions: list[Tensor] = []
    known: list[BoolArray] = []
    errors: dict[str, list[NDArray[Any]]] = {}
    with torch.inference_mode():
        for batch, true in zip(seen.batches(batch_size), truth.batches(batch_size), strict=True):
            completed = method(batch)
            predictions.append(completed.prediction)
            known.append(completed.inferred_by != NOTHING)
            for name, made in completed.reconstructions.items():
                values, observed = true.values[name], true.observed(name)
                if name in true.steps:
                    # A sample may be shorter than the truth: both end at the last step.
                    made, values = batch.restore(made), true.restore(values)
                    observed = true.restore(observed)
                errors.setdefault(name, []).append(mean_square(made - values, observed))
    return Inferred(
        torch.cat(predictions).numpy(),
        np.concatenate(known),
        {name: np.concatenate(parts) for name, parts in errors.items()},
    )


def score_method(
    method: Method,
    split: Split,
    holes: Holes,
    train: Targets,
    options: EvaluationOptions,
) -> Metrics:
    """Score a method on a split that loses modalities.

    Parameters
    ----------
    method : Method
    split : Split
        With the truth, of which the method sees what `holes` leave.
    holes : mapping of str to ndarray of bool, shape (n,)
        Samples that lose a modality, by its name; empty if none does.
    train : Targets
        Of the training split: what has nothing observed is predicted trivially.
    options : EvaluationOptions

    Returns
    -------
    dict of str to float
        The metrics of the task, unless the method predicts nothing; and ``mse/<modality>``
        of those that the method generates and samples lose, the mean over these samples.
        Without holes the same of every modality, over samples that have it.
    """
    inferred = infer(method, split, holes, options.batch_size)
    metrics: Metrics = {}
    if inferred.prediction.shape[1]:
        decided = decide(inferred.prediction, inferred.known, train)
        metrics = score(split.targets, decided, options.sentiment)
    for name, error in inferred.errors.items():
        counted = split.modalities[name].present
        if holes:
            counted = counted & holes.get(name, False)
        if counted.any():
            metrics[f"mse/{name}"] = float(error[counted].mean())
    return metrics
