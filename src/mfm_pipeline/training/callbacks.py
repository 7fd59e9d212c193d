"""Training behaviour, one duty each."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import mlflow
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ProgressBar
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm import tqdm

from mfm_pipeline.errors import TrainingError
from mfm_pipeline.models import MFM
from mfm_pipeline.training.module import TrainingModule
from mfm_pipeline.training.options import TrainingOptions

log = logging.getLogger(__name__)


class EpochHistory(Callback):
    """Keep every epoch's costs, and log them to an MLflow run with the epoch as step.

    Parameters
    ----------
    run_id : str, optional
        Not asked of MLflow here: in another process of a distributed run no
        run is active.
    """

    def __init__(self, run_id: str | None) -> None:
        self.epochs: list[dict[str, float]] = []
        self.run_id = run_id
        self._logged: set[int] = set()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look up what a run that was broken off has logged.

        Killed between logging and its checkpoint it repeats an epoch, and
        a metric has one value an epoch.
        """
        if self.run_id is not None:
            history = mlflow.MlflowClient().get_metric_history(self.run_id, "learning_rate")
            self._logged = {metric.step for metric in history}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch, before the checkpoint that holds this history is written."""
        assert isinstance(pl_module, TrainingModule)
        epoch = len(self.epochs)
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        costs = pl_module.epoch_costs
        wrong = [f"{name} is {cost}" for name, cost in costs.items() if not math.isfinite(cost)]
        if wrong:
            raise TrainingError(
                f"training diverged in epoch {epoch}: {', '.join(wrong)}; expected finite costs: "
                f"lower training.learning_rate ({rate:.3g} here) or set training.gradient_clip"
            )
        self.epochs.append({"epoch": epoch, **costs, "learning_rate": rate})
        if trainer.is_global_zero and self.run_id is not None and epoch not in self._logged:
            mlflow.log_metrics({**costs, "learning_rate": rate}, step=epoch, run_id=self.run_id)

    def state_dict(self) -> dict[str, Any]:
        """Return the history for the checkpoint."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the history of the epochs before the checkpoint."""
        self.epochs = list(state_dict["epochs"])


class LearningRate(Callback):
    """Set the learning rate of each epoch from the epochs before it.

    Lightning steps a plateau schedule after the checkpoint is written, so that
    a resumed run would be one step behind. Here the schedule is a function of
    the history, which the checkpoint holds.

    Parameters
    ----------
    options : TrainingOptions
    history : EpochHistory
    """

    def __init__(self, options: TrainingOptions, history: EpochHistory) -> None:
        self.options = options
        self.history = history

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the rate of the epoch that begins."""
        past = [epoch[self.options.monitor] for epoch in self.history.epochs]
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate(self.options, past)


def learning_rate(options: TrainingOptions, monitored: list[float]) -> float:
    """Return the learning rate after epochs with the given monitored costs."""
    if options.schedule == "cosine":
        share = len(monitored) / options.epochs
        return options.learning_rate * (1 + math.cos(math.pi * share)) / 2
    if options.schedule == "constant":
        return options.learning_rate
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=options.learning_rate)
    plateau = ReduceLROnPlateau(
        optimizer, factor=options.plateau.factor, patience=options.plateau.patience
    )
    for cost in monitored:
        plateau.step(cost)
    return float(optimizer.param_groups[0]["lr"])


class Watch(Callback):
    """Show the model to whoever wants to see it, every few epochs.

    Parameters
    ----------
    show : callable
        Takes the model, in evaluation mode, and the number of epochs it was trained.
    every : int
    """

    def __init__(self, show: Callable[[MFM, int], None], every: int) -> None:
        self.show = show
        self.every = every

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show what is validated: the average of the weights, where there is one."""
        assert isinstance(pl_module, TrainingModule)
        epochs = trainer.current_epoch + 1
        if trainer.is_global_zero and epochs % self.every == 0:
            assert isinstance(pl_module.model, MFM)
            # What is drawn for it is no part of training.
            with torch.random.fork_rng():
                self.show(pl_module.model, epochs)


class AfterEpoch(Callback):
    """Tell whoever wants to know what each epoch cost.

    Parameters
    ----------
    tell : callable
        Takes the costs by their MLflow names; what it raises stops the training.
    """

    def __init__(self, tell: Callable[[Mapping[str, float]], None]) -> None:
        self.tell = tell

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell the costs of the epoch, validation included."""
        assert isinstance(pl_module, TrainingModule)
        self.tell(pl_module.epoch_costs)


class ResumableEarlyStopping(EarlyStopping):
    """Early stopping that stays stopped when the run is resumed."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before the first epoch if patience was spent already."""
        super().on_train_start(trainer, pl_module)
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class EpochProgress(ProgressBar):
    """One bar over the epochs, with the costs that matter; off a terminal, some lines.

    Parameters
    ----------
    name : str
        What is trained.
    lines : int
        Of the log, where there is no terminal.
    enabled : bool
        Whether to show anything.
    """

    def __init__(self, name: str, lines: int = 10, *, enabled: bool = True) -> None:
        super().__init__()
        self._name = name
        self._lines = lines
        self._enabled = enabled
        self._bar: tqdm[Any] | None = None

    def disable(self) -> None:
        """Lightning's way to silence other processes than the first."""
        self._enabled = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar at the epoch to begin with."""
        self._bar = tqdm(
            total=trainer.max_epochs,
            initial=trainer.current_epoch,
            desc=self._name,
            unit="epoch",
            file=sys.stderr,
            dynamic_ncols=True,
            leave=False,
            disable=None if self._enabled else True,
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move on by one epoch."""
        assert isinstance(pl_module, TrainingModule) and self._bar is not None
        train, valid = (f"{pl_module.epoch_costs[f'{s}/loss']:.3f}" for s in ("train", "valid"))
        self._bar.set_postfix(train=train, valid=valid, refresh=False)
        self._bar.update()
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        if (
            self._bar.disable
            and self._enabled
            and epoch * self._lines // epochs > (epoch - 1) * self._lines // epochs
        ):
            log.info("epoch %d of %d: loss %s, valid %s", epoch, epochs, train, valid)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, for the error to begin on a line of its own."""
        self.on_train_end(trainer, pl_module)
