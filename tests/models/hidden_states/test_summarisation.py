"""Summaries of sequences: groups by the criterion written out, and the layers on them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.models import Inputs
from mfm_pipeline.models.hidden_states.hsshcrf import HSSHCRF, Layer
from mfm_pipeline.models.hidden_states.summarisation import Groups, group_alike, group_means
from mfm_pipeline.models.hidden_states.views import Views
from tests.models.hidden_states import literal
from tests.models.samples import ragged_split

FEATURES = {"language": 2, "acoustic": 1}


def segmented(distances: list[float], threshold: float) -> list[list[int]]:
    """Segment one chain by Felzenszwalb and Huttenlocher's algorithm, on sets of steps."""
    component = {t: {t} for t in range(len(distances) + 1)}

    def internal(steps: set[int]) -> float:
        return max((distances[t] for t in steps if t + 1 in steps), default=0.0)

    for edge in sorted(range(len(distances)), key=lambda t: distances[t]):
        a, b = component[edge], component[edge + 1]
        bound = min(internal(s) + threshold / len(s) for s in (a, b))
        if distances[edge] <= bound:
            for t in a | b:
                component[t] = a | b
    unique = {min(steps): sorted(steps) for steps in component.values()}
    return [unique[first] for first in sorted(unique)]


@given(
    chains=st.lists(
        st.lists(st.sampled_from([0.0, 0.1, 0.125, 0.25, 0.3, 0.5, 1.0]), min_size=5, max_size=5),
        min_size=1,
        max_size=4,
    ),
    threshold=st.sampled_from([0.0, 0.05, 0.25, 0.5, 2.0]),
    data=st.data(),
)
def test_groups_are_those_of_the_algorithm(
    chains: list[list[float]], threshold: float, data: st.DataObject
) -> None:
    lengths = [data.draw(st.integers(0, 6)) for _ in chains]
    found = group_alike(
        torch.tensor(chains, dtype=torch.float64).T, torch.tensor(lengths), threshold
    )
    for row, (chain, length) in enumerate(zip(chains, lengths, strict=True)):
        if length == 0:
            assert found.lengths[row] == 0
            continue
        expected = segmented(chain[: length - 1], threshold)
        numbers = [k for k, steps in enumerate(expected) for _ in steps]
        assert found.of_step[:length, row].tolist() == numbers
        assert found.lengths[row] == len(expected)


def test_one_step_is_one_group() -> None:
    found = group_alike(torch.zeros(0, 2), torch.tensor([1, 0]), 0.1)
    assert found.of_step.tolist() == [[0, 0]]
    assert found.lengths.tolist() == [1, 0]


def test_means_are_of_observed_steps() -> None:
    values = torch.tensor([[1.0], [3.0], [100.0], [5.0]])[:, None]
    observed = torch.tensor([True, True, False, False])[:, None]
    groups = Groups(torch.tensor([0, 0, 0, 1])[:, None], torch.tensor([2]))
    means, some = group_means(values, observed, groups)
    assert means[:, 0, 0].tolist() == [2.0, 0.0, 0.0, 0.0]
    assert some[:, 0].tolist() == [True, False, False, False]


def inputs() -> Inputs:
    return Inputs.from_split(ragged_split(FEATURES, n=7, steps=4)).to("cpu", torch.float64)


def network(views: Views, *, layers: int = 3, threshold: float = 0.1) -> HSSHCRF:
    torch.manual_seed(0)
    built = HSSHCRF(views=views, states=2, gates=3, layers=layers, threshold=threshold, classes=2)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter)
    return built.double()


def literal_layers(model: HSSHCRF, batch: Inputs, row: int) -> list[list[float]]:
    """Return the scores of every layer for one sample, one path at a time."""
    length = int(batch.lengths[row])
    names = [[name for name, _ in view] for view in model.views.features]
    x = [
        [np.concatenate([batch.values[n][row, t].numpy() for n in view]) for t in range(length)]
        for view in names
    ]
    observed = [
        [any(batch.steps[n][row, t] for n in view) for t in range(length)] for view in names
    ]
    scores = []
    for layer in model.layers:
        assert isinstance(layer, Layer)
        gates = []
        for v, gate in enumerate(layer.gates):
            weight, bias = gate.weight.detach().numpy(), gate.bias.detach().numpy()
            out = [1 / (1 + np.exp(-(weight @ value + bias))) for value in x[v]]
            zero = np.zeros(len(bias))
            gates.append([g if o else zero for g, o in zip(out, observed[v], strict=True)])
        steps = len(x[0])
        seen = [np.array(g).reshape(steps, len(zero)) for g in gates]
        joint = list(itertools.product(range(2), repeat=len(x)))
        marginal = np.zeros((2, steps, len(x), 2))
        of_layer = []
        for y in range(2):
            every = {
                path: literal.hcrf_score(layer.field, seen, y, path)
                for path in itertools.product(joint, repeat=steps)
            }
            of_layer.append(literal.log_sum(list(every.values())))
            for path, score in every.items():
                for t, h in enumerate(path):
                    for v in range(len(x)):
                        marginal[y, t, v, h[v]] += math.exp(score - of_layer[-1])
        scores.append(of_layer)
        if not steps:
            continue
        distances = [
            float(abs(marginal[:, t + 1] - marginal[:, t]).max()) for t in range(steps - 1)
        ]
        groups = segmented(distances, model.threshold)
        for v in range(len(x)):
            kept = [[gates[v][t] for t in group if observed[v][t]] for group in groups]
            x[v] = [np.mean(k, axis=0) if k else zero for k in kept]
            observed[v] = [bool(k) for k in kept]
    return scores


@pytest.mark.parametrize("views", [Views.fused(FEATURES), Views.apart(FEATURES)])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.4])
def test_every_layer_is_that_of_every_path(views: Views, threshold: float) -> None:
    model, batch = network(views, threshold=threshold), inputs()
    with torch.inference_mode():
        by_layer, raw = model.by_layer(batch), model(batch)
    for row in range(len(batch)):
        expected = torch.tensor(literal_layers(model, batch, row), dtype=torch.float64)
        torch.testing.assert_close(by_layer[:, row], expected)
        product = expected.log_softmax(dim=1).sum(dim=0)
        torch.testing.assert_close(raw[row], product)
    torch.testing.assert_close(model.by_layer(batch).detach(), by_layer)


def test_a_layer_learns_by_its_own_scores_alone() -> None:
    model, batch = network(Views.apart(FEATURES)), inputs()
    labels = torch.arange(len(batch)) % 2
    total = torch.autograd.grad(model.cost(batch, labels), list(model.parameters()))
    alone = []
    for depth, layer in enumerate(model.layers):
        cost = torch.nn.functional.cross_entropy(model.by_layer(batch)[depth], labels)
        alone += torch.autograd.grad(cost, list(layer.parameters()), retain_graph=True)
        others = [p for other in model.layers if other is not layer for p in other.parameters()]
        assert not any(g.any() for g in torch.autograd.grad(cost, others))
    for one, other in zip(total, alone, strict=True):
        torch.testing.assert_close(one, other)
        assert one.abs().max() > 0


def test_a_large_threshold_leaves_one_group_and_none_leaves_all() -> None:
    batch = inputs()
    for threshold, lengths in ((10.0, (batch.lengths > 0).long()), (0.0, batch.lengths)):
        model = network(Views.fused(FEATURES), threshold=threshold)
        layer = model.layers[0]
        assert isinstance(layer, Layer)
        read = model.read(batch)
        assert layer.summarise(read, threshold)[1].lengths.tolist() == lengths.tolist()
