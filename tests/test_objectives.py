"""Costs and priors against what their formulas say, pair by pair."""

from __future__ import annotations

import math

import pytest
import torch

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Inputs, ModelOptions
from mfm_pipeline.models.latents import Latent
from mfm_pipeline.models.mfm import DISCRIMINATIVE, Factors, MfmOutput
from mfm_pipeline.models.swap import Swapped
from mfm_pipeline.objectives import (
    SCALES,
    Objective,
    kl,
    mmd,
    reconstruction_cost,
    similarity,
    task_cost,
)
from tests.models.reference import literal_mmd

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
def test_mmd_agrees_pair_by_pair(dtype: torch.dtype, scale: float) -> None:
    torch.manual_seed(0)
    latent = (scale * torch.randn(7, 5, dtype=dtype)).requires_grad_()
    draws = torch.randn(7, 5, dtype=dtype)
    ours, theirs = mmd(latent, draws), literal_mmd(latent, draws)
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(ours, theirs, **tolerance)
    torch.testing.assert_close(
        torch.autograd.grad(ours, latent), torch.autograd.grad(theirs, latent), **tolerance
    )


def test_mmd_of_a_pair_by_hand() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    # mean((a - b)^2) = 1/2 and z = 2, so k(a, b) = exp(-1/4).
    assert mmd(a, b).item() == pytest.approx(2 - 2 * math.exp(-0.25), abs=1e-6)


def test_mmd_of_a_sample_from_itself_is_zero_and_grows_with_distance() -> None:
    torch.manual_seed(0)
    draws = torch.randn(40, 3, dtype=torch.float64)
    assert abs(mmd(draws, draws)) < 1e-12
    values = [mmd(torch.randn_like(draws) + shift, draws).item() for shift in (0.0, 1.0, 4.0)]
    assert values == sorted(values)


def test_mmd_counts_present_rows_alone() -> None:
    torch.manual_seed(0)
    latent = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    draws = torch.randn(6, 4, dtype=torch.float64)
    present = torch.tensor([True, False, True, True, False, True])
    found = mmd(latent, draws, present)
    torch.testing.assert_close(found, literal_mmd(latent[present], draws[present]))
    (grad,) = torch.autograd.grad(found, latent)
    assert not grad[~present].any()
    assert grad[present].abs().min() > 0


def test_priors_without_a_row_are_zero_with_a_gradient() -> None:
    nothing = torch.zeros(3, dtype=torch.bool)
    latent = torch.randn(3, 2, requires_grad=True)
    for cost in (mmd(latent, torch.randn(3, 2), nothing), kl(latent, latent, nothing)):
        assert cost.item() == 0
        (grad,) = torch.autograd.grad(cost, latent)
        assert not grad.any()


@pytest.mark.parametrize("rows", [None, torch.tensor([True, False, True, True])])
def test_kl_agrees_with_torch_distributions(rows: torch.Tensor | None) -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 4, 3, dtype=torch.float64).unbind(0)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    divergence = torch.distributions.kl_divergence(posterior, prior).sum(dim=1)
    expected = divergence.mean() if rows is None else divergence[rows].mean()
    torch.testing.assert_close(kl(mean, log_variance, rows), expected, rtol=0, atol=1e-12)


def test_reconstruction_costs_what_was_observed_alone() -> None:
    torch.manual_seed(0)
    values, guess = torch.randn(2, 3, 4, 2, dtype=torch.float64).unbind(0)
    guess.requires_grad_()
    mask = torch.tensor([[1, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
    total, count = 0.0, 0
    for n in range(3):
        for t in range(4):
            if mask[n, t]:
                total += sum((guess[n, t, k] - values[n, t, k]).item() ** 2 for k in range(2))
                count += 2
    holes = values.masked_fill(~mask[..., None], float("nan"))
    cost = reconstruction_cost(guess, holes, mask)
    assert cost.item() == pytest.approx(total / count, abs=1e-12)
    (grad,) = torch.autograd.grad(cost, guess)
    expected = 2 * (guess - values).detach() / count * mask[..., None]
    torch.testing.assert_close(grad, expected)


def test_reconstruction_without_masks_is_the_mean_square() -> None:
    values, guess = torch.randn(2, 3, 4, 2).unbind(0)
    whole = torch.ones(3, 4, dtype=torch.bool)
    expected = torch.nn.functional.mse_loss(guess, values)
    torch.testing.assert_close(reconstruction_cost(guess, values, whole), expected)


def test_reconstruction_of_images_by_presence() -> None:
    values, guess = torch.rand(2, 3, 1, 2, 2).unbind(0)
    present = torch.tensor([True, False, True])
    expected = torch.nn.functional.mse_loss(guess[present], values[present])
    torch.testing.assert_close(reconstruction_cost(guess, values, present), expected)


def test_nothing_observed_costs_nothing() -> None:
    guess = torch.randn(2, 3, 1, requires_grad=True)
    cost = reconstruction_cost(
        guess, torch.full((2, 3, 1), float("nan")), torch.zeros(2, 3, dtype=torch.bool)
    )
    cost.backward()
    assert cost.item() == 0
    assert not guess.grad.any()


def test_task_costs_by_hand() -> None:
    prediction = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)
    targets = torch.tensor([[0.0, -1.0], [1.0, 3.0]], dtype=torch.float64)
    assert task_cost(prediction, targets, "regression").item() == pytest.approx(2.5 / 4)
    by_class = [
        -math.log(math.exp(row[k]) / sum(math.exp(x) for x in row))
        for row, k in zip(prediction.tolist(), (0, 1), strict=True)
    ]
    found = task_cost(prediction, torch.tensor([0, 1]), "multiclass")
    assert found.item() == pytest.approx(sum(by_class) / 2)
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    by_label = [
        -math.log(1 / (1 + math.exp(-x if label else x)))
        for x, label in zip(prediction.flatten().tolist(), labels.flatten().tolist(), strict=True)
    ]
    assert task_cost(prediction, labels, "multilabel").item() == pytest.approx(sum(by_label) / 4)


def test_targets_of_another_shape_are_refused_rather_than_broadcast() -> None:
    with pytest.raises(ValueError, match="prediction is"):
        task_cost(torch.zeros(3, 1), torch.zeros(3), "regression")


# The kernel that sees every scale.


def literal_multiquadric(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the mean kernel of all pairs, one pair and one scale after the other."""
    size = a.shape[1]
    total = a.new_zeros(())
    for row in a:
        for other in b:
            square = sum((row[k] - other[k]) ** 2 for k in range(size))
            for scale in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
                c = 2 * size * scale
                total = total + c / (c + square) / 7
    return total / (len(a) * len(b))


def literal_multiquadric_mmd(latent: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    return (
        literal_multiquadric(latent, latent)
        + literal_multiquadric(draws, draws)
        - 2 * literal_multiquadric(latent, draws)
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("rows", [None, [0, 2, 3]])
def test_multiquadric_mmd_agrees_pair_by_pair(
    dtype: torch.dtype, scale: float, rows: list[int] | None
) -> None:
    torch.manual_seed(0)
    latent = (scale * torch.randn(5, 3, dtype=dtype)).requires_grad_()
    draws = torch.randn(5, 3, dtype=dtype)
    present, here = None, slice(None)
    if rows is not None:
        here = torch.zeros(5, dtype=torch.bool)
        here[rows] = True
        present = here
    ours = mmd(latent, draws, present, kernel="multiquadric")
    theirs = literal_multiquadric_mmd(latent[here], draws[here])
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(ours, theirs, **tolerance)
    torch.testing.assert_close(
        torch.autograd.grad(ours, latent), torch.autograd.grad(theirs, latent), **tolerance
    )


def test_multiquadric_kernel_by_hand() -> None:
    # |a - b|^2 = 3 and z = 2: c is 4 times the scale, the distance is 3 / z^2.
    found = similarity(torch.tensor(3 / 4, dtype=torch.float64), 2, "multiquadric").item()
    assert found == pytest.approx(sum(4 * s / (4 * s + 3) for s in SCALES) / len(SCALES))
    for kernel in ("gaussian", "multiquadric"):
        assert similarity(torch.zeros(()), 2, kernel).item() == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", ["gaussian", "multiquadric"])
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e4])
def test_gradients_are_finite_where_latents_coincide_or_lie_far_apart(
    kernel: str, scale: float
) -> None:
    torch.manual_seed(0)
    latent = (scale * torch.randn(6, 4)).requires_grad_()
    cost = mmd(latent, torch.randn(6, 4), kernel=kernel)  # type: ignore[arg-type]
    (grad,) = torch.autograd.grad(cost, latent)
    assert cost.isfinite() and cost > 0 and grad.isfinite().all()


def test_multiquadric_tells_spread_apart_that_the_gaussian_hardly_sees() -> None:
    torch.manual_seed(0)
    draws = torch.randn(2, 200, 8, dtype=torch.float64)
    shrunk = {
        kernel: mmd(0.5 * draws[0], draws[1], kernel=kernel) / mmd(*draws, kernel=kernel)  # type: ignore[arg-type]
        for kernel in ("gaussian", "multiquadric")
    }
    assert shrunk["multiquadric"] > 3 * shrunk["gaussian"]


# All latents together.


def output_of(latents: dict[str, torch.Tensor]) -> tuple[MfmOutput, Inputs]:
    """Return an output that has nothing but latents; the third sample lacks ``b``."""
    n = len(next(iter(latents.values())))
    present = {name: torch.ones(n, dtype=torch.bool) for name in ("a", "b")}
    present["b"][2] = False
    output = MfmOutput(
        {name: Latent(sample, sample, None) for name, sample in latents.items()},
        Factors(torch.zeros(n, 1), {}),
        {},
        torch.zeros(n, 1, 1, dtype=torch.float64),
    )
    return output, Inputs({}, {}, present, torch.zeros(n, dtype=torch.int64))


def prior_of(latents: dict[str, torch.Tensor], *, joint: bool, kernel: str) -> torch.Tensor:
    output, inputs = output_of(latents)
    objective = Objective(
        task="regression",
        prior="mmd",
        prior_weight=1.0,
        reconstruction={},
        kernel=kernel,  # type: ignore[arg-type]
        joint=joint,
    )
    torch.manual_seed(7)
    zeros = torch.zeros(len(inputs), 1, dtype=torch.float64)
    return objective(output, inputs, zeros).prior


@pytest.mark.parametrize("kernel", ["gaussian", "multiquadric"])
def test_a_joint_prior_is_that_of_all_latents_side_by_side(kernel: str) -> None:
    torch.manual_seed(0)
    sizes = {DISCRIMINATIVE: 3, "a": 2, "b": 2}
    latents = {
        name: torch.randn(4, size, dtype=torch.float64, requires_grad=True)
        for name, size in sizes.items()
    }
    found = prior_of(latents, joint=True, kernel=kernel)
    torch.manual_seed(7)
    parts = []
    for name, latent in latents.items():
        part = latent
        if name != DISCRIMINATIVE:  # What a sample lacks is drawn from the prior.
            drawn = torch.randn_like(latent)
            if name == "b":
                part = torch.stack([drawn[i] if i == 2 else latent[i] for i in range(4)])
        parts.append(part)
    together = torch.hstack(parts)
    draws = torch.randn(4, 7, dtype=torch.float64)
    literal = {"gaussian": literal_mmd, "multiquadric": literal_multiquadric_mmd}[kernel]
    torch.testing.assert_close(found, literal(together, draws), rtol=0, atol=1e-12)
    grads = dict(zip(latents, torch.autograd.grad(found, list(latents.values())), strict=True))
    assert all(grad.isfinite().all() for grad in grads.values())
    assert not grads["b"][2].any()
    assert all(grads[name][i].any() for name in latents for i in range(4) if (name, i) != ("b", 2))


def test_a_joint_prior_sees_dependence_that_single_ones_do_not() -> None:
    torch.manual_seed(0)
    first, other = torch.randn(2, 400, 2, dtype=torch.float64)
    costs = {
        (joint, name): prior_of(
            {DISCRIMINATIVE: first, "a": second}, joint=joint, kernel="multiquadric"
        ).item()
        for joint in (False, True)
        for name, second in (("copied", first), ("independent", other))
    }
    assert costs[True, "copied"] > 5 * costs[True, "independent"]
    assert costs[False, "copied"] < 3 * costs[False, "independent"]


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_the_label_weighs_what_it_is_told_to(weight: float) -> None:
    output, inputs = output_of({DISCRIMINATIVE: torch.ones(4, 2), "a": torch.ones(4, 2)})
    options = ModelOptions(task_weight=weight, prior_weight=0.5)
    costs = Objective.build(options, (), "regression")(output, inputs, torch.full((4, 1), 3.0))
    assert costs.task == 3
    torch.testing.assert_close(costs.total, weight * costs.task + 0.5 * costs.prior)


def test_a_joint_prior_is_of_the_mmd_alone() -> None:
    with pytest.raises(ParameterError, match=r"joint_prior.*'kl'.*mmd"):
        ModelOptions.model_validate({"prior": "kl", "joint_prior": True})


def test_swapped_styles_cost_what_known_ones_are_misread() -> None:
    output, inputs = output_of({DISCRIMINATIVE: torch.zeros(4, 1, dtype=torch.float64)})
    objective = Objective(
        task="regression", prior="mmd", prior_weight=0.0, reconstruction={}, swap={"a": 3.0, "b": 0}
    )
    assert objective.swap == {"a": 3.0}
    heads = torch.tensor([[[1.0], [3.0]], [[5.0], [7.0]], [[9.0], [9.0]], [[0.0], [0.0]]])
    read = Swapped(heads.double(), torch.tensor([True, True, False, True]))
    targets = torch.tensor([[2.0], [2.0], [2.0], [2.0]], dtype=torch.float64)
    without = objective(output, inputs, targets)
    costs = objective(output, inputs, targets, {"a": read})
    # Mean distances 1, 4 and 2 of the three that are known.
    assert costs.swap["a"].item() == pytest.approx(7 / 3)
    assert (costs.total - without.total).item() == pytest.approx(7)
    assert costs.named()["swap/a"] is costs.swap["a"]
    nothing = read._replace(known=torch.zeros(4, dtype=torch.bool))
    assert objective(output, inputs, targets, {"a": nothing}).swap["a"] == 0
