"""THMM: a hidden Markov model of all modalities for each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mfm_pipeline.errors import DataError
from mfm_pipeline.models.hidden_states.gaussian_hmm import GaussianHmm, Streams
from mfm_pipeline.models.inputs import Inputs


class THMM:
    """Classify sequences by the hidden Markov model that explains them best.

    Morency, Mihalcea and Doshi, Towards Multimodal Sentiment Analysis (ICMI 2011), with any
    number of modalities: one `GaussianHmm` a class, learned from the samples of the class,
    and p(y | x) proportional to p(y) p(x | y). In double precision.

    Parameters
    ----------
    inputs : Inputs
        Training samples, of sequences alone.
    labels : Tensor of int64, shape (n,)
    classes : int
    states : int
        Hidden states S of each class.
    restarts : int
        Beginnings that are tried, drawn by `seed`; the likeliest outcome is kept.
    iterations : int
        Steps of Baum and Welch at most.
    tolerance : float
        Growth of the log-likelihood a step, as a share of it, below which they end.
    variance_floor : float
        Smallest variance of a feature, as a share of its variance in training.
    seed : int

    Raises
    ------
    DataError
        If no sample has a step.
    """

    def __init__(
        self,
        inputs: Inputs,
        labels: Tensor,
        *,
        classes: int,
        states: int,
        restarts: int,
        iterations: int,
        tolerance: float,
        variance_floor: float,
        seed: int,
    ) -> None:
        self.modalities = tuple(inputs.values)
        self.classes = classes
        streams = self._streams(inputs)
        known = streams.lengths > 0
        if not known.any():
            raise DataError(f"none of {len(inputs)} training samples has a step; expected some")
        streams, labels = streams.select(known), labels[known]
        counts = torch.bincount(labels, minlength=classes)
        self.seen = counts.nonzero()[:, 0]
        self.log_prior = (counts[self.seen] / counts.sum()).double().log()
        moments = [_moments(*pair) for pair in zip(*streams[:2], strict=True)]
        # Of a feature that never changes, a variance of 1 says as little as any other.
        scales = [torch.where(variance > 0, variance, 1.0) for _, variance in moments]
        floors = [variance_floor * scale for scale in scales]
        generator = torch.Generator().manual_seed(seed)
        best = []
        for label in self.seen:
            own = streams.select(labels == label)
            start = _beginnings(own, moments, scales, states, restarts, generator)
            best.append(_fitted(start, own, floors, iterations, tolerance))
        self.models = GaussianHmm(
            initial=torch.cat([one.initial for one in best]),
            transition=torch.cat([one.transition for one in best]),
            means=[torch.cat(parts) for parts in zip(*(one.means for one in best), strict=True)],
            variances=[
                torch.cat(parts) for parts in zip(*(one.variances for one in best), strict=True)
            ],
        )

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""
        free = [self.models.initial, self.models.transition, self.log_prior]
        return sum(t.numel() for t in [*free, *self.models.means, *self.models.variances])

    def predict(self, inputs: Inputs) -> Tensor:
        """Return the probability of each class, ``(n, classes)`` float64.

        That of a class without training samples is 0. A sample without steps is as
        likely of each class as the training samples are.
        """
        explained = self.models.log_likelihood(self._streams(inputs)).T
        result = torch.zeros(len(inputs), self.classes, dtype=torch.float64)
        result[:, self.seen] = (explained + self.log_prior).softmax(dim=1)
        return result

    def _streams(self, inputs: Inputs) -> Streams:
        return Streams(
            [inputs.values[name].transpose(0, 1).double() for name in self.modalities],
            [inputs.steps[name].T for name in self.modalities],
            inputs.lengths,
        )


def _moments(values: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each feature over observed steps; 0 without any."""
    x = values[observed]
    if not len(x):
        return values.new_zeros(values.shape[2]), values.new_zeros(values.shape[2])
    return x.mean(dim=0), x.var(dim=0, correction=0)


def _beginnings(
    streams: Streams,
    moments: Sequence[tuple[Tensor, Tensor]],
    scales: Sequence[Tensor],
    states: int,
    restarts: int,
    generator: torch.Generator,
) -> GaussianHmm:
    """Return models to begin with: each state's means are what a step that is drawn shows."""
    inside = torch.arange(len(streams.values[0]))[:, None] < streams.lengths
    step, sample = inside.nonzero(as_tuple=True)
    drawn = torch.randint(len(step), (restarts, states), generator=generator)
    at = step[drawn], sample[drawn]
    means = [
        torch.where(observed[at][:, :, None], values[at], mean)
        for values, observed, (mean, _) in zip(*streams[:2], moments, strict=True)
    ]
    return GaussianHmm(
        initial=torch.full((restarts, states), 1 / states, dtype=torch.float64),
        transition=torch.full((restarts, states, states), 1 / states, dtype=torch.float64),
        means=means,
        variances=[
            scale.expand_as(mean).clone() for scale, mean in zip(scales, means, strict=True)
        ],
    )


def _fitted(
    models: GaussianHmm,
    streams: Streams,
    floors: Sequence[Tensor],
    iterations: int,
    tolerance: float,
) -> GaussianHmm:
    """Improve models until they hardly change, and return the likeliest."""
    before = None
    for _ in range(iterations):
        models, explained = models.improved(streams, floors)
        if before is not None and ((explained - before) <= tolerance * before.abs()).all():
            break
        before = explained
    best = models.log_likelihood(streams).sum(dim=1).argmax()[None]
    return GaussianHmm(
        initial=models.initial[best],
        transition=models.transition[best],
        means=[mean[best] for mean in models.means],
        variances=[variance[best] for variance in models.variances],
    )
