"""Nodes that train surrogate inference by one of the two protocols."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import WeightsDataset
from mfm_pipeline.evaluation.missing import MissingOptions
from mfm_pipeline.features.holes import draw_holes, punch
from mfm_pipeline.ingestion.options import ScalingOptions, SelectionOptions
from mfm_pipeline.models import MFM, Blueprint
from mfm_pipeline.models.surrogate import Pattern
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.options import key_of
from mfm_pipeline.pipelines.ingest_features.nodes import (
    fit_scaling,
    fit_selection,
    scale_features,
)
from mfm_pipeline.pipelines.states import State, apart, side_by_side
from mfm_pipeline.pipelines.tags import tag_run
from mfm_pipeline.pipelines.trials import (
    Trial,
    check_same_data,
    fingerprint,
    fingerprint_of_weights,
    remove_folders,
    run_once,
    train_once,
)
from mfm_pipeline.serving import log_model
from mfm_pipeline.training import TrainingOptions
from mfm_pipeline.training.surrogate import fit_network, lessons_of, network_name
from mfm_pipeline.training.surrogate_module import Lessons

log = logging.getLogger(__name__)


def prepare_corpus(
    aligned_corpus: Corpus,
    feature_selection: dict[str, Any],
    scaling_statistics: dict[str, Any],
    missing: MissingOptions,
    training: TrainingOptions,
    selection: SelectionOptions,
    scaling: ScalingOptions,
) -> Corpus:
    """Return the corpus that everything is trained on, scaled, by the protocol.

    ``test``: as it was ingested. ``train_and_test``: a share of the training and
    validation samples loses modalities first, then features are selected and scaled
    anew, so that nothing has seen what is missing.
    """
    if missing.protocol == "train_and_test":
        aligned_corpus = punch_training(aligned_corpus, missing.train_share, training.seed)
        feature_selection = fit_selection(aligned_corpus, selection)
        scaling_statistics = fit_scaling(aligned_corpus, feature_selection, scaling)
    return scale_features(aligned_corpus, feature_selection, scaling_statistics)


def punch_training(corpus: Corpus, share: float, seed: int, fill: float = 0.0) -> Corpus:
    """Return a corpus of whose training and validation samples a share lacks modalities.

    Parameters
    ----------
    corpus : Corpus
    share : float
        Of samples that have two or more modalities.
    seed : int
        Of what is drawn.
    fill : float
        What lies in the holes, which nothing may read.
    """
    rng = np.random.default_rng(seed)
    splits = dict(corpus.splits)
    for name in ("train", "valid"):
        splits[name] = punch(splits[name], draw_holes(splits[name], share, rng), fill)
    return replace(corpus, splits=splits)


def train_models(
    model: State,
    corpus: Corpus,
    training: TrainingOptions,
    missing: MissingOptions,
    trials: Path,
) -> State:
    """Return the full model of each seed.

    With the protocol ``test`` that of the first seed is the one that is there already;
    all others are trained like it.

    Returns
    -------
    dict
        Their states as one, by seed.
    """
    tag_run(corpus)
    if not training.resume:
        remove_folders(trials)
    blueprint, _ = Blueprint.from_state(model)
    blueprint.check_split(corpus.train)
    if missing.protocol == "test":
        check_same_data(blueprint, corpus)
    data = fingerprint(corpus)
    states: dict[str, State] = {}
    for seed in _seeds(training, missing):
        if seed == training.seed and missing.protocol == "test":
            states[str(seed)] = model
            continue
        seeded = training.model_copy(update={"seed": seed})
        trial = Trial("MFM", blueprint.options, seeded)
        states[str(seed)], _ = train_once(
            trial,
            corpus,
            trials / trial.key(data),
            name=f"MFM, {seed}",
            parameters={"protocol": missing.protocol, "seed": seed},
        )
    return side_by_side(states)


def train_surrogates(
    full_models: State,
    corpus: Corpus,
    surrogate: SurrogateOptions,
    training: TrainingOptions,
    missing: MissingOptions,
    trials: Path,
) -> tuple[State, State]:
    """Train surrogate inference for the full model of each seed, Equation 5.

    With ``training.resume``, networks that a run which was broken off has finished are
    not trained again.

    Returns
    -------
    surrogate : dict
        That of the first seed, as `SurrogateBlueprint.to_state` gives it, with its full
        model.
    surrogates : dict
        Of every seed, as one.
    """
    data = fingerprint(corpus)
    states: dict[str, State] = {}
    for seed, state in apart(full_models).items():
        blueprint, full = Blueprint.from_state(state)
        plan = SurrogateBlueprint(model=blueprint, options=surrogate)
        seeded = training.model_copy(update={"seed": int(seed)})
        lessons = lessons_of(corpus, plan, full)
        networks = []
        for patterns in plan.networks:
            content = [
                data,
                fingerprint_of_weights(state),
                surrogate.model_dump(mode="json"),
                patterns,
                seeded.model_dump(mode="json", exclude={"resume"}),
            ]
            place = trials / key_of(content)
            name = network_name(patterns)
            result = run_once(
                partial(_train_network, plan, patterns, full, lessons, seeded),
                place,
                name=f"surrogate, {seed}, {name}",
                parameters={"protocol": missing.protocol, "seed": seed, "observed": name},
                resume=training.resume,
            )
            network = plan.build_network(patterns, full)
            network.load_state_dict(WeightsDataset(path=str(place)).load()["weights"])
            networks.append(network)
            log.info(
                "surrogate from %s, seed %s: valid loss %.3f, %.0f s",
                name, seed, result["valid/loss"], result["seconds"],
            )  # fmt: skip
        states[seed] = plan.to_state(plan.assemble(full, networks))
    first = states[str(training.seed)]
    log_model(first)
    return first, side_by_side(states)


def _seeds(training: TrainingOptions, missing: MissingOptions) -> range:
    return range(training.seed, training.seed + missing.seeds)


def _train_network(
    plan: SurrogateBlueprint,
    patterns: tuple[Pattern, ...],
    full: MFM,
    lessons: Mapping[str, Lessons],
    training: TrainingOptions,
    place: Path,
) -> dict[str, Any]:
    start = monotonic()
    trained = fit_network(plan, patterns, full, lessons, training, place)
    WeightsDataset(path=str(place)).save(
        {"description": patterns, "weights": trained.network.state_dict()}
    )
    return {
        "parameters": sum(weights.numel() for weights in trained.network.parameters()),
        "epochs": len(trained.history),
        "seconds": monotonic() - start,
        "valid/loss": float(trained.history["valid/loss"].min()),
    }
