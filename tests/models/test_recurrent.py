"""Recurrences with backward passes of their own, against cells run step by step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mfm_pipeline.models.recurrent.lstm import LSTM, FeedbackLSTM
from mfm_pipeline.models.recurrent.lstm_states import Run, lstm_states
from mfm_pipeline.models.recurrent.memory_states import memory_states

STEPS, N = 5, 3
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def literal_lstm(lstm: LSTM, inputs: Tensor) -> tuple[Tensor, Tensor]:
    cell = nn.LSTMCell(lstm.weight_ih.shape[1], lstm.size, dtype=inputs.dtype)
    weights = dict(lstm.named_parameters())
    h = c = inputs.new_zeros(inputs.shape[1], lstm.size)
    hidden, cells = [], []
    for x in inputs:
        h, c = torch.func.functional_call(cell, weights, (x, (h, c)))
        hidden.append(h)
        cells.append(c)
    return torch.stack(hidden), torch.stack(cells)


def literal_memory(
    drive: Tensor, proposal: Tensor, w: Tensor, gates: Tensor, bias: Tensor, mask: Tensor | None
) -> Tensor:
    memory = torch.zeros_like(proposal[0])
    memories = []
    for t in range(len(drive)):
        layer = torch.relu(drive[t] + memory @ w.T)
        layer = layer if mask is None else layer * mask[t]
        g1, g2 = (
            torch.sigmoid(half @ gates[k].T + bias[k]) for k, half in enumerate(layer.chunk(2, 1))
        )
        memory = g1 * memory + g2 * proposal[t]
        memories.append(memory)
    return torch.stack(memories)


def memory_arguments(mask: bool, dtype: torch.dtype = torch.float64) -> list[Tensor | None]:
    torch.manual_seed(0)
    g, m = 4, 2
    shapes = [(STEPS, N, 2 * g), (STEPS, N, m), (2 * g, m), (2, m, g), (2, m)]
    arguments: list[Tensor | None] = [
        torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes
    ]
    kept = torch.rand(STEPS, N, 2 * g, dtype=dtype).gt(0.5).to(dtype) * 2
    return [*arguments, kept if mask else None]


def grads_of(outputs: list[Tensor], inputs: list[Tensor]) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    return torch.autograd.grad(outputs, inputs, [torch.randn_like(o) for o in outputs])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sizes", [[(3, 4)], [(3, 4), (1, 1), (6, 2)]])
def test_lstms_agree_with_cells(dtype: torch.dtype, sizes: list[tuple[int, int]]) -> None:
    torch.manual_seed(0)
    lstms = [LSTM(features=d, size=h).to(dtype) for d, h in sizes]
    inputs = [torch.randn(N, STEPS, d, dtype=dtype, requires_grad=True) for d, _ in sizes]
    states = lstm_states([m.run(x) for m, x in zip(lstms, inputs, strict=True)], STEPS)
    expected = [literal_lstm(m, x.transpose(0, 1)) for m, x in zip(lstms, inputs, strict=True)]
    ours = [state for pair in states for state in pair]
    theirs = [state for pair in expected for state in pair]
    tensors = [*inputs, *(p for m in lstms for p in m.parameters())]
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(ours, theirs, **tolerance)
    torch.testing.assert_close(grads_of(ours, tensors), grads_of(theirs, tensors), **tolerance)


@pytest.mark.parametrize("read", ["hidden", "cells", "one of each"])
def test_gradients_when_only_some_states_are_read(read: str) -> None:
    torch.manual_seed(0)
    lstms = [LSTM(features=2, size=h).double() for h in (3, 2)]
    x = torch.randn(N, STEPS, 2, dtype=torch.float64)
    ours = lstm_states([lstm.run(x) for lstm in lstms], STEPS)
    theirs = [literal_lstm(lstm, x.transpose(0, 1)) for lstm in lstms]
    chosen = {"hidden": (0, 0), "cells": (1, 1), "one of each": (0, 1)}[read]
    weights = [p for lstm in lstms for p in lstm.parameters()]
    torch.testing.assert_close(
        grads_of([pair[k] for pair, k in zip(ours, chosen, strict=True)], weights),
        grads_of([pair[k] for pair, k in zip(theirs, chosen, strict=True)], weights),
    )


def test_lstm_of_one_step_and_one_sample() -> None:
    lstm = LSTM(features=2, size=3).double()
    x = torch.randn(1, 1, 2, dtype=torch.float64)
    ours, theirs = lstm(x), literal_lstm(lstm, x.transpose(0, 1))
    weights = [lstm.weight_ih, lstm.bias_ih, lstm.weight_hh]
    torch.testing.assert_close(list(ours), list(theirs))
    for mine, other in zip(
        grads_of(list(ours), weights[:2]), grads_of(list(theirs), weights[:2]), strict=True
    ):
        torch.testing.assert_close(mine, other)
    assert not grads_of(list(lstm(x)), weights)[2].any()


def test_feedback_lstm_reads_its_own_output() -> None:
    torch.manual_seed(0)
    lstm = FeedbackLSTM(size=4).double()
    first = torch.randn(N, 4, dtype=torch.float64, requires_grad=True)
    cell = nn.LSTMCell(4, 4, dtype=torch.float64)
    x, h, c = first, torch.zeros_like(first), torch.zeros_like(first)
    expected = []
    for _ in range(STEPS):
        h, c = torch.func.functional_call(cell, dict(lstm.named_parameters()), (x, (h, c)))
        x = h
        expected.append(h)
    hidden, _ = lstm(first, STEPS)
    tensors = [first, *lstm.parameters()]
    torch.testing.assert_close(hidden, torch.stack(expected), rtol=0, atol=1e-10)
    torch.testing.assert_close(
        grads_of([hidden], tensors), grads_of([torch.stack(expected)], tensors), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("given", [1, 3])
def test_lstm_gradcheck(given: int) -> None:
    torch.manual_seed(0)
    sizes = [(2, 3), (1, 2)]
    tensors = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for d, h in sizes
        for shape in ((given, 2, d), (4 * h, d), (4 * h, h), (4 * h,))
    ]

    def run(*flat: Tensor) -> tuple[Tensor, ...]:
        runs = [Run(*flat[:4]), Run(*flat[4:])]
        return tuple(state for pair in lstm_states(runs, 3) for state in pair)

    assert torch.autograd.gradcheck(run, tensors)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_memory_agrees_step_by_step(mask: bool, dtype: torch.dtype) -> None:
    arguments = memory_arguments(mask, dtype)
    ours, theirs = memory_states(*arguments), literal_memory(*arguments)
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(ours, theirs, **tolerance)
    tensors = arguments[:5]
    torch.testing.assert_close(grads_of([ours], tensors), grads_of([theirs], tensors), **tolerance)


@pytest.mark.parametrize("mask", [False, True])
def test_memory_gradcheck(mask: bool) -> None:
    arguments = memory_arguments(mask)
    assert torch.autograd.gradcheck(lambda *a: memory_states(*a, arguments[5]), arguments[:5])


def test_transforms_of_torch_func_pass_through() -> None:
    torch.manual_seed(0)
    lstm = LSTM(features=2, size=3).double()
    x = torch.randn(N, STEPS, 2, dtype=torch.float64)

    def hidden(values: Tensor) -> Tensor:
        return lstm(values).hidden

    expected = torch.autograd.functional.jacobian(hidden, x)
    torch.testing.assert_close(torch.func.jacrev(hidden)(x), expected)
    torch.testing.assert_close(torch.func.jacfwd(hidden)(x), expected)
    arguments = memory_arguments(mask=True)

    def memory(drive: Tensor) -> Tensor:
        return memory_states(drive, *arguments[1:])

    expected = torch.autograd.functional.jacobian(memory, arguments[0])
    torch.testing.assert_close(torch.func.jacrev(memory)(arguments[0]), expected)
    torch.testing.assert_close(torch.func.jacfwd(memory)(arguments[0]), expected)


def test_second_derivatives() -> None:
    torch.manual_seed(0)
    shapes = [(2, 2, 1), (8, 1), (8, 2), (8,)]
    tensors = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    assert torch.autograd.gradgradcheck(lambda *t: tuple(lstm_states([Run(*t)], 3)[0]), tensors)
    arguments = memory_arguments(mask=True)
    assert torch.autograd.gradgradcheck(
        lambda *a: memory_states(*a, arguments[5]), arguments[:5], atol=1e-4
    )


def test_autocast_leaves_recurrences_in_full_precision() -> None:
    torch.manual_seed(0)
    lstm = LSTM(features=2, size=3)
    x = torch.randn(N, STEPS, 2)
    expected = lstm(x).hidden
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = lstm(x).hidden
        memory = memory_states(*memory_arguments(mask=True, dtype=torch.float32))
    assert hidden.dtype == memory.dtype == torch.float32
    assert torch.equal(hidden, expected)
    hidden.sum().backward()
