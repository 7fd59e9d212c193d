"""The Lightning module of surrogate networks, and what it minimises."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from mfm_pipeline.data import Task
from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.surrogate import SurrogateNetwork
from mfm_pipeline.models.surrogate_options import SurrogateWeights
from mfm_pipeline.objectives import heads_cost, reconstruction_cost
from mfm_pipeline.training.module import TrainingModule
from mfm_pipeline.training.options import TrainingOptions

VIEWS = 16
"""Patterns, at most, under which each validation sample is seen."""


@dataclass(frozen=True, eq=False)
class Lessons:
    """What surrogates learn from on one split.

    Parameters
    ----------
    inputs : Inputs
    targets : Tensor
        As the task's cost takes them.
    latents : dict of str to Tensor, each (n, z)
        Of the full model, from all that each sample has.
    """

    inputs: Inputs
    targets: Tensor
    latents: Mapping[str, Tensor]


class SurrogateCosts(NamedTuple):
    """Costs of one batch, each a scalar.

    Attributes
    ----------
    total : Tensor
        The weighted sum, which training minimises.
    task : Tensor
        c_Y of the label that is decoded, unweighted.
    reconstruction : dict of str to Tensor
        c_Xi of each modality where it is missing, unweighted.
    latent : dict of str to Tensor
        Mean square distance to each of the full model's latents, over its variance.
    """

    total: Tensor
    task: Tensor
    reconstruction: dict[str, Tensor]
    latent: dict[str, Tensor]

    def named(self) -> dict[str, Tensor]:
        """Return each cost by its name in histories."""
        parts = {f"reconstruction/{name}": cost for name, cost in self.reconstruction.items()}
        parts |= {f"latent/{name}": cost for name, cost in self.latent.items()}
        return {"loss": self.total, "task": self.task, **parts}


class SurrogateTraining(TrainingModule):
    """Train a surrogate network by Equation 5, the full model staying as it is.

    A training sample is seen under one of the network's patterns, drawn anew each
    epoch; a validation sample under all of them.

    Parameters
    ----------
    network : SurrogateNetwork
    full : MFM
        Not trained, nor changed.
    modalities : sequence of str
        Of patterns.
    lessons : mapping of str to Lessons
        Of ``train`` and ``valid``.
    weights : SurrogateWeights
    reconstruction : mapping of str to float
        The full model's weight of each modality's reconstruction.
    options : TrainingOptions
    """

    def __init__(
        self,
        *,
        network: SurrogateNetwork,
        full: MFM,
        modalities: tuple[str, ...],
        lessons: Mapping[str, Lessons],
        weights: SurrogateWeights,
        reconstruction: Mapping[str, float],
        options: TrainingOptions,
    ) -> None:
        super().__init__(
            model=network,
            data={name: (one.inputs, one.targets) for name, one in lessons.items()},
            options=options,
        )
        self.modalities = modalities
        self.latents = {name: dict(one.latents) for name, one in lessons.items()}
        self.weights = weights
        self.reconstruction = dict(reconstruction)
        self.task: Task = full.task
        self.patterns = torch.tensor(
            [[name in pattern for name in modalities] for pattern in network.patterns]
        )
        # In a tuple, for it to be no part of this module: neither trained nor kept.
        self.frozen = (copy.deepcopy(full).eval().requires_grad_(False),)
        self.seen = {name: self._seen(one.inputs) for name, one in lessons.items()}
        generator = torch.Generator().manual_seed(options.seed)
        self.views = _views(self.seen["valid"], generator)

    @property
    def network(self) -> SurrogateNetwork:
        """What is trained."""
        return cast("SurrogateNetwork", self.model)

    @property
    def samples(self) -> dict[str, Tensor]:
        """Positions that there are costs of, by split: samples, and views of them on valid."""
        usable = self.seen["train"].any(dim=1).nonzero()[:, 0]
        return {"train": usable, "valid": torch.arange(len(self.views))}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is not trained: the average of the weights is a copy of the module."""
        return {**super().__getstate__(), "latents": {}, "frozen": (), "seen": {}}

    def on_fit_start(self) -> None:
        """Move everything to the device, once, in the precision of the weights."""
        super().on_fit_start()
        dtype = next(self.parameters()).dtype
        self.latents = {
            split: {name: latent.to(self.device, dtype) for name, latent in latents.items()}
            for split, latents in self.latents.items()
        }
        self.patterns, self.views = self.patterns.to(self.device), self.views.to(self.device)
        self.seen = {name: seen.to(self.device) for name, seen in self.seen.items()}
        self.frozen[0].to(self.device, dtype)

    def costs(self, split: str, index: Tensor) -> SurrogateCosts:
        """Return the costs of samples, or of views of them on valid."""
        if split == "train":
            rows, pattern = index, self._draw(self.seen["train"][index])
        else:
            rows, pattern = self.views[index].T
        inputs, targets = self.data[split]
        whole, latents = inputs[rows], self.latents[split]
        there = self.patterns[pattern]
        lost = {name: ~there[:, k] for k, name in enumerate(self.modalities)}
        seen = whole.without(lost)
        # Latents decode into steps from the first that is seen.
        truth = whole.skip(whole.lengths - seen.lengths)
        known = {name: truth.present[name] & mask for name, mask in lost.items()}

        found = self.network(seen)
        generator = self.network.generator or self.frozen[0]
        factors = generator.factorize(found)
        steps = next((mask.shape[1] for mask in seen.steps.values()), generator.steps)
        task = heads_cost(generator.head(factors.discriminative), targets[rows], self.task)
        reconstruction = {
            name: reconstruction_cost(
                made, truth.values[name], _at(truth.observed(name), known[name])
            )
            for name, made in generator.decode(factors, steps).items()
        }
        distance = {
            name: latent_cost(found[name], latents[name][rows], known.get(name), latent.spread)
            for name, latent in self.network.latents.items()
        }
        total = (
            self.weights.task * task + self.weights.latent * torch.stack([*distance.values()]).sum()
        )
        for name, cost in reconstruction.items():
            total = total + self.weights.reconstruction * self.reconstruction[name] * cost
        return SurrogateCosts(total, task, reconstruction, distance)

    def _seen(self, inputs: Inputs) -> Tensor:
        """Return which patterns leave a sample anything, ``(n, patterns)`` bool."""
        present = torch.stack([inputs.present[name] for name in self.modalities], dim=1)
        return (present[:, None] & self.patterns).any(dim=2)

    def _draw(self, seen: Tensor) -> Tensor:
        """Draw a pattern a sample among those that leave it anything."""
        if len(self.patterns) == 1:
            return torch.zeros(len(seen), dtype=torch.int64, device=seen.device)
        return torch.multinomial(seen.float(), 1)[:, 0]


def latent_cost(found: Tensor, expected: Tensor, known: Tensor | None, spread: Tensor) -> Tensor:
    """Return the mean square distance of latents ``(n, z)``, in units of their spread.

    1 is what their mean would cost, whatever scale the full model gave them.

    Parameters
    ----------
    found, expected : Tensor, shape (n, z)
    known : Tensor of bool, shape (n,), optional
        Rows that count.
    spread : Tensor, shape ()
        Root mean square distance from the mean, by feature.
    """
    square = ((found - expected) / spread).square().mean(dim=1)
    if known is None:
        return square.mean()
    return square.masked_fill(~known, 0).sum() / known.sum().clamp(min=1)


def _at(mask: Tensor, known: Tensor) -> Tensor:
    """Return a mask, ``(n, T)`` or ``(n,)``, at known rows alone."""
    return mask & known.reshape(-1, *(1,) * (mask.dim() - 1))


def _views(seen: Tensor, generator: torch.Generator) -> Tensor:
    """Return pairs of sample and pattern, ``(views, 2)``: all, or `VIEWS` drawn a sample."""
    score = torch.rand(seen.shape, generator=generator).masked_fill(~seen, -1)
    best = score.topk(min(VIEWS, seen.shape[1]), dim=1)
    chosen = torch.zeros_like(seen).scatter(1, best.indices, best.values >= 0)
    return chosen.nonzero()
