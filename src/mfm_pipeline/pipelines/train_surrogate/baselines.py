"""The baselines of Table 2: models that see what is observed, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import WeightsDataset
from mfm_pipeline.evaluation import missing
from mfm_pipeline.evaluation.missing import Method, MissingOptions
from mfm_pipeline.features.holes import pattern_name
from mfm_pipeline.models import Blueprint, ModelOptions
from mfm_pipeline.models.ablations import discriminative
from mfm_pipeline.pipelines.states import State, apart, side_by_side
from mfm_pipeline.pipelines.trials import Trial, fingerprint, run_once
from mfm_pipeline.training import TrainingOptions, fit

log = logging.getLogger(__name__)

_BETWEEN = ", "
"""Between seed, method and pattern in the names of states."""


def train_baselines(
    corpus: Corpus,
    model: ModelOptions,
    training: TrainingOptions,
    options: MissingOptions,
    observed: Iterable[tuple[str, ...]],
    trials: Path,
) -> State:
    """Train each baseline for each pattern and seed, with the budget of the full model.

    With ``training.resume``, those that a run which was broken off has finished are not
    trained again.

    Parameters
    ----------
    corpus : Corpus
    model : ModelOptions
        The full model's, whose sizes and fusion encoder the baselines take over.
    training : TrainingOptions
    options : MissingOptions
    observed : iterable of tuple of str
        What is observed.
    trials : Path
        Folder of these trainings alone.

    Returns
    -------
    dict
        Their states as one, as `methods_for` takes them.
    """
    data = fingerprint(corpus)
    names = tuple(corpus.train.modalities)
    states: dict[str, State] = {}
    for seed in range(training.seed, training.seed + options.seeds):
        seeded = training.model_copy(update={"seed": seed})
        for pattern in observed:
            for method in options.baselines:
                build = _MODELS[method]
                trial = Trial(method, build(model, pattern, names), seeded)
                key = _BETWEEN.join((str(seed), method, pattern_name(pattern)))
                place = trials / trial.key(data)
                result = run_once(
                    partial(_train, trial, corpus),
                    place,
                    name=key,
                    parameters={"method": method, "observed": pattern_name(pattern), "seed": seed},
                    resume=training.resume,
                )
                states[key] = _weights(place).load()
                log.info(
                    "%s from %s, seed %d: valid loss %.3f, %.0f s",
                    method, pattern_name(pattern), seed, result["valid/loss"], result["seconds"],
                )  # fmt: skip
    return side_by_side(states)


def methods_for(baselines: State, seed: int) -> Callable[[tuple[str, ...]], dict[str, Method]]:
    """Return what gives the baselines of a seed, by name, for what is observed."""
    found = {
        (method, pattern): state
        for name, state in apart(baselines).items()
        for own, method, pattern in [name.split(_BETWEEN)]
        if own == str(seed)
    }

    def methods(observed: tuple[str, ...]) -> dict[str, Method]:
        chosen = {}
        for (method, pattern), state in found.items():
            if pattern == pattern_name(observed):
                _, model = Blueprint.from_state(state)
                kind = _METHODS[method]
                chosen[method] = kind(model)
        return chosen

    return methods


def _train(trial: Trial, corpus: Corpus, place: Path) -> dict[str, Any]:
    start = monotonic()
    trained = fit(corpus, trial.model, trial.training, place)
    _weights(place).save(trained.blueprint.to_state(trained.model))
    return {
        "parameters": sum(weights.numel() for weights in trained.model.parameters()),
        "epochs": len(trained.history),
        "seconds": monotonic() - start,
        "valid/loss": float(trained.history["valid/loss"].min()),
    }


def _weights(place: Path) -> WeightsDataset:
    return WeightsDataset(path=str(place))


def _generative(
    model: ModelOptions, observed: tuple[str, ...], names: tuple[str, ...]
) -> ModelOptions:
    """Return a model from what is observed to what is missing, which no label or prior binds."""
    changes: dict[str, Any] = {
        "reads": observed,
        "generates": tuple(name for name in names if name not in observed),
        "generates_from": "discriminative",
        "task_weight": 0.0,
        "prior": "mmd",
        "prior_weight": 0.0,
        "joint_prior": False,
        "noise": 0.0,
        "reconstruction": 1.0,
    }
    return ModelOptions.model_validate(model.model_dump() | changes)


def _discriminative(
    model: ModelOptions, observed: tuple[str, ...], names: tuple[str, ...]
) -> ModelOptions:
    """Return a model from what is observed to the label alone."""
    return discriminative(model).model_copy(update={"reads": observed})


_MODELS = {missing.GENERATIVE: _generative, missing.DISCRIMINATIVE: _discriminative}
_METHODS: dict[str, Any] = {
    missing.GENERATIVE: missing.GenerativeOnly,
    missing.DISCRIMINATIVE: missing.FilledModel,
}
