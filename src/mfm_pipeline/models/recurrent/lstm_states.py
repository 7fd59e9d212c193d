"""All states of an LSTM, with a backward pass of its own.

`torch.nn.LSTM` returns no cell states but the last, and a loop over
`torch.nn.LSTMCell` pays autograd for each of some twenty operations a step and
adds up its weight gradients step by step. Here inputs are projected for all
steps at once, the loop writes into buffers, one loop goes back, and each weight
gradient is a single product over all steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from mfm_pipeline.models.recurrent.dispatch import full_precision, transforms_are_active


def lstm_states(
    inputs: Tensor, input_weight: Tensor, weight: Tensor, bias: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Run an LSTM from a zero state.

    With i, f, o = sigmoid and g = tanh of the four parts of
    ``input_weight @ x_t + weight @ h_{t-1} + bias``, in torch's order i, f, g, o:
    c_t = f * c_{t-1} + i * g and h_t = o * tanh(c_t).

    Parameters
    ----------
    inputs : Tensor, shape (s, n, d)
        Inputs of the first s steps, 1 <= s <= `steps`; later ones are zero.
    input_weight : Tensor, shape (4 h, d)
    weight : Tensor, shape (4 h, h)
    bias : Tensor, shape (4 h,)
    steps : int
        Steps T to run.

    Returns
    -------
    hidden, cells : Tensor, shape (T, n, h)
        h and c after every step.
    """
    if transforms_are_active():
        return _plain(inputs, input_weight, weight, bias, steps)
    tensors = full_precision(inputs, input_weight, weight, bias)
    with torch.autocast(inputs.device.type, enabled=False):
        hidden, cells = _LSTMStates.apply(*tensors, steps)
    return hidden, cells


def _plain(
    inputs: Tensor, input_weight: Tensor, weight: Tensor, bias: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Do the same in operations that every transform of `torch.func` knows."""
    drive = functional.linear(inputs, input_weight, bias)
    states, cells = [], []
    h = c = inputs.new_zeros(())
    for t in range(steps):
        gates = drive[t] if t < len(drive) else bias
        if t > 0:
            gates = gates + functional.linear(h, weight)
        i, f, g, o = gates.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
        cells.append(c)
    return torch.stack(states), torch.stack(cells)


class _LSTMStates(torch.autograd.Function):
    """The fast path; gates lie as (T, n, 4, h) in one buffer."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weight: Tensor,
        weight: Tensor,
        bias: Tensor,
        steps: int,
    ) -> tuple[Tensor, Tensor]:
        inputs = inputs.contiguous()
        given, n, _ = inputs.shape
        size = weight.shape[1]
        # tanh(x) = 2 sigmoid(2 x) - 1, and a sigmoid costs a quarter of a tanh:
        # with g's rows doubled, one call activates all four gates.
        twice = bias.new_ones(4, 1, 1)
        twice[2] = 2
        doubled = (weight.view(4, size, size) * twice).view(4 * size, size).t()
        gates = inputs.new_empty(steps, n, 4 * size)
        gates[given:] = bias
        first = gates[:given].view(given * n, 4 * size)
        torch.addmm(bias, inputs.view(given * n, -1), input_weight.t(), out=first)
        parts = gates.view(steps, n, 4, size)
        parts[:, :, 2].mul_(2)
        cells, squashed, hidden = inputs.new_empty(3, steps, n, size).unbind(0)
        minus_one = inputs.new_tensor(-1)
        # Views are made once for all steps: each costs as much as a small operation.
        i, f, g, o = (part.unbind(0) for part in parts.unbind(2))
        c, s, h = cells.unbind(0), squashed.unbind(0), hidden.unbind(0)
        for t, gate in enumerate(gates.unbind(0)):
            if t > 0:
                gate.addmm_(h[t - 1], doubled)
            gate.sigmoid_()
            torch.add(minus_one, g[t], alpha=2, out=g[t])
            torch.mul(i[t], g[t], out=c[t])
            if t > 0:
                c[t].addcmul_(f[t], c[t - 1])
            torch.mul(c[t], 2, out=s[t])
            torch.add(minus_one, s[t].sigmoid_(), alpha=2, out=s[t])
            torch.mul(o[t], s[t], out=h[t])
        ctx.save_for_backward(inputs, input_weight, weight, parts, cells, squashed, hidden)
        ctx.set_materialize_grads(False)
        return hidden, cells

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(
        ctx: Any, hidden_grad: Tensor | None, cells_grad: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        inputs, input_weight, weight, parts, cells, squashed, hidden = ctx.saved_tensors
        steps, n, _, size = parts.shape
        given = len(inputs)
        i, f, g, o = parts.unbind(2)
        # What each gate's gradient is multiplied with, for all steps at once;
        # the loop turns it into the gradient in place.
        factor = torch.addcmul(parts, parts, parts, value=-1)
        torch.addcmul(parts.new_ones(()), g, g, value=-1, out=factor[:, :, 2])
        factor[:, :, 0].mul_(g)
        factor[0, :, 1].zero_()
        factor[1:, :, 1].mul_(cells[:-1])
        factor[:, :, 2].mul_(i)
        factor[:, :, 3].mul_(squashed)
        through = torch.addcmul(o, hidden, squashed, value=-1).unbind(0)
        gate_grad = factor.view(steps, n, 4 * size)
        gates, from_cell, from_hidden = (
            view.unbind(0) for view in (gate_grad, factor[:, :, :3], factor[:, :, 3])
        )
        forget = f.unbind(0)
        above = None if hidden_grad is None else hidden_grad.unbind(0)
        beside = None if cells_grad is None else cells_grad.unbind(0)
        dc = parts.new_zeros(n, size)
        dc_of_each = dc[:, None]
        dh = parts.new_zeros(n, size)
        for t in range(steps - 1, -1, -1):
            if t < steps - 1:
                dc.mul_(forget[t + 1])
                torch.mm(gates[t + 1], weight, out=dh)
            if above is not None:
                dh.add_(above[t])
            dc.addcmul_(dh, through[t])
            if beside is not None:
                dc.add_(beside[t])
            from_cell[t].mul_(dc_of_each)
            from_hidden[t].mul_(dh)
        flat = gate_grad.view(steps * n, 4 * size)
        early = flat[: given * n]
        needs = ctx.needs_input_grad
        return (
            (early @ input_weight).view(inputs.shape) if needs[0] else None,
            early.t() @ inputs.view(given * n, -1) if needs[1] else None,
            flat[n:].t() @ hidden[:-1].reshape((steps - 1) * n, size) if needs[2] else None,
            flat.sum(0) if needs[3] else None,
            None,
        )
