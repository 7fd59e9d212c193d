"""All states of MFN's gated memory, with a backward pass of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mfm_pipeline.models.recurrent.dispatch import (
    differentiable_gradients,
    full_precision,
    transforms_are_active,
)


def memory_states(
    drive: Tensor,
    proposal: Tensor,
    memory_weight: Tensor,
    gate_weight: Tensor,
    gate_bias: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """Run the memory from zero over all steps.

    With g1 and g2 the two gates, l the hidden layer of both side by side and
    p the proposal: l_t = mask * relu(drive_t + memory_weight @ m_{t-1}),
    g1, g2 = sigmoid(gate_weight @ l_t + gate_bias), and
    m_t = g1 * m_{t-1} + g2 * p_t.

    Parameters
    ----------
    drive : Tensor, shape (T, n, 2 g)
        What both hidden layers (of size g) receive from elsewhere, their bias
        included.
    proposal : Tensor, shape (T, n, m)
        What is offered to the memory.
    memory_weight : Tensor, shape (2 g, m)
        What both hidden layers receive from the memory.
    gate_weight : Tensor, shape (2, m, g)
        Second layers of the two gates.
    gate_bias : Tensor, shape (2, m)
    mask : Tensor, shape (T, n, 2 g), optional
        Dropout mask of the hidden layers, scaled.

    Returns
    -------
    Tensor, shape (T, n, m)
        The memory after every step.
    """
    if transforms_are_active():
        return _plain(drive, proposal, memory_weight, gate_weight, gate_bias, mask)
    tensors = full_precision(drive, proposal, memory_weight, gate_weight, gate_bias)
    if mask is not None:
        mask = mask.to(tensors[0].dtype)
    with torch.autocast(drive.device.type, enabled=False):
        memories: Tensor = _MemoryStates.apply(*tensors, mask)  # type: ignore[no-untyped-call]
    return memories


def _plain(
    drive: Tensor,
    proposal: Tensor,
    memory_weight: Tensor,
    gate_weight: Tensor,
    gate_bias: Tensor,
    mask: Tensor | None,
) -> Tensor:
    """Do the same in operations that every transform of `torch.func` knows."""
    memory = torch.zeros_like(proposal[0])
    memories = []
    for t in range(len(drive)):
        layer = torch.relu(drive[t] + memory @ memory_weight.t())
        if mask is not None:
            layer = layer * mask[t]
        first, second = layer.chunk(2, dim=-1)
        retain = torch.sigmoid(first @ gate_weight[0].t() + gate_bias[0])
        update = torch.sigmoid(second @ gate_weight[1].t() + gate_bias[1])
        memory = retain * memory + update * proposal[t]
        memories.append(memory)
    return torch.stack(memories)


class _MemoryStates(torch.autograd.Function):
    """The fast path; gates lie as (T, 2, n, m) in one buffer."""

    @staticmethod
    def forward(
        ctx: Any,
        drive: Tensor,
        proposal: Tensor,
        memory_weight: Tensor,
        gate_weight: Tensor,
        gate_bias: Tensor,
        mask: Tensor | None,
    ) -> Tensor:
        steps, n, width = proposal.shape
        layers = torch.empty_like(drive)
        gates = proposal.new_empty(steps, 2, n, width)
        memories = torch.empty_like(proposal)
        from_memory = memory_weight.t()
        from_layer = gate_weight.transpose(1, 2)
        bias = gate_bias[:, None]
        memory = proposal.new_zeros(n, width)
        layer, gate, result = layers.unbind(0), gates.unbind(0), memories.unbind(0)
        halves = layers.view(steps, n, 2, -1).transpose(1, 2).unbind(0)
        retain, update = gates[:, 0].unbind(0), gates[:, 1].unbind(0)
        given, offered = drive.unbind(0), proposal.unbind(0)
        masks = None if mask is None else mask.unbind(0)
        for t in range(steps):
            torch.addmm(given[t], memory, from_memory, out=layer[t])
            layer[t].relu_()
            if masks is not None:
                layer[t].mul_(masks[t])
            torch.baddbmm(bias, halves[t], from_layer, out=gate[t])
            gate[t].sigmoid_()
            memory = torch.mul(retain[t], memory, out=result[t])
            memory.addcmul_(update[t], offered[t])
        inputs = drive, proposal, memory_weight, gate_weight, gate_bias, mask
        ctx.save_for_backward(*inputs, layers, gates, memories)
        return memories

    @staticmethod
    def backward(ctx: Any, memories_grad: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, mask, layers, gates, memories = ctx.saved_tensors
        if torch.is_grad_enabled():

            def plain(d: Tensor, p: Tensor, w: Tensor, g: Tensor, b: Tensor) -> list[Tensor]:
                return [_plain(d, p, w, g, b, mask)]

            return *differentiable_gradients(plain, inputs, [memories_grad]), None
        _, proposal, memory_weight, gate_weight, _ = inputs
        steps, n, width = proposal.shape
        before = torch.cat([torch.zeros_like(memories[:1]), memories[:-1]])
        # What the memory's gradient is multiplied with to become the gates';
        # the loop does so in place. Likewise the hidden layers'.
        gate_grad = torch.addcmul(gates, gates, gates, value=-1)
        gate_grad[:, 0].mul_(before)
        gate_grad[:, 1].mul_(proposal)
        layer_grad = (layers > 0).to(layers.dtype) if mask is None else mask * (layers > 0)
        memory_grads = torch.empty_like(proposal)
        into_layer = layers.new_empty(2, n, gate_weight.shape[2])
        grads, retain = memory_grads.unbind(0), gates[:, 0].unbind(0)
        above, into_gate = memories_grad.unbind(0), gate_grad.unbind(0)
        into_drive = layer_grad.unbind(0)
        halves = layer_grad.view(steps, n, 2, -1).transpose(1, 2).unbind(0)
        for t in range(steps - 1, -1, -1):
            if t == steps - 1:
                grads[t].copy_(above[t])
            else:
                torch.addmm(above[t], into_drive[t + 1], memory_weight, out=grads[t])
                grads[t].addcmul_(grads[t + 1], retain[t + 1])
            into_gate[t].mul_(grads[t])
            torch.bmm(into_gate[t], gate_weight, out=into_layer)
            halves[t].mul_(into_layer)
        rows = steps * n
        gate_rows = gate_grad.transpose(0, 1).reshape(2, rows, width)
        layer_rows = layers.view(rows, 2, -1).transpose(0, 1)
        return (
            layer_grad,
            memory_grads * gates[:, 1],
            layer_grad.view(rows, -1).t() @ before.view(rows, width),
            gate_rows.transpose(1, 2) @ layer_rows,
            gate_rows.sum(1),
            None,
        )
