"""Fit surrogate inference to a trained model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from mfm_pipeline.data import Corpus
from mfm_pipeline.data.patterns import pattern_name
from mfm_pipeline.errors import DataError
from mfm_pipeline.models import MFM, Blueprint, Inputs
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.models.per_modality import value_for
from mfm_pipeline.models.surrogate import Pattern, SurrogateInference, SurrogateNetwork
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.training.callbacks import EpochProgress
from mfm_pipeline.training.fit import as_tensors
from mfm_pipeline.training.loop import train_best
from mfm_pipeline.training.options import TrainingOptions
from mfm_pipeline.training.surrogate_module import Lessons, SurrogateTraining

BATCH = 1024
"""Samples whose latents the full model infers at once."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A surrogate network with the weights of its best validation epoch.

    Parameters
    ----------
    network : SurrogateNetwork
        In evaluation mode, on the CPU.
    history : DataFrame
        One row an epoch: costs by their MLflow names, and the learning rate.
    """

    network: SurrogateNetwork
    history: pd.DataFrame


def fit_surrogate(
    corpus: Corpus,
    blueprint: Blueprint,
    full: MFM,
    options: SurrogateOptions,
    training: TrainingOptions,
    place: Path,
) -> SurrogateInference:
    """Train every network that surrogate inference needs, Equation 5.

    Parameters
    ----------
    corpus : Corpus
        As the full model was trained on it: what its training samples lack stays unseen.
    blueprint : Blueprint
        Of the full model.
    full : MFM
        Trained; not changed.
    options : SurrogateOptions
    training : TrainingOptions
        But for what `options` sets itself.
    place : Path
        Folder for the states of networks in training, a folder each.

    Returns
    -------
    SurrogateInference
        In evaluation mode, on the CPU.

    Raises
    ------
    DataError
        If the corpus is not what the model was trained on, or has too few samples for a
        pattern.
    ParameterError
        If the model generates nothing, or patterns are not of its modalities.
    """
    plan = SurrogateBlueprint(model=blueprint, options=options)
    lessons = lessons_of(corpus, plan, full)
    networks = [
        fit_network(plan, patterns, full, lessons, training, place / network_name(patterns)).network
        for patterns in plan.networks
    ]
    return plan.assemble(full, networks)


def fit_network(
    plan: SurrogateBlueprint,
    patterns: tuple[Pattern, ...],
    full: MFM,
    lessons: Mapping[str, Lessons],
    training: TrainingOptions,
    checkpoints: Path,
) -> TrainedNetwork:
    """Train one network, of `plan.networks`, to infer what the full model does of all.

    Parameters
    ----------
    plan : SurrogateBlueprint
    patterns : tuple of tuple of str
        What it may observe.
    full : MFM
    lessons : mapping of str to Lessons
        As `lessons_of` gives them.
    training : TrainingOptions
    checkpoints : Path
        Folder for the states of this network, as in `fit`.

    Raises
    ------
    DataError
        If fewer than two samples to train or validate on have anything of a pattern.
    """
    own = {
        name: getattr(plan.options, name)
        for name in ("epochs", "learning_rate")
        if getattr(plan.options, name) is not None
    }
    training = training.model_copy(update=own)
    torch.manual_seed(training.seed)
    network = plan.build_network(patterns, full)
    module = SurrogateTraining(
        network=network,
        full=full,
        modalities=plan.modalities,
        lessons=lessons,
        weights=plan.options.weights,
        reconstruction={
            name: value_for(name, plan.model.options.reconstruction, "reconstruction")
            for name in plan.generated
        },
        options=training,
    )
    _check_enough(module, patterns)
    _calibrate(network, lessons["train"], module.samples["train"])
    if training.compile:
        network.compile()
    name = network_name(patterns)
    progress = EpochProgress(f"Surrogate, {name}", lines=1)
    history = train_best(module, module.samples, training, checkpoints, progress)
    return TrainedNetwork(network, pd.DataFrame(history))


def lessons_of(corpus: Corpus, plan: SurrogateBlueprint, full: MFM) -> dict[str, Lessons]:
    """Let the full model infer the latents of what is trained and validated on.

    Raises
    ------
    DataError
        If the corpus is not what the model was trained on.
    """
    plan.model.check_split(corpus.train)
    lessons = {}
    for name in ("train", "valid"):
        inputs, targets = as_tensors(corpus.splits[name], full)
        lessons[name] = Lessons(inputs, targets, _latents(full, inputs))
    return lessons


def network_name(patterns: tuple[Pattern, ...]) -> str:
    """Return what a network is called: its pattern, or ``amortised``."""
    return pattern_name(patterns[0]) if len(patterns) == 1 else "amortised"


@torch.no_grad()
def _latents(full: MFM, inputs: Inputs) -> dict[str, torch.Tensor]:
    full.eval()
    parts = [full.encode(batch) for batch in inputs.batches(BATCH)]
    return {name: torch.cat([part[name].mean for part in parts]) for name in parts[0]}


def _calibrate(network: SurrogateNetwork, train: Lessons, rows: torch.Tensor) -> None:
    """Let a network measure what it reads and infers on the training split."""
    network.calibrate(train.inputs[rows])
    for name, latent in network.latents.items():
        found = train.latents[name]
        latent.set_scale(found if name == DISCRIMINATIVE else found[train.inputs.present[name]])


def _check_enough(module: SurrogateTraining, patterns: tuple[Pattern, ...]) -> None:
    for split, seen in module.seen.items():
        for pattern, count in zip(patterns, seen.sum(dim=0).tolist(), strict=True):
            if count < 2:
                raise DataError(
                    f"split '{split}' has {count} sample(s) with any of "
                    f"{pattern_name(pattern)}; a surrogate for that pattern expects 2 or more"
                )
