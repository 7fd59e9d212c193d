"""Fit an MFM to a corpus."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import mlflow
import numpy as np
import pandas as pd
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline.data import Corpus, Split, Targets
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.models import MFM, Blueprint, Inputs, ModelOptions
from mfm_pipeline.objectives import Objective
from mfm_pipeline.training.batches import IndexBatches
from mfm_pipeline.training.callbacks import (
    EpochHistory,
    EpochProgress,
    LearningRate,
    ResumableEarlyStopping,
    Watch,
)
from mfm_pipeline.training.module import TrainingModule
from mfm_pipeline.training.options import TrainingOptions

LAST, BEST = "last.ckpt", "best.ckpt"
_ENGINE = ("accelerator", "devices", "strategy", "precision")

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
    _check_targets(corpus)
    torch.manual_seed(options.seed)
    blueprint = Blueprint.of(corpus.train, model_options)
    model = blueprint.build()
    if blueprint.task == "regression" and options.standardise_targets:
        model.set_target_scale(*_center_and_spread(corpus.train.targets.values))
    usable = _usable(corpus.train, "train", model)
    model.calibrate(Inputs.from_split(corpus.train.select(usable.numpy())))
    kind = "hybrid model" if model.modalities else "discriminative model"
    fusion = "no" if model.fusion is None else model_options.fusion
    log.info(
        "%s, %s parameters, %s fusion",
        "MFM" if model.factorized else kind, f"{_size(model):,}", fusion,
    )  # fmt: skip
    if options.compile:
        model.compile()

    folder = _run_folder(checkpoints, options.resume)
    watch = [Watch(show, options.samples_every)] if show and options.samples_every else []
    history = _train(model, model_options, corpus, options, folder, watch)
    best = torch.load(folder / BEST, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model."
    model.load_state_dict(
        {k.removeprefix(prefix): v for k, v in best.items() if k.startswith(prefix)}
    )
    return TrainedModel(model.eval().cpu(), blueprint, pd.DataFrame(history))


def _train(
    model: MFM,
    model_options: ModelOptions,
    corpus: Corpus,
    options: TrainingOptions,
    folder: Path,
    watch: Sequence[Callback],
) -> list[dict[str, float]]:
    """Run Lightning's loop and return the history of its epochs.

    It is read from the last checkpoint: with several devices the loop runs in
    processes of their own, and the objects here see nothing of it.
    """
    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        # Devices that are not there, and tips: nothing to act on.
        logging.getLogger(name).setLevel(logging.WARNING)
    module = TrainingModule(
        model=model,
        objective=Objective.build(
            model_options, corpus.train.modalities, corpus.train.targets.task
        ),
        data={name: _as_tensors(corpus.splits[name], model) for name in ("train", "valid")},
        options=options,
    )
    run = mlflow.active_run()
    history = EpochHistory(run.info.run_id if run else None)
    callbacks = [*watch, *_callbacks(options, history, folder)]
    trainer = _trainer(options, callbacks, folder)
    train, valid = (_usable(corpus.splits[name], name, model) for name in ("train", "valid"))
    last = folder / LAST
    with warnings.catch_warnings():
        # Lightning counsels loader workers; positions need none.
        warnings.filterwarnings("ignore", module="lightning")
        try:
            trainer.fit(
                module,
                IndexBatches(train, options.batch_size, seed=options.seed),
                IndexBatches(valid, max(options.batch_size, 256)),
                ckpt_path=last if last.exists() else None,
                weights_only=True,
            )
        except RuntimeError as error:
            if last.exists() and "state_dict" in str(error):
                raise ParameterError(
                    "resume: the checkpoint was written by a model of other sizes; "
                    "start without resume, or with the parameters it began with"
                ) from error
            raise
    state = torch.load(last, map_location="cpu", weights_only=True)
    epochs: list[dict[str, float]] = state["callbacks"][history.state_key]["epochs"]
    return epochs


def _trainer(options: TrainingOptions, callbacks: list[Callback], folder: Path) -> pl.Trainer:
    strategy = options.strategy
    if options.devices != 1 and strategy in ("auto", "ddp"):
        # Plain DDP starts the whole command once more for every device.
        strategy = "ddp_fork"
    try:
        return pl.Trainer(
            max_epochs=options.epochs,
            accelerator=options.accelerator,
            devices=options.devices,
            strategy=strategy,
            precision=options.precision,
            gradient_clip_val=options.gradient_clip or None,
            callbacks=callbacks,
            logger=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
    except (MisconfigurationException, ValueError) as error:
        found = {name: getattr(options, name) for name in _ENGINE}
        raise ParameterError(
            f"training: {', '.join(f'{k} is {v!r}' for k, v in found.items())}: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _callbacks(options: TrainingOptions, history: EpochHistory, folder: Path) -> list[Callback]:
    """Return what Lightning calls; checkpoints come last and hold the others' state."""
    callbacks: list[Callback] = [LearningRate(options, history), history, EpochProgress()]
    if options.averaging:
        callbacks.append(EMAWeightAveraging(decay=options.averaging))
    if options.early_stopping:
        callbacks.append(ResumableEarlyStopping(options.monitor, patience=options.early_stopping))
    every_epoch: dict[str, Any] = {
        "dirpath": folder,
        "save_on_train_epoch_end": True,
        "enable_version_counter": False,
    }
    best = ModelCheckpoint(filename=Path(BEST).stem, monitor=options.monitor, **every_epoch)
    last = ModelCheckpoint(filename=Path(LAST).stem, **every_epoch)
    return [*callbacks, best, last]


def _run_folder(checkpoints: Path, resume: bool) -> Path:
    """Return the folder of the active run's states, and drop those of runs before it."""
    run = mlflow.active_run()
    folder = checkpoints / (run.info.run_id if run else "untracked")
    if not resume:
        for old in checkpoints.iterdir() if checkpoints.is_dir() else ():
            if old.is_dir():
                shutil.rmtree(old)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _usable(split: Split, name: str, model: MFM) -> Tensor:
    """Return the positions of samples that have at least one modality the model reads."""
    positions = np.flatnonzero(split.has_any(model.reads))
    if len(positions) < 2:
        raise DataError(
            f"split '{name}' has {len(positions)} sample(s) with any of the modalities "
            f"{', '.join(model.reads)}; expected 2 or more"
        )
    return torch.from_numpy(positions)


def _as_tensors(split: Split, model: MFM) -> tuple[Inputs, Tensor]:
    targets = torch.from_numpy(split.targets.values)
    if split.targets.task == "regression":
        targets = model.standardise(targets)
    return Inputs.from_split(split), targets


def _check_targets(corpus: Corpus) -> None:
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


def _center_and_spread(values: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Return median and standard deviation of each target, ``(k,)``."""
    return torch.from_numpy(np.median(values, axis=0)), torch.from_numpy(values.std(axis=0))


def _size(model: MFM) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
