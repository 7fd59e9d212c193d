"""Hidden Markov models against enumeration, and against hmmlearn."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hmmlearn.hmm import GaussianHMM
from scipy import stats
from torch import Tensor

from mfm_pipeline.errors import DataError
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.hidden_states.gaussian_hmm import GaussianHmm, Streams
from mfm_pipeline.models.hidden_states.thmm import THMM
from tests.models.hidden_states import literal
from tests.models.samples import ragged_split, whole_split

FEATURES = {"language": 2, "acoustic": 1, "visual": 3}
SETTINGS = {
    "classes": 3, "states": 2, "restarts": 3, "iterations": 20, "tolerance": 1e-6,
    "variance_floor": 0.05, "seed": 0,
}  # fmt: skip


def streams(inputs: Inputs) -> Streams:
    return Streams(
        [values.transpose(0, 1).double() for values in inputs.values.values()],
        [steps.T for steps in inputs.steps.values()],
        inputs.lengths,
    )


def models(states: int, sizes: list[int], *, count: int = 2, seed: int = 0) -> GaussianHmm:
    generator = torch.Generator().manual_seed(seed)

    def draw(*size: int) -> Tensor:
        return torch.rand(*size, generator=generator, dtype=torch.float64)

    def shares(*size: int) -> Tensor:
        drawn = draw(*size) + 0.1
        return drawn / drawn.sum(dim=-1, keepdim=True)

    return GaussianHmm(
        initial=shares(count, states),
        transition=shares(count, states, states),
        means=[4 * draw(count, states, d) - 2 for d in sizes],
        variances=[draw(count, states, d) + 0.3 for d in sizes],
    )


def of_all_paths(model: GaussianHmm, data: Streams, r: int, row: int) -> dict[tuple, float]:
    """Return log p(x, h) of every path of one sample, missing modalities left out."""
    length, states = int(data.lengths[row]), model.initial.shape[1]
    emission = np.zeros((length, states))
    for t, h in itertools.product(range(length), range(states)):
        for values, observed, mean, variance in zip(
            *data[:2], model.means, model.variances, strict=True
        ):
            if observed[t, row]:
                x, sd = values[t, row].numpy(), variance[r, h].sqrt().numpy()
                emission[t, h] += stats.norm.logpdf(x, mean[r, h].numpy(), sd).sum()
    return {
        path: sum(
            emission[t, h]
            + math.log(model.initial[r, h] if t == 0 else model.transition[r, path[t - 1], h])
            for t, h in enumerate(path)
        )
        for path in literal.paths(states, length)
    }


def test_likelihood_is_the_sum_over_every_path() -> None:
    data = streams(Inputs.from_split(ragged_split(FEATURES, n=7, steps=4)))
    model = models(3, list(FEATURES.values()))
    found = model.log_likelihood(data)
    for r, row in itertools.product(range(2), range(7)):
        expected = literal.log_sum(list(of_all_paths(model, data, r, row).values()))
        assert found[r, row].item() == pytest.approx(expected, abs=1e-9)


def test_a_step_of_baum_and_welch_is_that_of_every_path() -> None:
    data = streams(Inputs.from_split(ragged_split(FEATURES, n=9, steps=3)))
    data = data.select(data.lengths > 0)
    model = models(2, list(FEATURES.values()))
    floors = [torch.full((d,), 1e-3, dtype=torch.float64) for d in FEATURES.values()]
    improved, explained = model.improved(data, floors)
    steps, n = data.observed[0].shape
    for r in range(2):
        share, first = np.zeros((steps, n, 2)), np.zeros(2)
        moves, total = np.zeros((2, 2)), 0.0
        for row in range(n):
            every = of_all_paths(model, data, r, row)
            sum_of_all = literal.log_sum(list(every.values()))
            total += sum_of_all
            for path, log in every.items():
                weight = math.exp(log - sum_of_all)
                first[path[0]] += weight
                for t, h in enumerate(path):
                    share[t, row, h] += weight
                    if t > 0:
                        moves[path[t - 1], h] += weight
        assert explained[r].item() == pytest.approx(total)
        np.testing.assert_allclose(improved.initial[r], first / n)
        np.testing.assert_allclose(improved.transition[r], moves / moves.sum(axis=1, keepdims=True))
        for m, (values, observed) in enumerate(zip(*data[:2], strict=True)):
            x, weights = values[observed].numpy(), share[observed.numpy()]
            for h in range(2):
                mean = np.average(x, axis=0, weights=weights[:, h])
                variance = np.average((x - mean) ** 2, axis=0, weights=weights[:, h])
                np.testing.assert_allclose(improved.means[m][r, h], mean)
                np.testing.assert_allclose(
                    improved.variances[m][r, h], np.maximum(variance, 1e-3), rtol=1e-6
                )


def test_hmmlearn_finds_the_same() -> None:
    data = streams(Inputs.from_split(whole_split({"language": 2, "visual": 3}, n=30, steps=12)))
    data = data._replace(lengths=torch.arange(30) % 11 + 2)
    inside = torch.arange(12)[:, None] < data.lengths
    data = data._replace(observed=[inside, inside])
    model = models(3, [2, 3], count=1)
    peer = GaussianHMM(
        3, "diag", min_covar=0, covars_prior=0, covars_weight=0, init_params="", n_iter=5, tol=0
    )
    peer.startprob_, peer.transmat_ = model.initial[0].numpy(), model.transition[0].numpy()
    peer.means_ = torch.cat(model.means, dim=2)[0].numpy()
    peer.covars_ = torch.cat(model.variances, dim=2)[0].numpy()
    rows = torch.cat(data.values, dim=2).transpose(0, 1)[inside.T].numpy()
    lengths = data.lengths.tolist()
    assert model.log_likelihood(data).sum().item() == pytest.approx(peer.score(rows, lengths))
    peer.fit(rows, lengths)
    for _ in range(5):
        model, _ = model.improved(data, [torch.zeros(d, dtype=torch.float64) for d in (2, 3)])
    np.testing.assert_allclose(model.initial[0], peer.startprob_, atol=1e-8)
    np.testing.assert_allclose(model.transition[0], peer.transmat_, atol=1e-8)
    np.testing.assert_allclose(torch.cat(model.means, dim=2)[0], peer.means_, atol=1e-8)
    diagonal = np.diagonal(peer.covars_, axis1=1, axis2=2)
    np.testing.assert_allclose(torch.cat(model.variances, dim=2)[0], diagonal, atol=1e-8)


def test_likelihood_never_falls() -> None:
    data = streams(Inputs.from_split(ragged_split(FEATURES, n=40, steps=8)))
    data = data.select(data.lengths > 0)
    model = models(4, list(FEATURES.values()), count=3)
    floors = [torch.zeros(d, dtype=torch.float64) + 1e-9 for d in FEATURES.values()]
    before = torch.full((3,), -torch.inf, dtype=torch.float64)
    for _ in range(15):
        model, explained = model.improved(data, floors)
        assert (explained >= before - 1e-9 * before.abs().nan_to_num(posinf=0)).all()
        before = explained


def test_what_is_not_observed_is_never_read() -> None:
    data = streams(Inputs.from_split(ragged_split(FEATURES, n=9, steps=5)))
    data = data.select(data.lengths > 0)
    filled = data._replace(
        values=[
            values.masked_fill(~observed[:, :, None], torch.nan)
            for values, observed in zip(*data[:2], strict=True)
        ]
    )
    model = models(2, list(FEATURES.values()))
    floors = [torch.full((d,), 1e-3, dtype=torch.float64) for d in FEATURES.values()]
    assert torch.equal(model.log_likelihood(data), model.log_likelihood(filled))
    one, other = model.improved(data, floors)[0], model.improved(filled, floors)[0]
    assert torch.equal(one.transition, other.transition)
    for a, b in zip((*one.means, *one.variances), (*other.means, *other.variances), strict=True):
        assert torch.equal(a, b)


def classified(n: int = 90, seed: int = 0) -> tuple[Inputs, Tensor]:
    """Return samples whose class is the order in which two levels follow each other."""
    rng = np.random.default_rng(seed)
    split = ragged_split(FEATURES, n=n, steps=10, seed=seed)
    labels = rng.integers(0, 3, size=n)
    rise = np.array([[-2, 2], [2, -2], [-2, -2]])[labels].repeat(5, axis=1)
    modalities = {
        name: replace(m, values=(m.values + rise[:, :, None]).astype(np.float32))
        for name, m in split.modalities.items()
    }
    return Inputs.from_split(replace(split, modalities=modalities)), torch.from_numpy(labels)


def test_classes_that_differ_in_order_alone_are_told_apart() -> None:
    inputs, labels = classified()
    model = THMM(inputs, labels, **SETTINGS)
    unseen, truth = classified(seed=1)
    probability = model.predict(unseen)
    torch.testing.assert_close(probability.sum(dim=1), torch.ones(90, dtype=torch.float64))
    # Samples that begin late have only the second level.
    whole = unseen.lengths > 6
    assert (probability.argmax(dim=1) == truth)[whole].double().mean() > 0.9


def test_the_likeliest_of_all_beginnings_is_kept() -> None:
    inputs, _ = classified()
    labels = torch.zeros(90, dtype=torch.int64)
    fixed = SETTINGS | {"classes": 1, "states": 4, "iterations": 8, "tolerance": 0.0}
    # What more restarts draw begins with what fewer of them draw.
    explained = [
        THMM(inputs, labels, **fixed | {"restarts": count})
        .models.log_likelihood(streams(inputs))
        .sum()
        .item()
        for count in range(1, 7)
    ]
    assert all(after >= before - 1e-6 for before, after in pairwise(explained))
    assert explained[-1] > explained[0] + 1


def test_probabilities_are_prior_times_likelihood() -> None:
    inputs, labels = classified()
    model = THMM(inputs, labels, **SETTINGS)
    known = inputs.lengths > 0
    prior = torch.bincount(labels[known], minlength=3) / known.sum()
    explained = model.models.log_likelihood(streams(inputs)).T
    expected = (explained + prior.double().log()).softmax(dim=1)
    torch.testing.assert_close(model.predict(inputs), expected)
    torch.testing.assert_close(model.predict(inputs)[0], prior.double())


def test_a_class_without_samples_is_never_predicted() -> None:
    inputs, labels = classified()
    model = THMM(inputs, labels.masked_fill(labels == 1, 2), **SETTINGS)
    probability = model.predict(inputs)
    assert not probability[:, 1].any() and probability.isfinite().all()


def test_constant_features_and_tiny_classes_stay_finite() -> None:
    inputs, labels = classified(n=12)
    values = {**inputs.values, "acoustic": torch.zeros_like(inputs.values["acoustic"])}
    inputs = replace(inputs, values=values)
    labels = torch.tensor([0] * 10 + [1, 2])
    assert THMM(inputs, labels, **SETTINGS | {"states": 5}).predict(inputs).isfinite().all()


def test_a_modality_that_a_class_never_has_says_nothing() -> None:
    inputs, labels = classified()
    inputs = inputs.without({"visual": labels == 0})
    model = THMM(inputs, labels, **SETTINGS)
    assert model.predict(inputs).isfinite().all()
    only = inputs.without({name: torch.ones(90, dtype=torch.bool) for name in FEATURES})
    assert model.predict(only).isfinite().all()


def test_samples_without_any_step_are_refused() -> None:
    inputs, labels = classified()
    without = torch.tensor([0, 5])
    with pytest.raises(DataError, match="none of 2 training samples has a step"):
        THMM(inputs[without], labels[without], **SETTINGS)


def test_same_seed_same_numbers() -> None:
    inputs, labels = classified()
    state = torch.get_rng_state()
    one, other = (THMM(inputs, labels, **SETTINGS).predict(inputs) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(one, THMM(inputs, labels, **SETTINGS | {"seed": 1}).predict(inputs))


def test_parameters_are_counted() -> None:
    inputs, labels = classified()
    # Of three classes: 2 initial, 4 transitions, 2 states of 6 means and 6 variances; and priors.
    assert THMM(inputs, labels, **SETTINGS).parameters == 3 * (2 + 4 + 24) + 3
