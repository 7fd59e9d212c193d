"""Dropout whose mask is cheap to draw."""

import pytest
import torch

from mfm_pipeline.models.dropout import Dropout
from mfm_pipeline.models.fusion.mfn import GatedMemory


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_drops_its_share_and_keeps_the_mean(share: float) -> None:
    torch.manual_seed(0)
    values = torch.full((400, 500), 3.0, requires_grad=True)
    dropped = Dropout(share)(values)
    kept = dropped != 0
    assert kept.float().mean().item() == pytest.approx(1 - share, abs=0.01)
    torch.testing.assert_close(dropped[kept].unique(), torch.tensor([3 / (1 - share)]))
    (grad,) = torch.autograd.grad(dropped.sum(), values)
    torch.testing.assert_close(grad, dropped.detach() / 3)


def test_is_nothing_in_evaluation_or_at_a_share_of_zero() -> None:
    values = torch.randn(3, 4)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values


def test_is_drawn_anew_for_every_step_and_repeats_with_the_seed() -> None:
    layer = Dropout(0.5)
    torch.manual_seed(0)
    first = layer(torch.ones(2, 3, 64))
    torch.manual_seed(0)
    assert torch.equal(first, layer(torch.ones(2, 3, 64)))
    assert not torch.equal(first[0], first[1])


def test_the_memorys_gates_drop_in_training_alone() -> None:
    torch.manual_seed(0)
    gates = GatedMemory(attended=4, size=3, hidden=16, dropout=0.5)
    arguments = torch.randn(5, 2, 4), torch.randn(5, 2, 3)
    assert not torch.equal(gates(*arguments), gates(*arguments))
    gates.eval()
    assert torch.equal(gates(*arguments), gates(*arguments))
