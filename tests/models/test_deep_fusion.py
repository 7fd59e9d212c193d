"""Deep fusion encoders against references written step by step, gradients included."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.fusion import FUSIONS
from mfm_pipeline.models.fusion.ef_lstm import EarlyFusionLSTM
from mfm_pipeline.models.fusion.mv_lstm import connections
from mfm_pipeline.models.fusion.tfn import outer_product
from mfm_pipeline.models.fusion.transformer import positions
from tests.models import reference_deep as reference
from tests.models.reference import specs
from tests.models.samples import ragged_split

FEATURES = {"language": 3, "acoustic": 2, "visual": 4}

CASES: dict[str, tuple[str, dict[str, object], Callable[..., Tensor]]] = {
    "df": ("df", {"hidden": 5, "fused": 4}, reference.deep_fusion),
    "tfn": (
        "tfn",
        {"embedding": 2, "layer": 4, "hidden": 3},
        reference.tensor_fusion,
    ),
    "marn": (
        "marn",
        {"hidden": {"default": 3, "visual": 2}, "attentions": 3, "reduced": 4, "code": 5},
        reference.multi_attention,
    ),
    "ef_slstm": ("ef_lstm", {"hidden": 3, "layers": 3}, reference.stacked_lstms),
    "ef_blstm": ("ef_lstm", {"hidden": 3, "bidirectional": True}, reference.stacked_lstms),
    "ef_sblstm": (
        "ef_lstm", {"hidden": 2, "layers": 2, "bidirectional": True}, reference.stacked_lstms
    ),
    "transformer": ("transformer", {"width": 4, "heads": 2, "layers": 2}, reference.crossmodal),
    **{
        f"mv_lstm, alpha {alpha:.2f}, beta {beta:.2f}": (
            "mv_lstm",
            {"hidden": {"default": 3, "visual": 2}, "alpha": alpha, "beta": beta},
            partial(reference.multi_view, alpha=alpha, beta=beta),
        )
        for alpha, beta in ((2 / 3, 1 / 3), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case: str) -> None:
    name, options, literal = CASES[case]
    torch.manual_seed(0)
    module = FUSIONS[name].model_validate(options).build(specs(FEATURES)).double().eval()
    inputs = Inputs.from_split(ragged_split(FEATURES, n=7, steps=4)).to("cpu", torch.float64)
    values = {name: x.clone().requires_grad_() for name, x in inputs.values.items()}
    inputs = Inputs(values, inputs.steps, inputs.present, inputs.lengths)
    found, expected = module(inputs), reference.literally(literal, module, inputs)
    some = inputs.lengths > 0
    torch.testing.assert_close(found[some], expected[some], rtol=0, atol=1e-10)
    weights = torch.randn_like(found)[some]
    tensors = [*values.values(), *module.parameters()]
    ours, theirs = (
        torch.autograd.grad((weights * state[some]).sum(), tensors) for state in (found, expected)
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@given(sizes=st.lists(st.integers(0, 4), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_outer_product_is_the_einsum(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(3, size)) for size in sizes]
    longer = [np.concatenate([part, np.ones((3, 1))], axis=1) for part in parts]
    letters = "abcd"[: len(sizes)]
    expected = np.einsum(f"{','.join(f'n{letter}' for letter in letters)}->n{letters}", *longer)
    found = outer_product([torch.from_numpy(part) for part in parts])
    np.testing.assert_allclose(found.numpy(), expected.reshape(3, -1), rtol=1e-12)


def test_tensor_of_two_modalities_written_out() -> None:
    found = outer_product([torch.tensor([[2.0, 3.0]]), torch.tensor([[5.0]])])
    assert found.tolist() == [[10, 2, 15, 3, 5, 1]]


def test_a_tensor_that_is_too_large_is_refused() -> None:
    modalities = specs({f"m{k}": 2 for k in range(6)})
    with pytest.raises(ParameterError, match=r"embedding is 16.*24,137,569 entries of 6 modal"):
        FUSIONS["tfn"]().build(modalities)
    FUSIONS["tfn"](embedding=2).build(modalities)


@given(
    units=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    alpha=st.floats(0, 1),
    beta=st.floats(0, 1),
)
def test_connections_by_their_definition(units: list[int], alpha: float, beta: float) -> None:
    found = connections(units, alpha, beta).numpy()
    cells = [(view, unit) for view, size in enumerate(units) for unit in range(size)]
    for row, (view, unit) in enumerate(cells):
        from_start, from_end = unit, units[view] - unit
        for column, (other, _) in enumerate(cells):
            if other == view:
                expected = from_start < math.ceil(alpha * units[view])
            else:
                expected = from_end <= math.ceil(beta * units[view])
            assert found[row, column] == expected


def test_views_apart_are_lstms_of_their_own() -> None:
    """With alpha 1 and beta 0 no modality reaches the state of another."""
    torch.manual_seed(0)
    module = FUSIONS["mv_lstm"](hidden=3, alpha=1, beta=0).build(specs(FEATURES)).double()
    inputs = Inputs.from_split(ragged_split(FEATURES)).to("cpu", torch.float64)
    moved = {**inputs.values, "acoustic": inputs.values["acoustic"] + 1}
    before = module(inputs)
    after = module(Inputs(moved, inputs.steps, inputs.present, inputs.lengths))
    assert torch.equal(before[:, :3], after[:, :3])
    assert torch.equal(before[:, 6:], after[:, 6:])
    assert not torch.allclose(before[2, 3:6], after[2, 3:6])
    assert sum(p.numel() for p in module.parameters()) == sum(
        4 * 3 * (d + 3 + 1) for d in FEATURES.values()
    )


def test_nothing_to_remember_by_is_refused() -> None:
    with pytest.raises(ParameterError, match="alpha and beta are 0"):
        FUSIONS["mv_lstm"](alpha=0, beta=0)


def test_one_lstm_of_one_direction_is_what_it_was() -> None:
    """Models that were saved before there were others still load."""
    module = FUSIONS["ef_lstm"](hidden=5).build(specs(FEATURES))
    assert isinstance(module, EarlyFusionLSTM)
    names = {f"lstm.{part}_{way}" for part in ("weight", "bias") for way in ("ih", "hh")}
    assert set(module.state_dict()) == names


def test_positions_tell_steps_apart() -> None:
    found = positions(torch.zeros(1, 30, 5, dtype=torch.float64))
    assert found.shape == (30, 5)
    assert torch.cdist(found, found).fill_diagonal_(1).min() > 0.1


@pytest.mark.parametrize(
    ("options", "features", "message"),
    [
        ({"width": 6, "heads": 4}, FEATURES, "width is 6; expected a multiple of heads, 4"),
        ({}, {"language": 3}, "found language alone, expected two or more"),
    ],
)
def test_what_a_transformer_cannot_be_is_refused(
    options: dict[str, int], features: dict[str, int], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        FUSIONS["transformer"].model_validate(options).build(specs(features))
