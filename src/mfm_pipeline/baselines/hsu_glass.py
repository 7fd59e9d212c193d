"""The factorised model of Hsu and Glass (2018), [23] of the paper, as Appendix H describes it."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.baselines.base import Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.deep import LEARNING
from mfm_pipeline.baselines.trained import TrainedOptions, train_predictor
from mfm_pipeline.data import Corpus, Task
from mfm_pipeline.models import Inputs, ModalitySpec
from mfm_pipeline.models.hsu_glass import (
    PartitionedAutoencoder,
    gaussian_divergence,
    separation,
)
from mfm_pipeline.models.per_modality import Probability, Size, Weight
from mfm_pipeline.objectives import kl, reconstruction_cost, task_cost
from mfm_pipeline.training import TrainedPredictor


class HsuGlassOptions(TrainedOptions):
    """Hsu and Glass: a variational autoencoder whose latents are partitioned.

    Beside the label's cost and each modality's reconstruction it minimises KL(q || N(0, I))
    of the shared latent and of each modality's own; the coherence of the two inference
    networks, KL(q(z | x_1:M) || q(z | x_i)) summed over modalities; and a hinge loss that
    keeps shared latents of different labels a margin apart. Labels differ by one if their
    classes do; by the share of yes/no labels that do; or by the mean absolute difference of
    standardised targets, at most one. Images it does not read.
    """

    label: ClassVar[str] = "Hsu & Glass [23]"
    family: ClassVar[Family] = "factorized"
    space: ClassVar[Space] = {
        **LEARNING,
        "shared": Choice(of=(16, 32, 64)),
        "prior_weight": Range(low=0.0001, high=0.1, log=True),
        "coherence": Range(low=0.0001, high=0.1, log=True),
        "hinge": Range(low=0.01, high=1.0, log=True),
        "reconstruction": Range(low=0.01, high=1.0, log=True),
    }

    dropout: Probability = Field(0.2, description="Between the two layers to the label.")
    hidden: Size = Field(64, description="Size of every LSTM.")
    shared: Size = Field(64, description="Size of the shared latent.")
    own: Size = Field(16, description="Size of each modality's own latent.")
    reconstruction: Weight = 0.01
    prior_weight: Weight = 0.0001
    coherence: Weight = 0.0001
    hinge: Weight = 0.1
    margin: float = Field(1.0, gt=0, description="Root mean square of what latents differ by.")

    def fit(self, corpus: Corpus, session: Session) -> TrainedPredictor:
        """Train all parts at once."""
        targets = corpus.train.targets

        def build() -> PartitionedAutoencoder:
            return PartitionedAutoencoder(
                modalities=ModalitySpec.of(corpus.train),
                outputs=len(targets.names),
                hidden=self.hidden,
                shared=self.shared,
                own=self.own,
                dropout=self.dropout,
            )

        return train_predictor(
            corpus,
            build,
            self.changed(session),
            name=self.label,
            cost=partial(self.costs, task=targets.task),
        )

    def costs(
        self, network: nn.Module, inputs: Inputs, targets: Tensor, task: Task
    ) -> dict[str, Tensor]:
        """Return the weighted costs of a batch by name."""
        output = cast("PartitionedAutoencoder", network).infer(inputs)
        costs = {"task": task_cost(output.prediction, targets, task)}
        assert output.shared.log_variance is not None
        prior = kl(output.shared.mean, output.shared.log_variance)
        coherence = torch.zeros_like(prior)
        for name, reconstruction in output.reconstructions.items():
            present = inputs.present[name]
            cost = reconstruction_cost(reconstruction, inputs.values[name], inputs.observed(name))
            costs[f"reconstruction/{name}"] = self.reconstruction * cost
            own = output.own[name]
            assert own.log_variance is not None
            prior = prior + kl(own.mean, own.log_variance, present)
            coherence = coherence + gaussian_divergence(
                output.shared, output.shared_of[name], present
            )
        apart = separation(output.shared.mean, label_difference(targets, task), self.margin)
        return costs | {
            "prior": self.prior_weight * prior,
            "coherence": self.coherence * coherence,
            "hinge": self.hinge * apart,
        }


def label_difference(targets: Tensor, task: Task) -> Tensor:
    """Return how different the labels of each two samples are, from 0 to 1, ``(n, n)``.

    Parameters
    ----------
    targets : Tensor
        Classes ``(n,)``, or ``(n, k)`` labels or standardised values.
    task : {"regression", "multiclass", "multilabel"}
    """
    if task == "multiclass":
        return (targets[:, None] != targets).to(torch.get_default_dtype())
    return (targets[:, None] - targets).abs().mean(dim=2).clamp(max=1)
