"""All states of several LSTMs, with a backward pass of their own.

`torch.nn.LSTM` returns no cell states but the last, and a loop over
`torch.nn.LSTMCell` pays autograd for each of some twenty operations a step and
adds up its weight gradients step by step. Here inputs are projected for all
steps at once, one loop advances all LSTMs and writes into buffers, one loop
goes back, and each weight gradient is a single product over all steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mfm_pipeline.models.recurrent.dispatch import (
    differentiable_gradients,
    full_precision,
    transforms_are_active,
)


class Run(NamedTuple):
    """One LSTM and what it reads.

    Attributes
    ----------
    inputs : Tensor, shape (s, n, d)
        Inputs of the first s steps, at least one; later ones are zero.
    input_weight : Tensor, shape (4 h, d)
    weight : Tensor, shape (4 h, h)
    bias : Tensor, shape (4 h,)
    """

    inputs: Tensor
    input_weight: Tensor
    weight: Tensor
    bias: Tensor


class States(NamedTuple):
    """Hidden and cell states after every step, ``(T, n, h)`` each."""

    hidden: Tensor
    cells: Tensor


def lstm_states(runs: Sequence[Run], steps: int) -> list[States]:
    """Advance LSTMs together from a zero state.

    With i, f, o = sigmoid and g = tanh of the four parts of
    ``input_weight @ x_t + weight @ h_{t-1} + bias``, in torch's order i, f, g, o:
    c_t = f * c_{t-1} + i * g and h_t = o * tanh(c_t).

    Parameters
    ----------
    runs : sequence of Run
        All of one batch of n samples.
    steps : int
        Steps T to run, at least as many as any run has inputs.

    Returns
    -------
    list of States
        In the order of `runs`.
    """
    if transforms_are_active():
        return [_plain(run, steps) for run in runs]
    tensors = full_precision(*(tensor for run in runs for tensor in run))
    with torch.autocast(tensors[0].device.type, enabled=False):
        states = _LSTMStates.apply(steps, *tensors)  # type: ignore[no-untyped-call]
    return [States(*pair) for pair in zip(states[::2], states[1::2], strict=True)]


def _plain(run: Run, steps: int) -> States:
    """Run one in operations that every transform of `torch.func` knows."""
    drive = functional.linear(run.inputs, run.input_weight, run.bias)
    hidden, cells = [], []
    h = c = run.inputs.new_zeros(())
    for t in range(steps):
        gates = drive[t] if t < len(drive) else run.bias
        if t > 0:
            gates = gates + functional.linear(h, run.weight)
        i, f, g, o = gates.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        hidden.append(h)
        cells.append(c)
    return States(torch.stack(hidden), torch.stack(cells))


def _runs(tensors: Sequence[Tensor]) -> list[Run]:
    """Undo the flattening that autograd asks for."""
    return [Run(*tensors[k : k + 4]) for k in range(0, len(tensors), 4)]


def _blocks(buffer: Tensor, n: int, sizes: Sequence[int]) -> list[Tensor]:
    """Split ``(..., n * sum(sizes))`` into each LSTM's ``(..., n, size)`` view.

    Side by side like this, one operation serves all LSTMs, and each one's
    states are still a matrix that can be multiplied.
    """
    ends = list(accumulate(n * size for size in sizes))
    return [
        buffer[..., end - n * size : end].view(*buffer.shape[:-1], n, size)
        for end, size in zip(ends, sizes, strict=True)
    ]


class _LSTMStates(torch.autograd.Function):
    """The fast path. Gates lie as (T, 4, n * all sizes), states as (T, n * all sizes)."""

    @staticmethod
    def forward(ctx: Any, steps: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        runs = _runs(tensors)
        n = runs[0].inputs.shape[1]
        sizes = [run.weight.shape[1] for run in runs]
        new = runs[0].bias
        gates = new.new_empty(steps, 4, n * sum(sizes))
        states = new.new_empty(3, steps, n * sum(sizes))
        cells, squashed, hidden = states.unbind(0)
        flows = []
        for run, block, outputs in zip(
            runs, _blocks(gates, n, sizes), _blocks(hidden, n, sizes), strict=True
        ):
            flows.append(_Forward.of(run, block, outputs))
        # Views are made once for all steps: each costs as much as a small operation.
        i, f, g, o = (gates[:, k].unbind(0) for k in range(4))
        c, s, h = cells.unbind(0), squashed.unbind(0), hidden.unbind(0)
        minus_one = new.new_tensor(-1)
        for t in range(steps):
            for flow in flows:
                if t > 0:
                    flow.rows[t].addmm_(flow.hidden[t - 1], flow.weight)
                torch.sigmoid(flow.by_gate[t], out=flow.gates[t])
            torch.add(minus_one, g[t], alpha=2, out=g[t])
            torch.mul(i[t], g[t], out=c[t])
            if t > 0:
                c[t].addcmul_(f[t], c[t - 1])
            torch.mul(c[t], 2, out=s[t]).sigmoid_()
            torch.add(minus_one, s[t], alpha=2, out=s[t])
            torch.mul(o[t], s[t], out=h[t])
        ctx.save_for_backward(gates, states, *tensors)
        ctx.set_materialize_grads(False)
        pairs = zip(_blocks(hidden, n, sizes), _blocks(cells, n, sizes), strict=True)
        return tuple(state for pair in pairs for state in pair)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        gates, states, *tensors = ctx.saved_tensors
        if torch.is_grad_enabled():

            def plain(*flat: Tensor) -> list[Tensor]:
                return [state for run in _runs(flat) for state in _plain(run, len(gates))]

            return None, *differentiable_gradients(plain, tensors, grads)
        runs = _runs(tensors)
        steps, n = len(gates), runs[0].inputs.shape[1]
        sizes = [run.weight.shape[1] for run in runs]
        cells, squashed, hidden = states.unbind(0)
        i, f, g, o = gates.unbind(1)
        # What each gate's gradient is multiplied with, for all steps at once;
        # the loop does so in place.
        factor = torch.addcmul(gates, gates, gates, value=-1)
        torch.addcmul(gates.new_ones(()), g, g, value=-1, out=factor[:, 2])
        factor[:, 0].mul_(g)
        factor[0, 1].zero_()
        factor[1:, 1].mul_(cells[:-1])
        factor[:, 2].mul_(i)
        factor[:, 3].mul_(squashed)
        through = torch.addcmul(o, hidden, squashed, value=-1).unbind(0)
        above = _gather(grads[::2], hidden, n, sizes)
        beside = _gather(grads[1::2], cells, n, sizes)
        dc, dh = cells.new_zeros(2, cells.shape[1]).unbind(0)
        flows = [
            _Backward.of(*parts)
            for parts in zip(runs, _blocks(factor, n, sizes), _blocks(dh, n, sizes), strict=True)
        ]
        forget, by_cell, by_hidden = (part.unbind(0) for part in (f, factor[:, :3], factor[:, 3]))
        for t in range(steps - 1, -1, -1):
            if t < steps - 1:
                dc.mul_(forget[t + 1])
                for flow in flows:
                    torch.mm(flow.rows[t + 1], flow.weight, out=flow.hidden_grad)
            if above is not None:
                dh.add_(above[t])
            dc.addcmul_(dh, through[t])
            if beside is not None:
                dc.add_(beside[t])
            by_cell[t].mul_(dc)
            by_hidden[t].mul_(dh)
            for flow in flows:
                flow.by_gate[t].copy_(flow.gates[t])
        result: list[Tensor | None] = [None]
        for k, (run, flow, h) in enumerate(
            zip(runs, flows, _blocks(hidden, n, sizes), strict=True)
        ):
            needed = ctx.needs_input_grad[4 * k + 1 : 4 * k + 5]
            result += _of_run(run, flow.gate_grad, h, needed)
        return tuple(result)


class _Forward(NamedTuple):
    """How one LSTM's gates come about, step by step.

    Attributes
    ----------
    weight : Tensor, shape (h, 4 h)
    hidden : tuple of Tensor, shape (n, h)
        Its hidden states.
    rows, by_gate : tuple of Tensor
        What enters the gates, as a matrix ``(n, 4 h)``; the same as ``(4, n, h)``.
    gates : tuple of Tensor, shape (4, n, h)
        Where the loop over all LSTMs looks for them.
    """

    weight: Tensor
    hidden: tuple[Tensor, ...]
    rows: tuple[Tensor, ...]
    by_gate: tuple[Tensor, ...]
    gates: tuple[Tensor, ...]

    @classmethod
    def of(cls, run: Run, gates: Tensor, hidden: Tensor) -> _Forward:
        steps, n, size = hidden.shape
        weight = _double_third(run.weight.view(4, size, size)).view(4 * size, size)
        rows = _project(run, steps)
        by_gate = rows.view(steps, n, 4, size).transpose(1, 2)
        return cls(weight.t(), hidden.unbind(0), rows.unbind(0), by_gate.unbind(0), gates.unbind(0))


class _Backward(NamedTuple):
    """How gradients go back through one LSTM, step by step.

    Attributes
    ----------
    weight : Tensor, shape (4 h, h)
    gates : tuple of Tensor, shape (4, n, h)
        Where the loop over all LSTMs leaves the gradient of its gates.
    rows, by_gate : tuple of Tensor
        The same as a matrix ``(n, 4 h)``, and that as ``(4, n, h)``.
    gate_grad : Tensor, shape (T, n, 4 h)
        All of them.
    hidden_grad : Tensor, shape (n, h)
        Where what reaches the hidden state before is to go.
    """

    weight: Tensor
    gates: tuple[Tensor, ...]
    rows: tuple[Tensor, ...]
    by_gate: tuple[Tensor, ...]
    gate_grad: Tensor
    hidden_grad: Tensor

    @classmethod
    def of(cls, run: Run, gates: Tensor, hidden_grad: Tensor) -> _Backward:
        steps, _, n, size = gates.shape
        grad = gates.new_empty(steps, n, 4 * size)
        by_gate = grad.view(steps, n, 4, size).transpose(1, 2)
        return cls(
            run.weight, gates.unbind(0), grad.unbind(0), by_gate.unbind(0), grad, hidden_grad
        )


def _double_third(parts: Tensor) -> Tensor:
    """Return the four `parts` with the third, that of g, doubled.

    tanh(x) = 2 sigmoid(2 x) - 1, and on a CPU a sigmoid costs a quarter of a
    tanh: so one call activates all four gates.
    """
    doubled = parts.clone()
    doubled[2].mul_(2)
    return doubled


def _project(run: Run, steps: int) -> Tensor:
    """Return what inputs and bias contribute to the gates, ``(T, n, 4 h)``."""
    given, n, features = run.inputs.shape
    size = run.weight.shape[1]
    weight = _double_third(run.input_weight.view(4, size, features)).view(4 * size, features)
    bias = _double_third(run.bias.view(4, size)).view(4 * size)
    rows = bias.new_empty(steps, n, 4 * size)
    inputs = run.inputs.reshape(given * n, features)
    torch.addmm(bias, inputs, weight.t(), out=rows[:given].view(given * n, 4 * size))
    rows[given:] = bias
    return rows


def _gather(
    grads: Sequence[Tensor | None], like: Tensor, n: int, sizes: Sequence[int]
) -> tuple[Tensor, ...] | None:
    """Set gradients of all LSTMs side by side, step by step; None if there are none."""
    if all(grad is None for grad in grads):
        return None
    whole = all(grad is not None for grad in grads)
    gathered = torch.empty_like(like) if whole else torch.zeros_like(like)
    for block, grad in zip(_blocks(gathered, n, sizes), grads, strict=True):
        if grad is not None:
            block.copy_(grad)
    return gathered.unbind(0)


def _of_run(
    run: Run, gate_grad: Tensor, hidden: Tensor, needed: Sequence[bool]
) -> list[Tensor | None]:
    """Return the gradients of one run from those of its gates ``(T, n, 4 h)``."""
    given, n, _ = run.inputs.shape
    flat = gate_grad.flatten(0, 1)
    early = flat[: given * n]
    return [
        (early @ run.input_weight).view(run.inputs.shape) if needed[0] else None,
        early.t() @ run.inputs.reshape(given * n, -1) if needed[1] else None,
        flat[n:].t() @ hidden[:-1].flatten(0, 1) if needed[2] else None,
        flat.sum(0) if needed[3] else None,
    ]
