"""One training step of the published CMU-MOSI model, against a literal reference.

Both take the same step: forward, the objective of Equation 4, backward, Adam (fused, for
both), at the published settings with their dropout, 20 steps, on two threads, starting from
equal parameters. The reference (`tests/models/reference.py`) calls `torch.nn.LSTMCell` step by
step and modality by modality, as the published code does; ours is `mfm_pipeline.models`, in
eager mode. The two take turns, so that whatever else the machine does hits both alike; the
ratio is that of their medians, and beside it stands that of their fastest steps.

The last column is the time that the step's matrix products need at the rate at which this
machine multiplies two matrices of 1024 x 1024, measured between the same turns, as a fraction of
the time that ours took. Nothing timed is asserted; that both compute the same is.

    pytest benchmarks/test_training_step.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.objectives import Objective
from tests.models.reference import (
    PUBLISHED_FEATURES,
    PUBLISHED_STEPS,
    LiteralMFM,
    Y,
    published_options,
    specs,
    tiled_mmd,
)
from tests.models.samples import whole_split

THREADS, TURNS, SIDE = 2, 15, 1024


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Run on two threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("batch", [32, 256])
def test_training_step(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], batch: int
) -> None:
    """Print seconds of both, their ratio, and the fraction spent in matrix products."""
    torch.manual_seed(0)
    ours, literal = _models()
    split = whole_split(PUBLISHED_FEATURES, n=batch, steps=PUBLISHED_STEPS)
    inputs = Inputs.from_split(split)[torch.arange(batch)]
    targets = torch.from_numpy(split.targets.values)
    our_cost, literal_cost = _costs(ours, literal, inputs, targets)
    _assert_equal(ours, literal, our_cost, literal_cost)

    our_step, literal_step = _step(ours, our_cost), _step(literal, literal_cost)
    square = torch.randn(SIDE, SIDE)
    timed = {"ours": our_step, "literal": literal_step, "product": lambda: square @ square}
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for step in timed.values():
        step()
    for _ in range(TURNS):
        for name, step in timed.items():
            seconds[name].append(_seconds(step))

    rate = 2 * SIDE**3 / median(seconds["product"])
    mine, theirs = median(seconds["ours"]), median(seconds["literal"])
    result = {
        "ours_ms": 1e3 * mine,
        "literal_ms": 1e3 * theirs,
        "ratio": theirs / mine,
        "ratio_of_fastest": min(seconds["literal"]) / min(seconds["ours"]),
        "gigaflops": rate / 1e9,
        "matrix_fraction": _flops(ours, batch) / rate / mine,
    }
    benchmark.extra_info.update(result)
    benchmark.pedantic(our_step, rounds=5)
    with capsys.disabled():
        print(
            f"\nbatch {batch:3d}: ours {result['ours_ms']:6.1f} ms, "
            f"literal {result['literal_ms']:6.1f} ms, ratio {result['ratio']:.2f} "
            f"(fastest {result['ratio_of_fastest']:.2f}); "
            f"{_flops(ours, batch) / 1e9:.1f} GFLOP in matrix products at "
            f"{result['gigaflops']:.0f} GFLOP/s: {result['matrix_fraction']:.0%} of ours"
        )


def _models() -> tuple[MFM, LiteralMFM]:
    options = published_options()
    ours = MFM.build(
        options, specs(PUBLISHED_FEATURES), outputs=1, steps=PUBLISHED_STEPS, task="regression"
    )
    literal = LiteralMFM(options, PUBLISHED_FEATURES, 1)
    literal.copy_from(ours)
    return ours, literal


def _costs(
    ours: MFM, literal: LiteralMFM, inputs: Inputs, targets: Tensor
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    options = published_options()
    objective = Objective.build(options, PUBLISHED_FEATURES, "regression")
    sequences = {name: x.transpose(0, 1).contiguous() for name, x in inputs.values.items()}

    def our_cost() -> Tensor:
        return objective(ours(inputs), inputs, targets).total

    def literal_cost() -> Tensor:
        latents, reconstructions, prediction = literal(sequences)
        cost = (prediction - targets).abs().mean()
        for name, values in sequences.items():
            square = (reconstructions[name] - values).square().mean()
            cost = cost + options.reconstruction[name] * square
        for name in (Y, *sequences):
            latent = latents[name]
            cost = cost + options.prior_weight * tiled_mmd(latent, torch.randn_like(latent))
        return cost

    return our_cost, literal_cost


def _assert_equal(
    ours: MFM,
    literal: LiteralMFM,
    our_cost: Callable[[], Tensor],
    literal_cost: Callable[[], Tensor],
) -> None:
    """Compare costs without dropout; the draws from the prior come in the same order."""
    ours.eval()
    literal.eval()
    costs = []
    for cost in (our_cost, literal_cost):
        torch.manual_seed(0)
        costs.append(cost().detach())
    torch.testing.assert_close(*costs, rtol=1e-5, atol=1e-5)
    ours.train()
    literal.train()


def _step(model: nn.Module, cost: Callable[[], Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        cost().backward()
        optimizer.step()

    return step


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _flops(model: MFM, batch: int) -> int:
    """Count what the matrix products of one step cannot do without.

    Each weight is multiplied with once forward and, backward, once for its own gradient and
    once for that of its input, which data does not need. A decoder's LSTM reads its own output,
    so that both its weights are one.
    """
    total = 0
    for name, weight in model.named_parameters():
        if "bias" in name or ("decoders" in name and "weight_hh" in name):
            continue
        part, _, rest = name.partition(".")
        uses = PUBLISHED_STEPS if part in ("fusion", "encoders", "decoders") else 1
        products = 2 if "weight_ih" in rest and part != "decoders" else 3
        total += 2 * products * uses * batch * weight.numel()
    return total
