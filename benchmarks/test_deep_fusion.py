"""Forward and backward of deep fusion encoders, against references step by step.

Both take a batch of 32 samples of 20 steps. The references (`tests/models/reference_deep.py`)
go step by step and modality by modality, as the papers' equations do; some take the whole
batch, the others go sample by sample, and are timed on a few. Of each the fastest of its
turns counts, and they take turns. Nothing timed is asserted; that both compute the same is.

    pytest benchmarks/test_deep_fusion.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from mfm_pipeline.models import Inputs
from mfm_pipeline.models.fusion import FUSIONS
from tests.models import reference_deep as reference
from tests.models.reference import specs
from tests.models.samples import whole_split

FEATURES = {"language": 25, "acoustic": 16, "visual": 12}
BATCH, STEPS, TURNS = 32, 20, 15

MULTI_VIEW = partial(reference.multi_view, alpha=0.67, beta=0.33)
CASES: dict[str, tuple[str, dict[str, object], Callable[..., Tensor]]] = {
    "marn": ("marn", {}, reference.multi_attention),
    "ef_slstm": ("ef_lstm", {"layers": 2}, reference.stacked_lstms),
    "ef_blstm": ("ef_lstm", {"hidden": 64, "bidirectional": True}, reference.stacked_lstms),
    "ef_sblstm": (
        "ef_lstm", {"hidden": 64, "layers": 2, "bidirectional": True}, reference.stacked_lstms
    ),
    "mv_lstm": ("mv_lstm", {"alpha": 0.67, "beta": 0.33}, partial(reference.literally, MULTI_VIEW)),
    "tfn": ("tfn", {"embedding": 8}, partial(reference.literally, reference.tensor_fusion)),
    "transformer": ("transformer", {}, partial(reference.literally, reference.crossmodal)),
}  # fmt: skip
SAMPLE_BY_SAMPLE = ("mv_lstm", "tfn", "transformer")
FEW = 4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run on one thread, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("case", CASES)
def test_deep_fusion(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    """Print milliseconds of both and their ratio."""
    name, options, literal = CASES[case]
    torch.manual_seed(0)
    module = FUSIONS[name].model_validate(options).build(specs(FEATURES)).eval()
    inputs = Inputs.from_split(whole_split(FEATURES, n=BATCH, steps=STEPS))
    parameters = list(module.parameters())
    batch = reference.Sample(
        {key: values.transpose(0, 1) for key, values in inputs.values.items()},
        {key: steps.T for key, steps in inputs.steps.items()},
        dict.fromkeys(FEATURES, True),
        inputs,
    )

    few = inputs[torch.arange(FEW)] if case in SAMPLE_BY_SAMPLE else None
    share = 1 if few is None else FEW / BATCH

    def ours() -> Tensor:
        return module(inputs)

    def theirs() -> Tensor:
        return literal(module, few if few is not None else batch)

    expected = theirs()
    torch.testing.assert_close(ours()[: len(expected)], expected, rtol=1e-4, atol=1e-4)
    count = TURNS if few is None else 3
    turns = [(_seconds(ours, parameters), _seconds(theirs, parameters)) for _ in range(count)]
    mine, other = (min(seconds) for seconds in zip(*turns, strict=True))
    other /= share
    benchmark.extra_info.update({"ours_ms": 1e3 * mine, "literal_ms": 1e3 * other})
    benchmark.pedantic(lambda: _seconds(ours, parameters), rounds=3)
    with capsys.disabled():
        print(
            f"\n{case}: ours {1e3 * mine:.1f} ms, literal {1e3 * other:.1f} ms, "
            f"ratio {other / mine:.1f}"
        )


def _seconds(state: Callable[[], Tensor], parameters: list[Tensor]) -> float:
    start = time.perf_counter()
    torch.autograd.grad(state().square().sum(), parameters)
    return time.perf_counter() - start
