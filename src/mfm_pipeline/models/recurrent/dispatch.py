"""When a fast path may run, and in what precision."""

from __future__ import annotations

import torch
from torch import Tensor


def transforms_are_active() -> bool:
    """Return whether `jacfwd`, `vmap` or another transform of `torch.func` runs.

    Fast paths write into buffers, which these transforms cannot follow; plain
    operations take their place then. The question is the one that
    `torch.autograd.Function.apply` asks itself.
    """
    active: bool = torch._C._are_functorch_transforms_active()
    return active


def full_precision(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return `tensors` as float32 if autocast is on, else as they are.

    Buffers have one precision, and recurrences should have the full one.
    """
    if not torch.is_autocast_enabled(tensors[0].device.type):
        return tensors
    return tuple(tensor.float() for tensor in tensors)
