"""The objective of Equation 4: costs c_X and c_Y, and the prior on the latents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mfm_pipeline.data import Task
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.latents import JOINT, Latent
from mfm_pipeline.models.mfm import MfmOutput
from mfm_pipeline.models.options import ModelOptions
from mfm_pipeline.models.per_modality import value_for
from mfm_pipeline.models.swap import Swapped

Kernel = Literal["gaussian", "multiquadric"]

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Widths of the inverse multiquadric kernel, which sees differences of every size."""


class Costs(NamedTuple):
    """Costs of one batch, each a scalar.

    Attributes
    ----------
    total : Tensor
        The weighted sum, which training minimises.
    task : Tensor
        c_Y, unweighted.
    reconstruction : dict of str to Tensor
        c_Xi of each modality, unweighted.
    prior : Tensor
        Divergence from the prior, summed over the latents, unweighted.
    swap : dict of str to Tensor
        c_Y of what is read from each modality with styles swapped, unweighted.
    """

    total: Tensor
    task: Tensor
    reconstruction: dict[str, Tensor]
    prior: Tensor
    swap: dict[str, Tensor]

    def named(self) -> dict[str, Tensor]:
        """Return each cost by its name in histories."""
        parts = {f"reconstruction/{name}": cost for name, cost in self.reconstruction.items()}
        parts |= {f"swap/{name}": cost for name, cost in self.swap.items()}
        return {"loss": self.total, "task": self.task, "prior": self.prior, **parts}


class Objective:
    """Equation 4, or its counterpart with the KL divergence.

    Parameters
    ----------
    task : {"regression", "multiclass", "multilabel"}
    prior : {"mmd", "kl"}
    prior_weight : float
        Lambda.
    reconstruction : mapping of str to float
        Weight of each modality's reconstruction.
    kernel : {"gaussian", "multiquadric"}
        Of the MMD.
    joint : bool
        Draw all latents together to the prior, as Equation 4 has it, so that they
        are independent of each other; else each by itself, as published.
    task_weight : float
        Weight of the label's cost; 0 for a purely generative model.
    swap : mapping of str to float, optional
        Weight of c_Y on what is read from a modality with styles swapped (`read_swapped`);
        without, none is.
    """

    def __init__(
        self,
        *,
        task: Task,
        prior: Literal["mmd", "kl"],
        prior_weight: float,
        reconstruction: Mapping[str, float],
        kernel: Kernel = "gaussian",
        joint: bool = False,
        task_weight: float = 1.0,
        swap: Mapping[str, float] | None = None,
    ) -> None:
        self.task = task
        self.task_weight = task_weight
        self.prior = prior
        self.kernel = kernel
        self.joint = joint
        self.prior_weight = prior_weight
        self.reconstruction = dict(reconstruction)
        self.swap = {name: weight for name, weight in (swap or {}).items() if weight}

    @classmethod
    def build(cls, options: ModelOptions, modalities: Iterable[str], task: Task) -> Objective:
        """Read weights and prior from `options`."""
        names = tuple(modalities)
        return cls(
            task=task,
            prior=options.prior,
            prior_weight=options.prior_weight,
            kernel=options.kernel,
            joint=options.joint_prior,
            task_weight=options.task_weight,
            reconstruction={
                name: value_for(name, options.reconstruction, "reconstruction") for name in names
            },
            swap={name: value_for(name, options.style_swap, "style_swap") for name in names},
        )

    def __call__(
        self,
        output: MfmOutput,
        inputs: Inputs,
        targets: Tensor,
        swapped: Mapping[str, Swapped] | None = None,
    ) -> Costs:
        """Return the costs of one batch.

        Parameters
        ----------
        output : MfmOutput
        inputs : Inputs
            What the output was computed from; only observed data costs.
        targets : Tensor
            In the model's units (`MFM.standardise`): ``(n, outputs)``, or
            classes ``(n,)``.
        swapped : mapping of str to Swapped, optional
            What is read with styles swapped, of the modalities in `swap`.
        """
        task = heads_cost(output.heads, targets, self.task)
        reconstruction = {
            name: reconstruction_cost(value, inputs.values[name], inputs.observed(name))
            for name, value in output.reconstructions.items()
        }
        prior = torch.zeros_like(task)
        if output.latents:
            prior = self._divergence(output.latents, _inferred(output, inputs))
        total = self.task_weight * task + self.prior_weight * prior
        for name, cost in reconstruction.items():
            total = total + self.reconstruction[name] * cost
        swap = {
            name: heads_cost(read.heads[read.known], targets[read.known], self.task)
            if read.known.any()
            else torch.zeros_like(task)
            for name, read in (swapped or {}).items()
        }
        for name, cost in swap.items():
            total = total + self.swap[name] * cost
        return Costs(total, task, reconstruction, prior, swap)

    def _divergence(self, latents: Mapping[str, Latent], present: Mapping[str, Tensor]) -> Tensor:
        """Return the divergence from the prior: of each latent, summed, or of all as one."""
        if self.joint:
            latents = {"": _side_by_side(latents, present)}
        return torch.stack(
            [self._divergence_of(latent, present.get(name)) for name, latent in latents.items()]
        ).sum()

    def _divergence_of(self, latent: Latent, present: Tensor | None) -> Tensor:
        if self.prior == "mmd":
            return mmd(latent.sample, torch.randn_like(latent.sample), present, self.kernel)
        if latent.log_variance is None:
            raise ValueError("prior 'kl' needs a latent with a variance; this one is a point")
        return kl(latent.mean, latent.log_variance, present)


def _inferred(output: MfmOutput, inputs: Inputs) -> dict[str, Tensor]:
    """Return by latent the samples that have what it is inferred from; Zy all of them have."""
    present = dict(inputs.present)
    if JOINT in output.latents:
        present[JOINT] = torch.stack([present[name] for name in output.reconstructions]).any(dim=0)
    return present


def _side_by_side(latents: Mapping[str, Latent], present: Mapping[str, Tensor]) -> Latent:
    """Return all latents as one; what a sample lacks is drawn from the prior, and costs nothing."""
    parts = []
    for name, latent in latents.items():
        sample = latent.sample
        if name in present:
            sample = torch.where(present[name][:, None], sample, torch.randn_like(sample))
        parts.append(sample)
    joint = torch.cat(parts, dim=1)
    return Latent(joint, joint, None)


def heads_cost(heads: Tensor, targets: Tensor, task: Task) -> Tensor:
    """Return c_Y of several heads, ``(n, heads, outputs)``.

    It is the mean of their costs, not the cost of their mean: each has to be able to
    predict by itself.
    """
    return task_cost(heads.flatten(0, 1), targets.repeat_interleave(heads.shape[1], dim=0), task)


def task_cost(prediction: Tensor, targets: Tensor, task: Task) -> Tensor:
    """Return c_Y: L1, cross-entropy, or binary cross-entropy on logits.

    Parameters
    ----------
    prediction : Tensor, shape (n, k)
    targets : Tensor
        ``(n, k)``, or for ``multiclass`` ``(n,)`` int64.
    task : {"regression", "multiclass", "multilabel"}
    """
    if task == "multiclass":
        return functional.cross_entropy(prediction, targets)
    if prediction.shape != targets.shape:
        raise ValueError(f"prediction is {prediction.shape} and targets {targets.shape}")
    if task == "multilabel":
        return functional.binary_cross_entropy_with_logits(prediction, targets)
    return functional.l1_loss(prediction, targets)


def reconstruction_cost(reconstruction: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return c_Xi: the mean square over what was observed.

    Parameters
    ----------
    reconstruction, values : Tensor, shape (n, T, d) or (n, C, H, W)
    mask : Tensor of bool
        ``(n, T)`` or ``(n,)``; the rest costs nothing and has no gradient.

    Returns
    -------
    Tensor, shape ()
        Zero if nothing was observed.
    """
    inner = reconstruction.shape[mask.dim() :]
    observed = mask.reshape(mask.shape + (1,) * len(inner))
    # Equal where nothing was observed: no cost, and no gradient, in a single pass.
    target = torch.where(observed, values, reconstruction.detach())
    square = functional.mse_loss(reconstruction, target, reduction="sum")
    return square / (mask.sum() * inner.numel()).clamp(min=1)


def mmd(
    latent: Tensor, draws: Tensor, present: Tensor | None = None, kernel: Kernel = "gaussian"
) -> Tensor:
    """Return the squared maximum mean discrepancy of a latent from the prior.

    Biased estimator: the mean of the kernel k over pairs of latents, plus that
    over pairs of draws, less twice that over pairs of one and the other.

    Parameters
    ----------
    latent : Tensor, shape (n, z)
    draws : Tensor, shape (n, z)
        Draws from N(0, I).
    present : Tensor of bool, shape (n,), optional
        Rows that count, as many of the draws as of the latent.
    kernel : {"gaussian", "multiquadric"}
        ``exp(-mean((a - b)^2) / z)``, published with the paper, which is so wide that
        it hardly sees more than the mean; or the sum over `SCALES` s of
        ``c / (c + |a - b|^2)``, c = 2 z s (Tolstikhin et al., Wasserstein
        Auto-Encoders, 2018, Section 4), divided by their number.

    Returns
    -------
    Tensor, shape ()
        Zero if no row counts.
    """
    n, size = latent.shape
    weight = latent.new_ones(n) if present is None else present.to(latent.dtype)
    weight = weight / weight.sum().clamp(min=1)
    # One quadratic form over both samples: latents count positive, draws negative.
    sign = torch.cat([weight, -weight])
    points = torch.cat([latent, draws]) / size
    square = points.square().sum(dim=1)
    distance = torch.addmm(square[:, None] + square, points, points.t(), alpha=-2)
    return sign @ similarity(distance, size, kernel) @ sign


def similarity(distance: Tensor, size: int, kernel: Kernel) -> Tensor:
    """Return the kernel of `mmd` at squared distances that are divided by the size squared.

    Parameters
    ----------
    distance : Tensor, of any shape
        ``|a - b|^2 / z^2``.
    size : int
        z.
    kernel : {"gaussian", "multiquadric"}
    """
    if kernel == "gaussian":
        return torch.exp(-distance)
    # Rounding may have left a distance a little below 0.
    above = distance.clamp(min=0)
    total = torch.zeros_like(above)
    for scale in SCALES:
        width = 2 * scale / size
        total = total + width / (width + above)
    return total / len(SCALES)


def kl(mean: Tensor, log_variance: Tensor, present: Tensor | None = None) -> Tensor:
    """Return KL(N(mean, variance) || N(0, I)), the mean over rows that count.

    Parameters
    ----------
    mean, log_variance : Tensor, shape (n, z)
    present : Tensor of bool, shape (n,), optional

    Returns
    -------
    Tensor, shape ()
        Summed over the latent's features; zero if no row counts.
    """
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
    if present is None:
        return divergence.mean()
    return divergence.masked_fill(~present, 0).sum() / present.sum().clamp(min=1)
