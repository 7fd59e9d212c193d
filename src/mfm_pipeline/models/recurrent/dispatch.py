"""When a fast path may run, in what precision, and what takes its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


def differentiable_gradients(
    plain: Callable[..., Sequence[Tensor]],
    tensors: Sequence[Tensor],
    grads: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Return gradients that can be differentiated again.

    A backward pass that writes into buffers cannot; for the rare caller that
    asks (``create_graph=True``), plain operations are run once more.

    Parameters
    ----------
    plain : callable
        From `tensors` to the outputs.
    tensors : sequence of Tensor
        Inputs of the fast path.
    grads : sequence of Tensor or None
        Gradients of each output.
    """
    pairs = [
        (output, grad)
        for output, grad in zip(plain(*tensors), grads, strict=True)
        if grad is not None
    ]
    needed = [tensor for tensor in tensors if tensor.requires_grad]
    found = iter(
        torch.autograd.grad(
            [output for output, _ in pairs],
            needed,
            [grad for _, grad in pairs],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if tensor.requires_grad else None for tensor in tensors]
