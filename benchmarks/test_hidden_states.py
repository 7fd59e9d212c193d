"""Value and gradient of an HCRF on 1,000 sequences of 20 steps, against a plain recursion.

Ten hidden states and two classes; both compute log Z of every class and sequence, and its
derivatives by every potential: posteriors of all states and expected transitions. The plain
one is the forward and backward recursion on logarithms, written out over samples, steps and
states with Python's own numbers. It takes its time on some of the sequences, and that is
scaled to all of them. One thread; the ratio is that of the fastest of several turns.

    pytest benchmarks/test_hidden_states.py -s
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from mfm_pipeline.models.hidden_states.chain import posterior

SEQUENCES, STEPS, STATES, CLASSES = 1000, 20, 10, 2
SHARE, TURNS, ALLOWED_RATIO = 20, 5, 50.0

Rows = list[list[float]]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run on one thread, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _log_sum(values: list[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def _plain(unary: Rows, transition: Rows, moves: Rows) -> tuple[float, Rows]:
    """Return log Z and posteriors of one sequence, and add its expected transitions."""
    states = range(len(transition))
    forward = [list(unary[0])]
    for row in unary[1:]:
        last = forward[-1]
        forward.append(
            [row[j] + _log_sum([last[i] + transition[i][j] for i in states]) for j in states]
        )
    backward = [[0.0 for _ in states]]
    for row in reversed(unary[1:]):
        last = backward[0]
        backward.insert(
            0, [_log_sum([transition[i][j] + row[j] + last[j] for j in states]) for i in states]
        )
    value = _log_sum(forward[-1])
    for t in range(1, len(unary)):
        for i in states:
            for j in states:
                arrives = transition[i][j] + unary[t][j] + backward[t][j]
                moves[i][j] += math.exp(forward[t - 1][i] + arrives - value)
    return value, [
        [math.exp(a + b - value) for a, b in zip(*pair, strict=True)]
        for pair in zip(forward, backward, strict=True)
    ]


def _fastest(run: Callable[[], object], turns: int) -> float:
    seconds = []
    for _ in range(turns):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def test_forward_backward(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(STEPS, CLASSES, SEQUENCES, STATES, generator=generator)
    transition = torch.randn(CLASSES, STATES, STATES, generator=generator)
    lengths = torch.full((SEQUENCES,), STEPS)
    few = unary[:, :, :SHARE].permute(1, 2, 0, 3).tolist()
    table = transition.tolist()

    def plain() -> tuple[Tensor, Tensor, Tensor]:
        moves = torch.zeros_like(transition).tolist()
        found = [
            [_plain(sequence, table[c], moves[c]) for sequence in few[c]] for c in range(CLASSES)
        ]
        values = torch.tensor([[value for value, _ in of_class] for of_class in found])
        states = torch.tensor([[share for _, share in of_class] for of_class in found])
        return values, states.permute(2, 0, 1, 3), torch.tensor(moves)

    ours = benchmark.pedantic(
        lambda: _fastest(lambda: posterior(unary, transition, lengths), TURNS), rounds=1
    )
    literal = _fastest(plain, 2) * SEQUENCES / SHARE
    benchmark.extra_info.update(seconds=ours, literal_seconds=literal, ratio=literal / ours)
    with capsys.disabled():
        print(f"\nours {ours:.4f} s, plain {literal:.2f} s, {literal / ours:.0f} times as long")
    found = posterior(unary[:, :, :SHARE], transition, lengths[:SHARE])
    for one, other in zip(found, plain(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert literal / ours > ALLOWED_RATIO
