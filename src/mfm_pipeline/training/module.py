"""The Lightning module: one objective over data that is resident on the device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Protocol, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.swap import read_swapped
from mfm_pipeline.objectives import Objective
from mfm_pipeline.training.batches import epoch_seed
from mfm_pipeline.training.options import TrainingOptions


class NamedCosts(Protocol):
    """Costs of one batch."""

    @property
    def total(self) -> Tensor:
        """What training minimises."""

    def named(self) -> dict[str, Tensor]:
        """Return each cost by its name in histories."""


class TrainingModule(LightningModule):
    """Train a model on data that is resident on the device.

    A subclass says by its `costs` what is minimised.

    Parameters
    ----------
    model : Module
    data : mapping of str to (Inputs, Tensor)
        Inputs and targets, as the task's cost takes them, of ``train`` and
        ``valid``.
    options : TrainingOptions
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        data: Mapping[str, tuple[Inputs, Tensor]],
        options: TrainingOptions,
    ) -> None:
        super().__init__()
        self.model = model
        self.data = dict(data)
        self.options = options
        self.epoch_costs: dict[str, float] = {}
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = defaultdict(int)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the data out: the average of the weights is a copy of the module."""
        state: dict[str, Any] = super().__getstate__()
        return {**state, "data": {}}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam, with its decay kept out of the gradient's moments."""
        return torch.optim.AdamW(
            self.parameters(),
            lr=self.options.learning_rate,
            weight_decay=self.options.weight_decay,
        )

    def on_fit_start(self) -> None:
        """Move the data to the device, once, in the precision of the weights."""
        dtype = next(self.parameters()).dtype
        for name, (inputs, targets) in self.data.items():
            floating = targets.is_floating_point()
            self.data[name] = (
                inputs.to(self.device, dtype),
                targets.to(self.device, dtype if floating else None),
            )

    def on_train_epoch_start(self) -> None:
        """Seed by epoch, so that an epoch is the same whether or not it was resumed."""
        torch.manual_seed(epoch_seed(self.options.seed, self.current_epoch))
        self.epoch_costs = {}

    def training_step(self, index: Tensor) -> Tensor:
        """Return the objective on the samples at `index`."""
        return self._step("train", index).total

    def validation_step(self, index: Tensor) -> None:
        """Add up the objective on the samples at `index`."""
        self._step("valid", index)

    def on_validation_epoch_end(self) -> None:
        """Publish the validation costs, which early stopping and checkpoints watch."""
        costs = self._means("valid")
        self.epoch_costs |= costs
        self.log_dict(costs)

    def on_train_batch_end(self, *_: object) -> None:
        """Publish the training costs with the last batch, before callbacks look."""
        if self.trainer.is_last_batch:
            self.epoch_costs |= self._means("train")

    def costs(self, split: str, index: Tensor) -> NamedCosts:
        """Return what is minimised on the samples at `index` of a split."""
        raise NotImplementedError

    def _step(self, split: str, index: Tensor) -> NamedCosts:
        costs = self.costs(split, index.to(self.device))
        self._counts[split] += len(index)
        for name, cost in costs.named().items():
            self._add(f"{split}/{name}", cost.detach(), len(index))
        return costs

    def _add(self, key: str, value: Tensor, weight: int) -> None:
        self._sums[key] = self._sums.get(key, 0) + weight * value

    def _means(self, split: str) -> dict[str, float]:
        """Return the mean costs since the last call, over all processes."""
        count = self._counts.pop(split)
        names = [name for name in self._sums if name.startswith(f"{split}/")]
        reduce = self.trainer.strategy.reduce
        return {
            name: float(reduce(self._sums.pop(name) / count, reduce_op="mean")) for name in names
        }


class MfmTraining(TrainingModule):
    """Train an MFM by Equation 4.

    Parameters
    ----------
    model : MFM
    objective : Objective
    data, options
        As `TrainingModule` takes them.
    """

    def __init__(
        self,
        *,
        model: MFM,
        objective: Objective,
        data: Mapping[str, tuple[Inputs, Tensor]],
        options: TrainingOptions,
    ) -> None:
        super().__init__(model=model, data=data, options=options)
        self.objective = objective

    @property
    def mfm(self) -> MFM:
        """What is trained."""
        return cast("MFM", self.model)

    def costs(self, split: str, index: Tensor) -> NamedCosts:
        """Return the objective on the samples at `index` of a split."""
        inputs, targets = self.data[split]
        batch = inputs[index]
        output = self.model(batch)
        swapped = None
        if self.objective.swap:
            swapped = read_swapped(self.mfm, output, batch, self.objective.swap)
        if split == "valid" and self.mfm.task == "multiclass":
            wrong = output.prediction.argmax(dim=1) != targets[index]
            self._add("valid/error", wrong.to(output.prediction.dtype).mean(), len(index))
        return self.objective(output, batch, targets[index], swapped)
