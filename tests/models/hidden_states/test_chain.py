"""Sums over paths against the enumeration of every path."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mfm_pipeline.models.hidden_states import chain
from mfm_pipeline.models.hidden_states.chain import log_partition, posterior
from tests.models.hidden_states import literal

shapes = st.tuples(*[st.integers(1, 4), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)])


def potentials(
    shape: tuple[int, int, int, int], seed: int, spread: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    steps, chains, n, states = shape
    generator = torch.Generator().manual_seed(seed)

    def draw(*size: int) -> Tensor:
        return spread * torch.randn(*size, generator=generator, dtype=torch.float64)

    lengths = torch.randint(0, steps + 1, (n,), generator=generator)
    return draw(*shape), draw(chains, states, states), lengths


def enumerated(unary: Tensor, transition: Tensor, lengths: Tensor) -> chain.Posterior:
    _, chains, n, states = unary.shape
    value = torch.zeros(chains, n, dtype=torch.float64)
    occupied, moves = torch.zeros_like(unary), torch.zeros_like(transition)
    for c in range(chains):
        for k in range(n):
            length = int(lengths[k])
            scores = {
                path: literal.chain_score(unary[:, c, k].tolist(), transition[c].tolist(), path)
                for path in literal.paths(states, length)
            }
            value[c, k] = literal.log_sum(list(scores.values()))
            for path, score in scores.items():
                share = math.exp(score - value[c, k])
                for t, state in enumerate(path):
                    occupied[t, c, k, state] += share
                    if t > 0:
                        moves[c, path[t - 1], state] += share
    return chain.Posterior(value, occupied, moves)


@given(shape=shapes, seed=st.integers(0, 10_000), spread=st.sampled_from([0.0, 1.0, 30.0]))
def test_partition_and_posterior_are_those_of_all_paths(
    shape: tuple[int, int, int, int], seed: int, spread: float
) -> None:
    case = potentials(shape, seed, spread)
    for found, expected in zip(posterior(*case), enumerated(*case), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@given(shape=shapes, seed=st.integers(0, 10_000))
def test_far_apart_potentials_are_summed_as_exactly(
    shape: tuple[int, int, int, int], seed: int
) -> None:
    case = potentials(shape, seed, spread=1000.0)
    for found, expected in zip(posterior(*case), enumerated(*case), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_a_path_that_only_the_future_makes_likely_is_not_lost() -> None:
    # State 1 is e^-100 times as likely as state 0 until a last step that asks for it, and
    # states never change: in scaled float32 it would have vanished.
    unary = torch.tensor([[0.0, -100.0], [0.0, 300.0]])[:, None, None]
    transition = torch.tensor([[[0.0, -400.0], [-400.0, 0.0]]])
    found = posterior(unary, transition, torch.tensor([2]))
    assert float(found.log_partition) == pytest.approx(200.0)
    torch.testing.assert_close(found.states[:, 0, 0], torch.tensor([[0.0, 1.0]]).repeat(2, 1))


def test_both_ways_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    case = potentials((7, 3, 5, 4), seed=3)
    fast = posterior(*case)
    monkeypatch.setattr(chain, "_can_be_scaled", lambda *_: False)
    for found, expected in zip(fast, posterior(*case), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_gradients_by_finite_differences() -> None:
    unary, transition, lengths = potentials((3, 2, 3, 2), seed=1)
    lengths = torch.tensor([3, 0, 2])
    inputs = (unary.requires_grad_(), transition.requires_grad_())
    assert torch.autograd.gradcheck(lambda u, v: log_partition(u, v, lengths), inputs)


def test_what_lies_behind_the_last_step_changes_nothing() -> None:
    unary, transition, _ = potentials((5, 2, 4, 3), seed=5)
    lengths = torch.tensor([0, 1, 3, 5])
    before = posterior(unary, transition, lengths)
    behind = torch.arange(5)[:, None] >= lengths
    after = posterior(unary.masked_fill(behind[:, None, :, None], math.nan), transition, lengths)
    for found, expected in zip(after, before, strict=True):
        assert torch.equal(found, expected)
    short = posterior(unary[:3, :, :3], transition, lengths[:3])
    torch.testing.assert_close(short.log_partition, before.log_partition[:, :3])


def test_without_steps_the_partition_is_one() -> None:
    unary, transition, _ = potentials((2, 2, 3, 3), seed=6)
    found = posterior(unary, transition, torch.zeros(3, dtype=torch.int64))
    assert not any(tensor.any() for tensor in found)


def test_long_chains_in_single_precision() -> None:
    unary, transition, _ = potentials((2000, 1, 2, 5), seed=7, spread=3.0)
    lengths = torch.tensor([2000, 1234])
    expected = posterior(unary, transition, lengths)
    found = posterior(unary.float(), transition.float(), lengths)
    torch.testing.assert_close(
        found.log_partition.double(), expected.log_partition, rtol=1e-6, atol=0
    )
    torch.testing.assert_close(found.states.double(), expected.states, rtol=0, atol=1e-4)


def test_posterior_in_inference_mode() -> None:
    case = potentials((3, 1, 2, 2), seed=8)
    with torch.inference_mode():
        inside = posterior(*(tensor.clone() for tensor in case))
    assert torch.equal(inside.states, posterior(*case).states)
