"""Gradient flow, Equation 13, against a loop of backward passes over steps and features.

The decoders of the sample corpus's model: Fy of 512, Fai of 64, LSTMs of 64, 20 steps of 25,
16 and 12 features, for 64 samples, in single precision, as models are, on one thread. The
reference (`tests/interpretation/reference.py`) calls `torch.autograd.grad` once a step and
feature, for all samples at once. Both give the same numbers in double precision, which is
asserted to 1e-9.

    pytest benchmarks/test_gradient_flow.py -s
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from mfm_pipeline.interpretation.gradient_flow import decoder_flow
from mfm_pipeline.models.modality.sequence import SequenceDecoder, SequenceKind
from tests.interpretation.reference import literal_flow

SAMPLES, STEPS, FY, FA, HIDDEN = 64, 20, 512, 64, 64
FEATURES = {"language": 25, "acoustic": 16, "visual": 12}
ROUNDS = 2
LEAST_RATIO = 10.0


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run on one thread, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_gradient_flow(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """Print seconds of both and their ratio, by the fastest of turns."""
    torch.manual_seed(0)
    decoders: dict[str, SequenceDecoder] = {
        name: SequenceKind().decoder(modality=name, factors=FY + FA, shape=(d,), hidden=HIDDEN)
        for name, d in FEATURES.items()
    }
    fy, fa = torch.rand(SAMPLES, FY), torch.rand(SAMPLES, FA)
    for decoder in decoders.values():
        decoder.double()
        few = fy[:2].double(), fa[:2].double()
        expected = literal_flow(decoder, *few, STEPS)
        torch.testing.assert_close(decoder_flow(decoder, *few, STEPS), expected, rtol=1e-9, atol=0)
        decoder.float()

    def ours() -> list[torch.Tensor]:
        with torch.no_grad():
            return [decoder_flow(decoder, fy, fa, STEPS) for decoder in decoders.values()]

    def literal() -> list[torch.Tensor]:
        return [literal_flow(decoder, fy, fa, STEPS) for decoder in decoders.values()]

    mine = min(_seconds(ours) for _ in range(ROUNDS))
    theirs = min(_seconds(literal) for _ in range(ROUNDS))
    result = {"ours_s": mine, "literal_s": theirs, "ratio": theirs / mine}
    benchmark.extra_info.update(result)
    benchmark.pedantic(ours, rounds=1)
    with capsys.disabled():
        print(f"\nours {mine:.2f} s, literal {theirs:.2f} s, ratio {theirs / mine:.1f}")
    assert result["ratio"] >= LEAST_RATIO


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
