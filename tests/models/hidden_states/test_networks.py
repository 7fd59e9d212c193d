"""One battery over all networks of hidden states: what may and what may not change them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mfm_pipeline.data import Split
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.hidden_states.hcrf import HCRF
from mfm_pipeline.models.hidden_states.hsshcrf import HSSHCRF
from mfm_pipeline.models.hidden_states.ldhcrf import LDHCRF
from mfm_pipeline.models.hidden_states.thmm import THMM
from mfm_pipeline.models.hidden_states.views import Views
from tests.models.samples import FEATURES, padded, ragged_split, unobserved_as, whole_split

CLASSES = 3
Build = Callable[[dict[str, int]], nn.Module]


def field(make: type[nn.Module], views: str, *, window: int = 0, **options: object) -> Build:
    def build(features: dict[str, int]) -> nn.Module:
        of = getattr(Views, views)(features, window)
        return make(views=of, states=2, classes=CLASSES, **options)

    return build


LAYERS = {"gates": 4, "layers": 3, "threshold": 0.01}
CASES = {
    "EF-HCRF": field(HCRF, "fused"),
    "EF-HCRF, window": field(HCRF, "fused", window=2),
    "MV-HCRF": field(HCRF, "apart"),
    "CMV-HCRF": field(HCRF, "apart", edges="coupled"),
    "EF-LDHCRF": field(LDHCRF, "fused"),
    "MV-LDHCRF": field(LDHCRF, "apart"),
    "CMV-LDHCRF": field(LDHCRF, "apart", edges="coupled", window=1),
    "EF-HSSHCRF": field(HSSHCRF, "fused", **LAYERS),
    "MV-HSSHCRF": field(HSSHCRF, "apart", window=1, **LAYERS),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def network(case: str, features: dict[str, int] = FEATURES) -> nn.Module:
    torch.manual_seed(0)
    return CASES[case](features)


def cost(model: nn.Module, split: Split) -> Tensor:
    return model.cost(Inputs.from_split(split), torch.arange(len(split)) % CLASSES)


def raw(case: str, split: Split) -> Tensor:
    return network(case)(Inputs.from_split(split)).detach()


def test_a_score_a_class(case: str) -> None:
    assert raw(case, ragged_split()).shape == (9, CLASSES)


def test_without_steps_all_classes_are_alike(case: str) -> None:
    probability = raw(case, ragged_split()).softmax(dim=1)
    torch.testing.assert_close(probability[0], torch.full((CLASSES,), 1 / CLASSES))
    assert not torch.allclose(probability[3], probability[0])


def test_padding_changes_nothing(case: str) -> None:
    split, model = ragged_split(), network(case)
    torch.testing.assert_close(raw(case, split), raw(case, padded(split, 4)))
    torch.testing.assert_close(cost(model, split), cost(model, padded(split, 4)))


@pytest.mark.parametrize("value", [7.0, float("inf")])
def test_what_was_not_observed_is_never_read(case: str, value: float) -> None:
    split = ragged_split()
    changed = unobserved_as(split, value)
    assert torch.equal(raw(case, split), raw(case, changed))
    model = network(case)
    pair = [
        torch.autograd.grad(cost(model, one), list(model.parameters())) for one in (split, changed)
    ]
    assert all(torch.equal(one, other) for one, other in zip(*pair, strict=True))


def test_a_batch_is_its_samples(case: str) -> None:
    split = ragged_split()
    alone = [raw(case, split.select(np.array([row]))) for row in range(len(split))]
    torch.testing.assert_close(raw(case, split), torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_every_parameter_learns(case: str) -> None:
    model = network(case)
    grads = torch.autograd.grad(
        cost(model, whole_split(FEATURES, n=5, steps=6)), list(model.parameters())
    )
    for (name, _), grad in zip(model.named_parameters(), grads, strict=True):
        assert grad.isfinite().all() and grad.abs().max() > 0, name


@pytest.mark.parametrize("count", [2, 4])
def test_any_number_of_modalities_is_read(case: str, count: int) -> None:
    features = {f"m{k}": k + 1 for k in range(count)}
    model, inputs = network(case, features), Inputs.from_split(ragged_split(features))
    before = model(inputs)
    for name in features:
        values = {**inputs.values, name: inputs.values[name] + 1.0}
        moved = Inputs(values, inputs.steps, inputs.present, inputs.lengths)
        assert not torch.allclose(model(moved)[2], before[2]), f"{name} is not read"


def test_prediction_in_inference_mode_is_the_same(case: str) -> None:
    model, inputs = network(case), Inputs.from_split(ragged_split())
    with torch.inference_mode():
        inside = model(inputs[torch.arange(9)])
    torch.testing.assert_close(inside, model(inputs).detach())


def test_thmm_does_not_see_padding() -> None:
    settings = {
        "classes": CLASSES, "states": 2, "restarts": 2, "iterations": 5, "tolerance": 0.0,
        "variance_floor": 0.1, "seed": 0,
    }  # fmt: skip
    split = ragged_split(n=20)
    labels = torch.arange(20) % CLASSES
    found = [
        THMM(Inputs.from_split(one), labels, **settings).predict(Inputs.from_split(one))
        for one in (split, padded(split, 3), unobserved_as(split, 9.0))
    ]
    for other in found[1:]:
        torch.testing.assert_close(found[0], other)
