"""What a sequence looks like on the whole: masked statistics, and last states."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_statistics(values: Tensor, steps: Tensor, present: Tensor) -> Tensor:
    """Return mean and spread over the observed steps of one modality.

    Parameters
    ----------
    values : Tensor, shape (n, T, d)
    steps : Tensor of bool, shape (n, T)
        Only these steps are read.
    present : Tensor of bool, shape (n,)

    Returns
    -------
    Tensor, shape (n, 2 d + 2)
        Mean, standard deviation, logarithm of one plus the number of observed
        steps, and presence. All zero where the modality is absent. Padding
        changes none of them.
    """
    observed = steps & present[:, None]
    hidden = ~observed[:, :, None]
    # Counted in the values' own precision: a float64 model stays float64.
    count = observed.sum(dim=1, dtype=values.dtype)[:, None]
    divisor = count.clamp(min=1)
    mean = values.masked_fill(hidden, 0).sum(dim=1) / divisor
    deviation = (values - mean[:, None]).masked_fill(hidden, 0)
    variance = deviation.square().sum(dim=1) / divisor
    # The square root has no derivative at 0: keep it out of the graph there.
    constant = variance <= 0
    spread = variance.masked_fill(constant, 1).sqrt().masked_fill(constant, 0)
    return torch.cat([mean, spread, count.log1p(), present.to(values.dtype)[:, None]], dim=1)


def statistics_size(features: int) -> int:
    """Return the number of statistics of a modality of `features` features."""
    return 2 * features + 2


def last_state(states: Tensor, lengths: Tensor, present: Tensor) -> Tensor:
    """Return the state after each sample's own last step.

    Parameters
    ----------
    states : Tensor, shape (T, n, h)
        States after every step.
    lengths : Tensor of int64, shape (n,)
    present : Tensor of bool, shape (n,)

    Returns
    -------
    Tensor, shape (n, h)
        Zero where a sample has no steps, or not this modality.
    """
    rows = torch.arange(states.shape[1], device=states.device)
    last = states[(lengths - 1).clamp(min=0), rows]
    return last.masked_fill(((lengths == 0) | ~present)[:, None], 0)
