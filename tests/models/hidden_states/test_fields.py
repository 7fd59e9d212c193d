"""HCRF and LDHCRF against the enumeration of every path of hidden states."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.hidden_states.hcrf import HCRF
from mfm_pipeline.models.hidden_states.joint import Edges
from mfm_pipeline.models.hidden_states.ldhcrf import LDHCRF
from mfm_pipeline.models.hidden_states.views import Views
from tests.models.hidden_states import literal
from tests.models.samples import ragged_split

FEATURES = {"language": 2, "acoustic": 1}
FUSED, APART = Views.fused(FEATURES), Views.apart(FEATURES)
CASES: dict[str, tuple[Views, Edges, int]] = {
    "early fusion": (FUSED, "linked", 3),
    "early fusion, window": (Views.fused(FEATURES, window=1), "linked", 2),
    "one state": (FUSED, "linked", 1),
    "linked": (APART, "linked", 2),
    "coupled": (APART, "coupled", 2),
    "linked, window": (Views.apart(FEATURES, window=2), "linked", 2),
}
CLASSES, STEPS = 3, 3


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Views, Edges, int]:
    return CASES[request.param]


def samples(steps: int = STEPS) -> Inputs:
    return Inputs.from_split(ragged_split(FEATURES, n=7, steps=steps)).to("cpu", torch.float64)


def built(make: type[nn.Module], case: tuple[Views, Edges, int], seed: int = 0) -> nn.Module:
    views, edges, states = case
    torch.manual_seed(seed)
    model = make(views=views, states=states, classes=CLASSES, edges=edges)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model.double()


def seen(views: Views, inputs: Inputs, row: int) -> list[np.ndarray]:
    """Return what each view observes of one sample, read from the values step by step."""
    length = int(inputs.lengths[row])
    found = []
    for view in views.features:
        size = sum(d for _, d in view)
        whole = np.zeros((length, 2 * views.window + 1, size))
        for t in range(length):
            for k, offset in enumerate(range(-views.window, views.window + 1)):
                if 0 <= t + offset < length:
                    parts = [inputs.values[name][row, t + offset].numpy() for name, _ in view]
                    whole[t, k] = np.concatenate(parts)
        found.append(whole.reshape(length, (2 * views.window + 1) * size))
    return found


def derivative(value: Callable[[], float], model: nn.Module, directions: list[Tensor]) -> float:
    """Return the derivative along a direction of all parameters, by differences."""
    step, values = 1e-5, []
    for sign in (1, -2):
        for parameter, direction in zip(model.parameters(), directions, strict=True):
            parameter.data += sign * step * direction
        values.append(value())
    for parameter, direction in zip(model.parameters(), directions, strict=True):
        parameter.data += step * direction
    return (values[0] - values[1]) / (2 * step)


def along(cost: Tensor, model: nn.Module) -> tuple[float, list[Tensor]]:
    torch.manual_seed(1)
    directions = [torch.randn_like(parameter) for parameter in model.parameters()]
    found = torch.autograd.grad(cost, list(model.parameters()), materialize_grads=True)
    total = torch.stack([(g * d).sum() for g, d in zip(found, directions, strict=True)]).sum()
    return total.item(), directions


def test_hcrf_sums_over_every_path(case: tuple[Views, Edges, int]) -> None:
    model, inputs = built(HCRF, case), samples()
    raw = model(inputs)
    for row in range(len(inputs)):
        observed = seen(case[0], inputs, row)
        for y in range(CLASSES):
            expected = literal.hcrf_log_partition(model.field, observed, y)
            assert raw[row, y].item() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=10)
@given(
    views=st.integers(1, 3),
    edges=st.sampled_from(["linked", "coupled"]),
    n=st.integers(4, 9),
    seed=st.integers(0, 10_000),
)
def test_hcrf_of_any_views_and_whatever_is_missing(
    views: int, edges: Edges, n: int, seed: int
) -> None:
    features = {"a": 2, "b": 1, "c": 1}
    groups = {1: [["a", "b", "c"]], 2: [["a"], ["b", "c"]], 3: [["a"], ["b"], ["c"]]}[views]
    of = Views(tuple(tuple((name, features[name]) for name in group) for group in groups))
    split = ragged_split(features, n=n, steps=STEPS, seed=seed)
    inputs = Inputs.from_split(split).to("cpu", torch.float64)
    model = built(HCRF, (of, edges, 2), seed)
    raw = model(inputs)
    expected = literal.hcrf_log_partition(model.field, seen(of, inputs, n - 1), 1)
    assert raw[n - 1, 1].item() == pytest.approx(expected, abs=1e-9)


def test_hcrf_learns_by_the_gradient_of_what_is_enumerated(
    case: tuple[Views, Edges, int],
) -> None:
    model, inputs = built(HCRF, case), samples()
    rows, labels = torch.tensor([2, 3]), torch.tensor([1, 0])
    batch = inputs[rows]

    def enumerated() -> float:
        total = 0.0
        for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
            observed = seen(case[0], inputs, row)
            scores = [literal.hcrf_log_partition(model.field, observed, y) for y in range(CLASSES)]
            total += literal.log_sum(scores) - scores[label]
        return total / 2

    cost = model.cost(batch, labels)
    found, directions = along(cost, model)
    assert cost.item() == pytest.approx(enumerated(), abs=1e-9)
    assert found == pytest.approx(derivative(enumerated, model, directions), rel=1e-5)


def test_ldhcrf_is_that_of_every_labeling(case: tuple[Views, Edges, int]) -> None:
    model, inputs = built(LDHCRF, case), samples()
    labels = torch.arange(len(inputs)) % CLASSES
    likelihood, predicted = model.log_likelihood(inputs, labels), model(inputs)
    for row in (0, 1, 2, 3):
        observed = seen(case[0], inputs, row)
        length = len(observed[0])
        every = literal.ldhcrf_labelings(model, observed)
        same = every[(int(labels[row]),) * length]
        assert likelihood[row].item() == pytest.approx(same, abs=1e-9)
        for y in range(CLASSES):
            expected = 1 / CLASSES
            if length:
                expected = sum(math.exp(p) * path.count(y) for path, p in every.items()) / length
            assert predicted[row, y].exp().item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["early fusion", "linked", "coupled"])
def test_ldhcrf_learns_by_the_gradient_of_what_is_enumerated(name: str) -> None:
    case = CASES[name]
    model, inputs = built(LDHCRF, case), samples()
    row, label = 2, 1
    cost = model.cost(inputs[torch.tensor([row])], torch.tensor([label]))
    found, directions = along(cost, model)

    def enumerated() -> float:
        observed = seen(case[0], inputs, row)
        return -literal.ldhcrf_labelings(model, observed)[(label,) * len(observed[0])]

    assert found == pytest.approx(derivative(enumerated, model, directions), rel=1e-5)


def test_ldhcrf_of_one_state_a_class_is_a_linear_chain_crf() -> None:
    model, inputs = built(LDHCRF, CASES["one state"]), samples(steps=8)
    weight = model.observation[0].detach().numpy()[:, 0]
    bias = model.label[0].detach().numpy()[:, 0]
    move = model.within[0].detach().numpy()[:, 0, :, 0]
    labels = torch.arange(len(inputs)) % CLASSES
    likelihood, predicted = model.log_likelihood(inputs, labels), model(inputs).exp().numpy()
    for row, label in enumerate(labels.tolist()):
        (x,) = seen(FUSED, inputs, row)
        score = x @ weight.T + bias
        length = len(x)
        if not length:
            continue
        forward, backward = np.zeros((length, CLASSES)), np.zeros((length, CLASSES))
        forward[0] = score[0]
        for t in range(1, length):
            forward[t] = score[t] + np.logaddexp.reduce(forward[t - 1][:, None] + move, axis=0)
            s = length - 1 - t
            backward[s] = np.logaddexp.reduce(move + score[s + 1] + backward[s + 1], axis=1)
        every = np.logaddexp.reduce(forward[-1])
        own = score[:, label].sum() + (length - 1) * move[label, label]
        assert likelihood[row].item() == pytest.approx(own - every, abs=1e-9)
        marginals = np.exp(forward + backward - every).mean(axis=0)
        np.testing.assert_allclose(predicted[row], marginals, atol=1e-9)


def test_hcrf_of_one_state_is_logistic_regression_on_sums() -> None:
    model, inputs = built(HCRF, CASES["one state"]), samples()
    field = model.field
    bias, move = field.label[0].detach()[:, 0], field.within[0].detach()[:, 0, 0]
    length = inputs.lengths[:, None]
    sums = torch.cat([inputs.values[name].sum(dim=1) for name in FEATURES], dim=1)
    shared = sums @ field.observation[0].detach()[0]
    expected = shared[:, None] + length * bias + (length - 1).clamp(min=0) * move
    torch.testing.assert_close(model(inputs).detach(), expected.masked_fill(length == 0, 0))


def test_linked_and_coupled_are_alike_without_edges_between_views() -> None:
    models = [built(HCRF, CASES[name]) for name in ("linked", "coupled")]
    for model in models:
        for parameter in model.field.between:
            parameter.data.zero_()
    for one, other in zip(
        (p for n, p in models[0].named_parameters() if "between" not in n),
        (p for n, p in models[1].named_parameters() if "between" not in n),
        strict=True,
    ):
        other.data.copy_(one)
    torch.testing.assert_close(models[0](samples()), models[1](samples()))


@pytest.mark.parametrize(
    ("make", "states", "found"),
    [
        (HCRF, 33, r"make 1,089 joint states"),
        (LDHCRF, 19, r"each of 3 classes make 1,083 joint states"),
    ],
)
def test_too_many_joint_states_are_refused(make: type[nn.Module], states: int, found: str) -> None:
    with pytest.raises(ParameterError, match=rf"'states' is {states}: .*2 view.*{found}.*1,024"):
        make(views=APART, states=states, classes=CLASSES)
