"""Linear layers in groups: several small networks side by side."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class GroupedLinear(nn.Module):
    """Linear layers of equal size, each from its own share of the features.

    Features of input and output are those of the first group, then those of
    the second, and so on.

    Parameters
    ----------
    features, outputs : int
        Of all groups together; multiples of `groups`.
    groups : int
    """

    def __init__(self, features: int, outputs: int, groups: int) -> None:
        super().__init__()
        if features % groups or outputs % groups:
            raise ValueError(f"{features} and {outputs} features are no multiples of {groups}")
        inner = features // groups
        bound = 1 / math.sqrt(inner)
        self.weight = nn.Parameter(torch.empty(groups, inner, outputs // groups))
        self.bias = nn.Parameter(torch.empty(groups, 1, outputs // groups))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, values: Tensor) -> Tensor:
        """Map ``(n, features)`` to ``(n, outputs)``."""
        groups, inner, _ = self.weight.shape
        grouped = values.reshape(len(values), groups, inner).transpose(0, 1)
        return self.each(grouped).transpose(0, 1).flatten(1)

    def each(self, values: Tensor) -> Tensor:
        """Map ``(groups, n, features / groups)`` to ``(groups, n, outputs / groups)``."""
        return torch.baddbmm(self.bias, values, self.weight)


class SubspaceLinear(nn.Module):
    """Linear layer whose output groups each see a random part of the input.

    Networks that differ in what they see differ in their errors, and their
    average has less of them: the random subspace method (Ho, 1998).

    Parameters
    ----------
    features, outputs : int
    groups : int
        Groups of outputs.
    share : float
        Probability of a feature to be seen by a group. Which ones is drawn
        once, from torch's global generator, and kept with the weights.
    """

    mask: Tensor

    def __init__(self, features: int, outputs: int, groups: int, share: float) -> None:
        super().__init__()
        seen = torch.rand(groups, features) < share
        bound = 1 / math.sqrt(max(1.0, share * features))
        self.weight = nn.Parameter(torch.empty(outputs, features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        mask = seen.repeat_interleave(outputs // groups, dim=0)
        self.register_buffer("mask", mask.to(self.weight.dtype))

    def forward(self, values: Tensor) -> Tensor:
        """Map ``(n, features)`` to ``(n, outputs)``."""
        return nn.functional.linear(values, self.weight * self.mask, self.bias)


def linear(features: int, outputs: int, groups: int = 1) -> nn.Module:
    """Return an ordinary linear layer, or one in groups."""
    if groups == 1:
        return nn.Linear(features, outputs)
    return GroupedLinear(features, outputs, groups)
