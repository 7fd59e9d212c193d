"""Fit an MFM to a corpus."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline.data import Corpus, Split, Targets
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.models import MFM, Blueprint, Inputs, ModelOptions
from mfm_pipeline.objectives import Objective
from mfm_pipeline.training.callbacks import AfterEpoch, EpochProgress, Watch
from mfm_pipeline.training.loop import train_best
from mfm_pipeline.training.module import MfmTraining
from mfm_pipeline.training.options import TrainingOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model with the weights of its best validation epoch.

    Parameters
    ----------
    model : MFM
        In evaluation mode, on the CPU.
    blueprint : Blueprint
        What the model is built from, beside its weights.
    history : DataFrame
        One row an epoch: costs by their MLflow names, and the learning rate.
    """

    model: MFM
    blueprint: Blueprint
    history: pd.DataFrame


def fit(
    corpus: Corpus,
    model_options: ModelOptions,
    options: TrainingOptions,
    checkpoints: Path,
    show: Callable[[MFM, int], None] | None = None,
    *,
    after_epoch: Callable[[Mapping[str, float]], None] | None = None,
    progress: bool = True,
) -> TrainedModel:
    """Train an MFM on the training split, keeping the best validation epoch.

    Parameters
    ----------
    corpus : Corpus
    model_options : ModelOptions
    options : TrainingOptions
    checkpoints : Path
        Folder for the states of this run, by the id of the active MLflow run.
        With ``options.resume``, training goes on from the last one there.
    show : callable, optional
        Shown the model and the number of epochs, every ``options.samples_every``.
    after_epoch : callable, optional
        Told the costs of every epoch; what it raises stops the training.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    TrainedModel

    Raises
    ------
    DataError
        If too few samples are left to train or validate on, or a target is
        constant.
    ParameterError
        If options name a modality that the corpus does not have, or a
        checkpoint does not fit them.
    """
    model_options.check_modalities((*corpus.train.modalities, *corpus.left_out))
    check_targets(corpus)
    if options.monitor == "valid/error" and corpus.train.targets.task != "multiclass":
        raise ParameterError(
            f"training.monitor is valid/error, and the task of corpus {corpus.name} "
            f"{corpus.train.targets.task}; expected valid/loss or valid/task, or classes"
        )
    torch.manual_seed(options.seed)
    blueprint = Blueprint.of(corpus.train, model_options, corpus.preparation)
    model = blueprint.build()
    if blueprint.task == "regression" and options.standardise_targets:
        model.set_target_scale(*center_and_spread(corpus.train.targets.values))
    usable = usable_samples(corpus.train, "train", model.reads)
    model.calibrate(Inputs.from_split(corpus.train.select(usable.numpy())))
    kind = "hybrid model" if model.modalities else "discriminative model"
    fusion = "no" if model.fusion is None else model_options.fusion
    log.info(
        "%s, %s parameters, %s fusion",
        "MFM" if model.factorized else kind, f"{_size(model):,}", fusion,
    )  # fmt: skip
    if options.compile:
        model.compile()

    module = MfmTraining(
        model=model,
        objective=Objective.build(
            model_options, corpus.train.modalities, corpus.train.targets.task
        ),
        data={name: as_tensors(corpus.splits[name], model) for name in ("train", "valid")},
        options=options,
    )
    watch: list[Callback] = [AfterEpoch(after_epoch)] if after_epoch else []
    if show and options.samples_every:
        watch.append(Watch(show, options.samples_every))
    samples = {"train": usable, "valid": usable_samples(corpus.valid, "valid", model.reads)}
    bar = EpochProgress("Training MFM", enabled=progress)
    history = train_best(module, samples, options, checkpoints, bar, watch)
    return TrainedModel(model, blueprint, pd.DataFrame(history))


def usable_samples(split: Split, name: str, reads: Iterable[str]) -> Tensor:
    """Return the positions of samples that have at least one of the modalities that are read.

    Raises
    ------
    DataError
        If there are fewer than two.
    """
    read = tuple(reads)
    positions = np.flatnonzero(split.has_any(read))
    if len(positions) < 2:
        raise DataError(
            f"split '{name}' has {len(positions)} sample(s) with any of the modalities "
            f"{', '.join(read)}; expected 2 or more"
        )
    return torch.from_numpy(positions)


def as_tensors(split: Split, model: MFM) -> tuple[Inputs, Tensor]:
    """Return inputs and targets of a split, as the model's costs take them."""
    targets = torch.from_numpy(split.targets.values)
    if split.targets.task == "regression":
        targets = model.standardise(targets)
    return Inputs.from_split(split), targets


def check_targets(corpus: Corpus) -> None:
    """Check that there is something to learn.

    Raises
    ------
    DataError
        If a target is constant in the training split.
    """
    targets = corpus.train.targets
    for name, constant in zip(targets.names, _constant(targets), strict=True):
        if constant:
            raise DataError(
                f"corpus {corpus.name}: target '{name}' is constant in the training split; "
                "expected at least two different values"
            )


def _constant(targets: Targets) -> NDArray[np.bool_]:
    if targets.task == "multiclass":
        single = len(np.unique(targets.values)) < 2
        return np.full(len(targets.names), single)
    return np.asarray(np.ptp(targets.values, axis=0) == 0)


def center_and_spread(values: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Return median and standard deviation of each regression target, ``(k,)``."""
    return torch.from_numpy(np.median(values, axis=0)), torch.from_numpy(values.std(axis=0))


def _size(model: MFM) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
