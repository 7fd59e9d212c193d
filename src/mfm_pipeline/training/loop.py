"""Lightning's loop: what calls it, its checkpoints, and how it goes on from them."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import mlflow
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from torch import Tensor

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.training.batches import IndexBatches
from mfm_pipeline.training.callbacks import (
    EpochHistory,
    EpochProgress,
    LearningRate,
    ResumableEarlyStopping,
)
from mfm_pipeline.training.module import TrainingModule
from mfm_pipeline.training.options import TrainingOptions

LAST, BEST = "last.ckpt", "best.ckpt"
_ENGINE = ("accelerator", "devices", "strategy", "precision")


def train_best(
    module: TrainingModule,
    samples: dict[str, Tensor],
    options: TrainingOptions,
    checkpoints: Path,
    progress: EpochProgress,
    watch: Sequence[Callback] = (),
) -> list[dict[str, float]]:
    """Train a module's model, and leave it with the weights of its best validation epoch.

    Parameters
    ----------
    module : TrainingModule
    samples : dict of str to Tensor of int64
        Positions of ``train`` and ``valid`` that there are costs of.
    options : TrainingOptions
    checkpoints : Path
        Folder for the states of this run, by the id of the active MLflow run.
        With ``options.resume``, training goes on from the last one there.
    progress : EpochProgress
    watch : sequence of Callback
        Called before all others.

    Returns
    -------
    list of dict
        One an epoch: costs by their MLflow names, and the learning rate. It is read from
        the last checkpoint: with several devices the loop runs in processes of their
        own, and the objects here see nothing of it.

    Raises
    ------
    ParameterError
        If the checkpoint there is that of another model, or the engine refuses options.
    """
    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        # Devices that are not there, and tips: nothing to act on.
        logging.getLogger(name).setLevel(logging.WARNING)
    folder = _run_folder(checkpoints, options.resume)
    run = mlflow.active_run()
    history = EpochHistory(run.info.run_id if run else None)
    callbacks = [*watch, *_callbacks(options, history, folder, progress)]
    trainer = _trainer(options, callbacks, folder)
    last = folder / LAST
    with warnings.catch_warnings():
        # Lightning counsels loader workers; positions need none.
        warnings.filterwarnings("ignore", module="lightning")
        try:
            trainer.fit(
                module,
                IndexBatches(samples["train"], options.batch_size, seed=options.seed),
                IndexBatches(samples["valid"], max(options.batch_size, 256)),
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
    best = torch.load(folder / BEST, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model."
    module.model.load_state_dict(
        {k.removeprefix(prefix): v for k, v in best.items() if k.startswith(prefix)}
    )
    # In single precision whatever it was trained in, as what is read is.
    module.model.eval().cpu().float()
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


def _callbacks(
    options: TrainingOptions, history: EpochHistory, folder: Path, progress: EpochProgress
) -> list[Callback]:
    """Return what Lightning calls; checkpoints come last and hold the others' state."""
    callbacks: list[Callback] = [LearningRate(options, history), history, progress]
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
