"""Batches as positions: the data itself stays on the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


class IndexBatches:
    """Iterate over batches of sample positions, in an order set by seed and epoch.

    Every process of a distributed run draws the same order and takes its share.
    A last batch of a single sample joins the one before: a prior penalty over
    one sample says nothing.

    Parameters
    ----------
    positions : Tensor, shape (n,)
        Samples to draw from.
    batch_size : int
    seed : int, optional
        Shuffle anew each epoch by this seed; in order without.
    """

    def __init__(self, positions: Tensor, batch_size: int, seed: int | None = None) -> None:
        self.positions = positions
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is drawn next."""
        self.epoch = epoch

    def __len__(self) -> int:
        share = len(self.positions) // _world_size()
        return max(1, share // self.batch_size + (share % self.batch_size > 1))

    def __iter__(self) -> Iterator[Tensor]:
        order = self.positions
        if self.seed is not None:
            generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
            order = order[torch.randperm(len(order), generator=generator)]
        world = _world_size()
        # Equal shares: every process has to take part in every step.
        order = order[_rank() : len(order) // world * world : world]
        for batch in range(len(self)):
            last = batch == len(self) - 1
            start = batch * self.batch_size
            yield order[start : None if last else start + self.batch_size]


def epoch_seed(seed: int, epoch: int) -> int:
    """Return a seed of its own for each epoch of each run."""
    return (seed * 1_000_003 + epoch) % 2**63


def _world_size() -> int:
    return torch.distributed.get_world_size() if _is_distributed() else 1


def _rank() -> int:
    return torch.distributed.get_rank() if _is_distributed() else 0


def _is_distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
