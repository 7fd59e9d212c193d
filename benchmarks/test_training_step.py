"""One training step at the published CMU-MOSI settings, against the literal reference.

Forward, objective, backward and Adam, batches of 32 and 256 samples of 20 steps, on two
threads. The reference is `tests/models/reference.py`, one `LSTMCell` call a step and a
modality, with the same parameters. Both take turns in one run, so that the ratio holds
when the machine's speed drifts; medians are printed. The fraction is the time that the
step's matrix multiplications would need at this machine's rate for one large product,
over the time that the step took.

    pytest benchmarks/test_training_step.py -s
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mfm_pipeline.models import MFM, Inputs, ModalitySpec
from mfm_pipeline.objectives import Objective
from tests.models.reference import LiteralMFM, published_options, tiled_mmd

FEATURES = {"language": 300, "acoustic": 5, "visual": 20}
STEPS, ROUNDS = 20, 30


def _gemm_rate() -> float:
    """Floating-point operations a second of one large product."""
    size = 1536
    a, b = torch.randn(size, size), torch.randn(size, size)
    seconds = []
    for _ in range(10):
        begin = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - begin)
    return 2 * size**3 / min(seconds)


def _training_step(module: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.Adam(module.parameters())

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def _steps(batch: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return a step of the package and one of the reference."""
    torch.manual_seed(0)
    options = published_options()
    specs = {name: ModalitySpec(kind="sequence", shape=(d,)) for name, d in FEATURES.items()}
    model = MFM.build(options, specs, outputs=1, steps=STEPS, task="regression").train()
    reference = LiteralMFM(options, FEATURES, 1).train()
    with torch.no_grad():
        reference.copy_from(model)
    values = {name: torch.randn(batch, STEPS, d) for name, d in FEATURES.items()}
    targets = torch.randn(batch, 1)
    inputs = Inputs(
        values=values,
        steps={name: torch.ones(batch, STEPS, dtype=torch.bool) for name in FEATURES},
        present={name: torch.ones(batch, dtype=torch.bool) for name in FEATURES},
        lengths=torch.full((batch,), STEPS),
    )
    objective = Objective.build(options, FEATURES, "regression")
    by_step = {name: value.transpose(0, 1).contiguous() for name, value in values.items()}
    weights = objective.reconstruction

    def literal_loss() -> Tensor:
        latents, reconstructions, prediction = reference(by_step)
        loss = (prediction - targets).abs().mean()
        for name, value in reconstructions.items():
            loss = loss + weights[name] * (value - by_step[name]).square().mean()
        for latent in latents.values():
            loss = loss + objective.prior_weight * tiled_mmd(latent, torch.randn_like(latent))
        return loss

    return (
        _training_step(model, lambda: objective(model(inputs), inputs, targets).total),
        _training_step(reference, literal_loss),
    )


@pytest.mark.parametrize("batch", [32, 256])
def test_training_step(batch: int) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ours, literal = _steps(batch)
        with FlopCounterMode(display=False) as counter:
            literal()
        needed = counter.get_total_flops() / _gemm_rate()
        seconds: dict[str, list[float]] = {"ours": [], "literal": []}
        for _ in range(ROUNDS + 3):
            for name, step in (("ours", ours), ("literal", literal)):
                begin = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - begin)
    finally:
        torch.set_num_threads(threads)
    median = {name: statistics.median(values[3:]) for name, values in seconds.items()}
    ratios = [b / a for a, b in zip(seconds["ours"][3:], seconds["literal"][3:], strict=True)]
    print(
        f"\nbatch {batch:3}: ours {1e3 * median['ours']:.1f} ms, "
        f"literal {1e3 * median['literal']:.1f} ms, "
        f"ratio {statistics.median(ratios):.2f} (paired median), "
        f"GEMM fraction {needed / median['ours']:.2f} (literal {needed / median['literal']:.2f})"
    )
