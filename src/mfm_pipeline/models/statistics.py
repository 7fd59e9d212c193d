"""A modality as statistics over its observed steps, standardised."""

from __future__ import annotations

import torch
from torch import Tensor

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.pooling import masked_statistics, statistics_size

LIMIT = 3.0
"""Standard deviations at which a statistic is clipped: few steps make wild ones."""


class Statistics(Encoder):
    """Mean and spread of one modality over its observed steps; step count, presence.

    Once `fit`, each is standardised by the training samples that have the
    modality and clipped; presence stays 0 or 1, and all of them are zero where
    the modality is absent.

    Parameters
    ----------
    modality : str
        Name of the modality that is read.
    features : int
        Features d of one step.
    """

    center: Tensor
    spread: Tensor
    limit: Tensor

    def __init__(self, *, modality: str, features: int) -> None:
        super().__init__()
        self.modality = modality
        self.size = statistics_size(features)
        self.register_buffer("center", torch.zeros(self.size))
        self.register_buffer("spread", torch.ones(self.size))
        self.register_buffer("limit", torch.tensor(torch.inf))

    def fit(self, train: Inputs) -> None:
        """Measure the statistics of the training split."""
        present = train.present[self.modality]
        if not present.any():
            return
        statistics = self._statistics(train)[present].double()
        center = statistics.mean(dim=0)
        spread = statistics.std(dim=0, correction=0)
        # Presence, the last, is one wherever there is anything to standardise.
        center[-1] = 0
        spread[-1] = 1
        self.center.copy_(center)
        self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))
        self.limit.fill_(LIMIT)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the statistics, ``(n, 2 d + 2)``."""
        scaled = (self._statistics(inputs) - self.center) / self.spread
        absent = ~inputs.present[self.modality]
        return scaled.clamp(-self.limit, self.limit).masked_fill(absent[:, None], 0)

    def _statistics(self, inputs: Inputs) -> Tensor:
        name = self.modality
        return masked_statistics(inputs.values[name], inputs.steps[name], inputs.present[name])
