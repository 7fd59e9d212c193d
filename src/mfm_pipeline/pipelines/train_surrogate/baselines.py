"""The baselines of Table 2: models that see what is observed, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mfm_pipeline.data import Corpus
from mfm_pipeline.data.patterns import pattern_name
from mfm_pipeline.evaluation import missing
from mfm_pipeline.evaluation.missing import Method, MissingOptions
from mfm_pipeline.models import MFM, Blueprint, ModelOptions
from mfm_pipeline.models.ablations import discriminative
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.pipelines.states import State, apart, side_by_side
from mfm_pipeline.pipelines.trials import Trial, fingerprint, remove_folders, train_once
from mfm_pipeline.training import TrainingOptions

log = logging.getLogger(__name__)

_BETWEEN = ", "
"""Between seed, method and pattern in the names of states."""


def train_baselines(
    surrogates: State,
    corpus: Corpus,
    training: TrainingOptions,
    options: MissingOptions,
    trials: Path,
) -> State:
    """Train each baseline for each pattern and seed, with the budget of the full model.

    With ``training.resume``, those that a run which was broken off has finished are not
    trained again.

    Parameters
    ----------
    surrogates : dict
        Of each seed, side by side by its number: their full model's sizes and fusion
        encoder are the baselines' too, and their patterns.
    corpus : Corpus
    training : TrainingOptions
    options : MissingOptions
    trials : Path
        Folder in which states are kept, in one of its own.

    Returns
    -------
    dict
        Their states as one, as `methods_for` takes them.
    """
    place = trials / "baselines"
    if not training.resume:
        remove_folders(place)
    data = fingerprint(corpus)
    states: dict[str, State] = {}
    for seed, description in surrogates["description"].items():
        plan = SurrogateBlueprint.model_validate(description)
        rate = options.baseline_learning_rate or training.learning_rate
        seeded = training.model_copy(update={"seed": int(seed), "learning_rate": rate})
        for pattern in plan.patterns:
            observed = pattern_name(pattern)
            for method in options.baselines:
                model = _KINDS[method].options(plan.model.options, pattern, plan.modalities)
                trial = Trial(method, model, seeded)
                key = _BETWEEN.join((seed, method, observed))
                states[key], result = train_once(
                    trial,
                    corpus,
                    place / trial.key(data),
                    name=key,
                    parameters={"method": method, "observed": observed, "seed": seed},
                )
                log.info(
                    "%s from %s, seed %s: valid loss %.3f, %.0f s",
                    method, observed, seed, result["valid/loss"], result["seconds"],
                )  # fmt: skip
    return side_by_side(states)


def methods_for(baselines: State, seed: str) -> Callable[[tuple[str, ...]], dict[str, Method]]:
    """Return what gives the baselines of a seed, by name, for what is observed."""
    states = apart(baselines)

    def methods(observed: tuple[str, ...]) -> dict[str, Method]:
        chosen = {}
        for method, kind in _KINDS.items():
            key = _BETWEEN.join((seed, method, pattern_name(observed)))
            if key in states:
                _, model = Blueprint.from_state(states[key])
                chosen[method] = kind.method(model)
        return chosen

    return methods


def _generative(
    model: ModelOptions, observed: tuple[str, ...], names: tuple[str, ...]
) -> ModelOptions:
    """Return a model from what is observed to what is missing, which no label or prior binds."""
    changes: dict[str, Any] = {
        "generates": tuple(name for name in names if name not in observed),
        "generates_from": "discriminative",
        "generative": model.generative.model_dump(),
        "task_weight": 0.0,
    }
    return ModelOptions.model_validate(
        _discriminative(model, observed, names).model_dump() | changes
    )


def _discriminative(
    model: ModelOptions, observed: tuple[str, ...], names: tuple[str, ...]
) -> ModelOptions:
    """Return a model from what is observed to the label alone."""
    return discriminative(model).model_copy(update={"reads": observed})


class _Kind(NamedTuple):
    """A baseline: what it is trained as, and how it then infers."""

    options: Callable[[ModelOptions, tuple[str, ...], tuple[str, ...]], ModelOptions]
    method: Callable[[MFM], Method]


_KINDS = {
    missing.GENERATIVE: _Kind(_generative, missing.GenerativeOnly),
    missing.DISCRIMINATIVE: _Kind(_discriminative, missing.FilledModel),
}
