"""Hidden Markov models of several Gaussian streams, by expectation and maximisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mfm_pipeline.models.hidden_states.chain import log_partition, posterior

RAREST = 1e-10
"""Probability that a state or transition keeps when nothing speaks for it."""


class Streams(NamedTuple):
    """Sequences of several modalities.

    Attributes
    ----------
    values : list of Tensor, each (T, n, d)
        Finite; those of steps that are not observed are not read.
    observed : list of Tensor of bool, each (T, n)
        Steps at which each modality is observed.
    lengths : Tensor of int64, shape (n,)
    """

    values: list[Tensor]
    observed: list[Tensor]
    lengths: Tensor

    def select(self, samples: Tensor) -> Streams:
        """Return some of the samples, positions or a bool mask."""
        return Streams(
            [values[:, samples] for values in self.values],
            [observed[:, samples] for observed in self.observed],
            self.lengths[samples],
        )


@dataclass(frozen=True, eq=False)
class GaussianHmm:
    """R hidden Markov models side by side.

    Given its state, the modalities of a step are independent, and each of their features is
    normal:

        p(x_t | h) = prod_m prod_k N(x_tk^m; mean_hk^m, variance_hk^m),

    with a factor of 1 for each modality that is not observed at the step.

    Parameters
    ----------
    initial : Tensor, shape (R, S)
        Probability of the first state.
    transition : Tensor, shape (R, S, S)
        Of each state's successors, which sum to 1.
    means, variances : list of Tensor, each (R, S, d)
        Of each modality.
    """

    initial: Tensor
    transition: Tensor
    means: list[Tensor]
    variances: list[Tensor]

    def log_likelihood(self, streams: Streams) -> Tensor:
        """Return log p(x) of every sample by every model, ``(R, n)``; 0 without steps."""
        return log_partition(*self.potentials(streams), streams.lengths)

    def potentials(self, streams: Streams) -> tuple[Tensor, Tensor]:
        """Return logarithms of what states and transitions contribute, as `chain` reads them."""
        unary = self.log_emission(streams)
        first = unary[:1] + self.initial.clamp(min=RAREST).log()[:, None]
        return torch.cat([first, unary[1:]]), self.transition.clamp(min=RAREST).log()

    def log_emission(self, streams: Streams) -> Tensor:
        """Return log p(x_t | h), ``(T, R, n, S)``."""
        total = torch.zeros(())
        models, states = self.initial.shape
        for values, observed, mean, variance in zip(
            *streams[:2], self.means, self.variances, strict=True
        ):
            steps, n, d = values.shape
            # Squares are differences of products: around 0 they lose nothing.
            center = mean.mean(dim=(0, 1))
            precision = variance.reciprocal().reshape(-1, d)
            mean = mean.reshape(-1, d) - center
            x = values.masked_fill(~observed[:, :, None], 0) - center
            square = x.square() @ precision.T - 2 * x @ (mean * precision).T
            constant = (mean.square() * precision - precision.log()).sum(dim=1)
            log = -0.5 * (square + constant + d * math.log(2 * math.pi))
            log = log.masked_fill(~observed[:, :, None], 0)
            total = total + log.reshape(steps, n, models, states).transpose(1, 2)
        return total

    def improved(self, streams: Streams, floors: Sequence[Tensor]) -> tuple[GaussianHmm, Tensor]:
        """Return the models after one step of Baum and Welch, and what they explained before.

        Parameters
        ----------
        streams : Streams
            Samples with steps.
        floors : sequence of Tensor, each (d,)
            Smallest variances of each modality's features.

        Returns
        -------
        GaussianHmm
            What nothing is known about stays as it is.
        Tensor, shape (R,)
            Log-likelihood of all samples before the step.
        """
        value, states, transitions = posterior(*self.potentials(streams), streams.lengths)
        means, variances = [], []
        for values, observed, floor, mean, variance in zip(
            *streams[:2], floors, self.means, self.variances, strict=True
        ):
            x, share = values[observed], states.transpose(1, 2)[observed]
            weight = share.sum(dim=0)[:, :, None]
            some = weight > RAREST
            weight = weight.clamp(min=RAREST)
            center = x.mean(dim=0) if len(x) else floor
            x = x - center
            first = torch.einsum("krs,kd->rsd", share, x) / weight
            second = torch.einsum("krs,kd->rsd", share, x.square()) / weight
            means.append(torch.where(some, first + center, mean))
            spread = torch.maximum(second - first.square(), floor)
            variances.append(torch.where(some, spread, variance))
        return (
            GaussianHmm(
                initial=_shares(states[0].sum(dim=1), self.initial),
                transition=_shares(transitions, self.transition),
                means=means,
                variances=variances,
            ),
            value.sum(dim=1),
        )


def _shares(counts: Tensor, otherwise: Tensor) -> Tensor:
    """Return counts as shares of the last axis; `otherwise` where there are none."""
    total = counts.sum(dim=-1, keepdim=True)
    return torch.where(total > RAREST, counts / total.clamp(min=RAREST), otherwise)
