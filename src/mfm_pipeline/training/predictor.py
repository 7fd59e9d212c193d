"""Fit any network that predicts to a corpus, by the same loop as MFM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mfm_pipeline.data import Corpus, Split, Task
from mfm_pipeline.models import Inputs
from mfm_pipeline.objectives import task_cost
from mfm_pipeline.training.callbacks import AfterEpoch, EpochProgress
from mfm_pipeline.training.fit import center_and_spread, check_targets, usable_samples
from mfm_pipeline.training.loop import train_best
from mfm_pipeline.training.module import TrainingModule
from mfm_pipeline.training.options import TrainingOptions

BATCH = 1024
"""Samples that are predicted at once."""

Cost = Callable[[nn.Module, Inputs, Tensor], Mapping[str, Tensor]]


class PredictorCosts(NamedTuple):
    """Costs of one batch, each a scalar.

    Attributes
    ----------
    parts : dict of str to Tensor
        Weighted; ``task`` among them.
    """

    parts: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        """Their sum, which training minimises."""
        return torch.stack(list(self.parts.values())).sum()

    def named(self) -> dict[str, Tensor]:
        """Return each cost by its name in histories."""
        return {"loss": self.total, **self.parts}


@dataclass(frozen=True, eq=False)
class TrainedPredictor:
    """A network with the weights of its best validation epoch.

    Parameters
    ----------
    network : Module
        From `Inputs` to raw predictions ``(n, outputs)``; in evaluation mode, on the CPU.
    task : {"regression", "multiclass", "multilabel"}
    center, scale : Tensor, shape (outputs,)
        Regression: what a raw prediction of 0 and a difference of 1 stand for.
    """

    network: nn.Module
    task: Task
    center: Tensor
    scale: Tensor

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(weights.numel() for weights in self.network.parameters())

    def predict(self, split: Split) -> NDArray[np.float32]:
        """Return values in target units, or probabilities of classes or labels.

        Returns
        -------
        ndarray of float32, shape (n, outputs)
        """
        with torch.inference_mode():
            raw = torch.cat([self.network(b) for b in Inputs.from_split(split).batches(BATCH)])
            if self.task == "multiclass":
                raw = raw.softmax(dim=1)
            elif self.task == "multilabel":
                raw = raw.sigmoid()
            else:
                raw = raw * self.scale + self.center
        return raw.numpy()


class PredictorTraining(TrainingModule):
    """Train a network by what its predictions cost.

    Parameters
    ----------
    model : Module
    cost : callable
        Costs of a batch, from the network, inputs and targets; ``task`` among them.
    data, options
        As `TrainingModule` takes them.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        cost: Cost,
        data: Mapping[str, tuple[Inputs, Tensor]],
        options: TrainingOptions,
    ) -> None:
        super().__init__(model=model, data=data, options=options)
        self.cost = cost

    def costs(self, split: str, index: Tensor) -> PredictorCosts:
        """Return what is minimised on the samples at `index` of a split."""
        inputs, targets = self.data[split]
        return PredictorCosts(dict(self.cost(self.model, inputs[index], targets[index])))


def fit_predictor(
    corpus: Corpus,
    build: Callable[[], nn.Module],
    options: TrainingOptions,
    checkpoints: Path,
    *,
    name: str,
    cost: Cost | None = None,
    after_epoch: Callable[[Mapping[str, float]], None] | None = None,
    progress: bool = True,
) -> TrainedPredictor:
    """Train a network on the training split, keeping the best validation epoch.

    Parameters
    ----------
    corpus : Corpus
    build : callable
        Returns the network, from `Inputs` to raw predictions ``(n, outputs)``; called
        after seeding.
    options : TrainingOptions
    checkpoints : Path
        As in `fit`.
    name : str
        For the progress bar.
    cost : callable, optional
        Costs of a batch by name, weighted, ``task`` among them, from the network, inputs
        and targets (regression: standardised); by default c_Y of Equation 4 alone.
    after_epoch, progress
        As in `fit`.

    Raises
    ------
    DataError
        If too few samples are left to train or validate on, or a target is constant.
    """
    check_targets(corpus)
    train = corpus.train.targets
    task = train.task
    center, scale = torch.zeros(1), torch.ones(1)
    if task == "regression" and options.standardise_targets:
        center, scale = center_and_spread(train.values)
    torch.manual_seed(options.seed)
    network = build()
    if options.compile:
        network.compile()
    data = {}
    for split in ("train", "valid"):
        targets = torch.from_numpy(corpus.splits[split].targets.values)
        if task == "regression":
            targets = (targets - center) / scale
        data[split] = (Inputs.from_split(corpus.splits[split]), targets)
    module = PredictorTraining(
        model=network, cost=cost or partial(_task_cost, task=task), data=data, options=options
    )
    samples = {
        split: usable_samples(corpus.splits[split], split, corpus.train.modalities)
        for split in ("train", "valid")
    }
    watch = [AfterEpoch(after_epoch)] if after_epoch else []
    bar = EpochProgress(name, enabled=progress)
    train_best(module, samples, options, checkpoints, bar, watch)
    return TrainedPredictor(network, task, center, scale)


def _task_cost(
    network: nn.Module, inputs: Inputs, targets: Tensor, task: Task
) -> dict[str, Tensor]:
    return {"task": task_cost(network(inputs), targets, task)}
