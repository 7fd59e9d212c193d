"""The whole model, at published settings, against the literal reference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import MFM, Inputs, ModalitySpec, ModelOptions
from mfm_pipeline.models.mfm import DISCRIMINATIVE, Factors, MfmOutput
from mfm_pipeline.objectives import Objective, mmd
from tests.models.reference import (
    PUBLISHED_FEATURES,
    PUBLISHED_STEPS,
    LiteralMFM,
    Y,
    literal_mmd,
    published_options,
    specs,
)
from tests.models.samples import FEATURES, padded, ragged_split, unobserved_as, whole_split

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
SMALL = {
    "fusion_options": {"mfn": {"hidden": 5, "memory": 4}},
    "discriminative": {"latent": 6, "factor": 4},
    "generative": {"latent": 3, "factor": {"language": 5, "default": 2}},
}


def published(dtype: torch.dtype) -> tuple[MFM, LiteralMFM]:
    torch.manual_seed(0)
    options = published_options()
    model = MFM.build(
        options,
        specs(PUBLISHED_FEATURES),
        outputs=1,
        steps=PUBLISHED_STEPS,
        task="regression",
    )
    model = model.to(dtype).eval()
    literal = LiteralMFM(options, PUBLISHED_FEATURES, 1).to(dtype).eval()
    literal.copy_from(model)
    return model, literal


def small(changes: dict[str, object] | None = None, **spec: object) -> MFM:
    torch.manual_seed(0)
    settings = {"outputs": 1, "steps": 6, "task": "regression"} | spec
    options = ModelOptions.model_validate(SMALL | (changes or {}))
    return MFM.build(options, specs(FEATURES), **settings).eval()


def literal_cost(
    z: dict[str, Tensor],
    reconstructions: dict[str, Tensor],
    prediction: Tensor,
    inputs: Inputs,
    targets: Tensor,
) -> Tensor:
    """Equation 4, element by element where that is bearable."""
    options = published_options()
    cost = (prediction - targets).abs().mean()
    for name, values in inputs.values.items():
        mask = inputs.steps[name]
        square = ((reconstructions[name] - values) ** 2)[mask]
        cost = cost + options.reconstruction[name] * square.mean()
    torch.manual_seed(4)
    for name, latent in z.items():
        draws = torch.randn_like(latent)
        here = inputs.present.get(name, torch.ones(len(latent), dtype=torch.bool))
        cost = cost + literal_mmd(latent[here], draws[here])
    return cost


def assert_same(
    model: MFM, literal: LiteralMFM, ours: Tensor, theirs: Tensor, tolerance: float
) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)
    ours.backward()
    theirs.backward()
    for name, (expected, found) in literal.beside(model, gradients=True).items():
        assert expected.abs().max() > 0, f"{name} has no gradient to compare"
        torch.testing.assert_close(
            found, expected, rtol=0, atol=tolerance, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_published_model_has_700694_parameters() -> None:
    model, _ = published(torch.float32)
    assert sum(parameter.numel() for parameter in model.parameters()) == 700_694


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_published_model_agrees_with_the_reference(dtype: torch.dtype) -> None:
    model, literal = published(dtype)
    split = whole_split(PUBLISHED_FEATURES, n=6, steps=PUBLISHED_STEPS)
    inputs = Inputs.from_split(split).to("cpu", dtype)
    targets = torch.from_numpy(split.targets.values).to(dtype)
    output = model(inputs)
    z, reconstructions, prediction = literal(
        {name: values.transpose(0, 1) for name, values in inputs.values.items()}
    )
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(output.prediction, prediction, **tolerance)
    by_sample = {name: x.transpose(0, 1) for name, x in reconstructions.items()}
    for name in PUBLISHED_FEATURES:
        torch.testing.assert_close(output.reconstructions[name], by_sample[name], **tolerance)
        torch.testing.assert_close(output.latents[name].sample, z[name], **tolerance)
    torch.testing.assert_close(output.latents[DISCRIMINATIVE].sample, z[Y], **tolerance)
    torch.manual_seed(4)
    objective = Objective.build(published_options(), PUBLISHED_FEATURES, "regression")
    cost = objective(output, inputs, targets).total
    expected = literal_cost(_in_order(z, output), by_sample, prediction, inputs, targets)
    assert_same(model, literal, cost, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_samples_of_any_length_agree_with_the_reference_one_by_one(dtype: torch.dtype) -> None:
    model, literal = published(dtype)
    split = ragged_split(PUBLISHED_FEATURES, n=8, steps=7)
    inputs = Inputs.from_split(split).to("cpu", dtype)
    targets = torch.from_numpy(split.targets.values).to(dtype)
    torch.manual_seed(4)
    output = model(inputs)
    objective = Objective.build(published_options(), PUBLISHED_FEATURES, "regression")
    cost = objective(output, inputs, targets).total
    samples = [_literally(literal, inputs, row) for row in range(len(inputs))]
    z = {name: torch.cat([s[0][name] for s in samples]) for name in [*PUBLISHED_FEATURES, Y]}
    reconstructions = {
        name: torch.cat([s[1][name] for s in samples], dim=1).transpose(0, 1)
        for name in PUBLISHED_FEATURES
    }
    prediction = torch.cat([s[2] for s in samples])
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(output.prediction, prediction, **tolerance)
    torch.testing.assert_close(output.reconstructions, reconstructions, **tolerance)
    expected = literal_cost(_in_order(z, output), reconstructions, prediction, inputs, targets)
    assert_same(model, literal, cost, expected, TOLERANCE[dtype])


def _literally(
    literal: LiteralMFM, inputs: Inputs, row: int
) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    length = int(inputs.lengths[row])
    own = {name: x[row, :length].unsqueeze(1) for name, x in inputs.values.items()}
    present = {name: bool(here[row]) for name, here in inputs.present.items()}
    return literal(own, present, steps=7)


def _in_order(z: dict[str, Tensor], output: MfmOutput) -> dict[str, Tensor]:
    """Order latents as the package draws for them."""
    return {name: z[Y if name == DISCRIMINATIVE else name] for name in output.latents}


@pytest.mark.parametrize("fusion", ["mfn", "ef_lstm", "statistics"])
def test_nothing_unobserved_costs_or_is_read(fusion: str) -> None:
    model = small({"fusion": fusion})
    objective = Objective(
        task="regression",
        prior="mmd",
        prior_weight=1.0,
        reconstruction=dict.fromkeys(FEATURES, 1.0),
    )
    results = []
    for split in (ragged_split(), unobserved_as(ragged_split(), 1e3), padded(ragged_split(), 3)):
        inputs = Inputs.from_split(split)
        model.zero_grad()
        torch.manual_seed(0)
        output = model(inputs)
        costs = objective(output, inputs, torch.from_numpy(split.targets.values))
        costs.total.backward()
        results.append((costs, output.prediction, [p.grad.clone() for p in model.parameters()]))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)
    torch.testing.assert_close(results[0], results[2])
    assert results[0][0].total.isfinite()


def test_an_absent_modality_costs_nothing() -> None:
    model = small()
    objective = Objective(
        task="regression",
        prior="mmd",
        prior_weight=0.0,
        reconstruction=dict.fromkeys(FEATURES, 1.0),
    )
    split = ragged_split()
    inputs = Inputs.from_split(split)
    absent = ~inputs.present["acoustic"]
    assert 0 < absent.sum() < len(inputs)
    output = model(inputs)
    for value in output.reconstructions.values():
        value.retain_grad()
    objective(output, inputs, torch.from_numpy(split.targets.values)).total.backward()
    for name, value in output.reconstructions.items():
        reached = value.grad.abs().sum(dim=2) > 0
        assert torch.equal(reached, inputs.steps[name])


def test_parts_make_up_the_whole() -> None:
    model = small()
    inputs = Inputs.from_split(ragged_split())
    output = model(inputs)
    latents = model.encode(inputs)
    factors = model.factorize({name: latent.sample for name, latent in latents.items()})
    assert isinstance(factors, Factors)
    assert list(factors.generative) == list(FEATURES)
    torch.testing.assert_close(factors.discriminative, output.factors.discriminative)
    torch.testing.assert_close(model.decode(factors), output.reconstructions)
    torch.testing.assert_close(model.predict(inputs), output.prediction)
    one = Factors(factors.discriminative, {"visual": factors.generative["visual"]})
    only = model.decode(one, steps=9)
    assert list(only) == ["visual"]
    assert only["visual"].shape == (9, 9, FEATURES["visual"])
    torch.testing.assert_close(only["visual"][:, :6], output.reconstructions["visual"])
    assert output.reconstructions["language"].shape == (9, 6, FEATURES["language"])


def test_decoder_run_alone_equals_decoders_run_together() -> None:
    model = small()
    output = model(Inputs.from_split(ragged_split()))
    shared, own = output.factors
    for name, decoder in model.decoders.items():
        alone = decoder(shared, own[name], 6)
        torch.testing.assert_close(alone, output.reconstructions[name])


@pytest.mark.parametrize("transform", ["jacfwd", "jacrev", "vmap of jacrev", "vmap of jacfwd"])
def test_decoders_are_differentiable_by_torch_func(transform: str) -> None:
    model = small().double()
    name, d = "language", FEATURES["language"]
    torch.manual_seed(1)
    shared, own = torch.randn(3, 4).double(), torch.randn(3, 5).double()

    def decode(fy: Tensor) -> Tensor:
        return model.decoders[name](fy[None], own[:1], 6)[0]

    def decode_row(fy: Tensor, fa: Tensor) -> Tensor:
        return model.decode(Factors(fy[None], {name: fa[None]}), 6)[name][0]

    if transform.startswith("vmap"):
        inner = torch.func.jacrev if transform.endswith("jacrev") else torch.func.jacfwd
        found = torch.vmap(inner(decode_row))(shared, own)[0]
    else:
        found = getattr(torch.func, transform)(decode)(shared[0])
    step = 1e-6
    expected = torch.stack(
        [
            (decode(shared[0] + step * unit) - decode(shared[0] - step * unit)) / (2 * step)
            for unit in torch.eye(4, dtype=torch.float64)
        ],
        dim=-1,
    )
    assert found.shape == (6, d, 4)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    ordinary = torch.autograd.functional.jacobian(decode, shared[0])
    torch.testing.assert_close(found, ordinary, rtol=0, atol=1e-10)


def test_prior_kl_draws_in_training_alone() -> None:
    model = small({"prior": "kl"})
    inputs = Inputs.from_split(ragged_split())
    latents = model.encode(inputs)
    assert set(latents) == {DISCRIMINATIVE, *FEATURES}
    for latent in latents.values():
        assert torch.equal(latent.sample, latent.mean)
        assert latent.log_variance.shape == latent.mean.shape
    model.train()
    torch.manual_seed(0)
    drawn = model.encode(inputs)["acoustic"]
    torch.manual_seed(0)
    again = model.encode(inputs)["acoustic"]
    assert torch.equal(drawn.sample, again.sample)
    other = model.encode(inputs)["acoustic"]
    assert not torch.equal(drawn.sample, other.sample)
    state = model.encoders["acoustic"](inputs)
    draws = [model.latents["acoustic"](state).sample for _ in range(600)]
    spread = torch.stack(draws).std(dim=0)
    torch.testing.assert_close(spread, (0.5 * drawn.log_variance).exp(), rtol=0.2, atol=0)


def test_regression_is_mapped_back_to_the_targets_units() -> None:
    split = ragged_split()
    inputs = Inputs.from_split(split)
    center, scale = torch.tensor([3.0]), torch.tensor([0.5])
    model = small({}, target_center=center, target_scale=scale)
    output = model(inputs)
    torch.testing.assert_close(model.predict(inputs), 3 + 0.5 * output.prediction)
    targets = torch.from_numpy(split.targets.values)
    torch.testing.assert_close(model.to_target_units(model.standardise(targets)), targets)
    torch.testing.assert_close(model.standardise(targets), (targets - 3) / 0.5)
    assert {"target_center", "target_scale"} <= set(model.state_dict())
    plain = small()
    torch.testing.assert_close(plain.predict(inputs), plain(inputs).prediction)


@pytest.mark.parametrize(("task", "total"), [("multiclass", 1.0), ("multilabel", None)])
def test_classes_are_predicted_as_probabilities(task: str, total: float | None) -> None:
    model = small({}, outputs=3, task=task)
    inputs = Inputs.from_split(ragged_split())
    probabilities = model.predict(inputs)
    logits = model(inputs).prediction
    assert probabilities.shape == (9, 3)
    expected = logits.sigmoid() if total is None else logits.softmax(dim=1)
    torch.testing.assert_close(probabilities, expected)
    with pytest.raises(ValueError, match="no scale"):
        model.set_target_scale(0.0, 1.0)


def test_a_target_scale_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        small().set_target_scale(torch.zeros(1), torch.zeros(1))


def test_weights_survive_a_state_dict() -> None:
    model = small()
    inputs = Inputs.from_split(ragged_split())
    torch.manual_seed(9)
    other = MFM.build(
        ModelOptions.model_validate(SMALL), specs(FEATURES), outputs=1, steps=6, task="regression"
    ).eval()
    assert not torch.allclose(other.predict(inputs), model.predict(inputs))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.predict(inputs), model.predict(inputs))


@pytest.mark.parametrize(
    ("modalities", "message"),
    [
        ({"language": 3}, "language; expected two or more"),
        ({"language": 3, DISCRIMINATIVE: 2}, "'discriminative' cannot be called that"),
        ({"language": 3, "FACET 4.2": 2}, "'FACET 4.2' cannot be called that"),
        ({"language": 3, "values": 2}, "'values' cannot be called that"),
    ],
)
def test_modalities_that_cannot_be_built(modalities: dict[str, int], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        MFM.build(ModelOptions(), specs(modalities), outputs=1, steps=6, task="regression")


def test_an_unknown_kind_is_refused() -> None:
    modalities = {
        "a": ModalitySpec(kind="sequence", shape=(2,)),
        "b": ModalitySpec(kind="graph", shape=(2,)),
    }
    with pytest.raises(ParameterError, match="'b' is of kind 'graph'; expected one of sequence"):
        MFM.build(ModelOptions(), modalities, outputs=1, steps=6, task="regression")


def test_parts_that_do_not_match_are_refused() -> None:
    model = small()
    parts = {
        "fusion": model.fusion,
        "encoders": dict(model.encoders),
        "latents": dict(model.latents),
        "factors": dict(model.factors),
        "decoders": {"language": model.decoders["language"]},
        "head": model.head,
    }
    with pytest.raises(ValueError, match="expected the modalities"):
        MFM(**parts, task="regression", outputs=1, steps=6)


def test_gradients_agree_whatever_the_batch_is_composed_of() -> None:
    """The mean of samples' gradients is the batch's, so no sample leaks into another."""
    model = small().double()
    split = ragged_split()
    inputs = Inputs.from_split(split).to("cpu", torch.float64)
    whole = torch.autograd.grad(model.predict(inputs).sum(), model.fusion.gates.gate_weight)[0]
    parts = [
        torch.autograd.grad(
            model.predict(inputs[torch.tensor([row])]).sum(), model.fusion.gates.gate_weight
        )[0]
        for row in range(len(inputs))
    ]
    torch.testing.assert_close(whole, torch.stack(parts).sum(0), rtol=0, atol=1e-12)


def test_prior_leaves_out_rows_of_absent_modalities() -> None:
    model = small()
    inputs = Inputs.from_split(ragged_split())
    output = model(inputs)
    objective = Objective(
        task="regression",
        prior="mmd",
        prior_weight=1.0,
        reconstruction=dict.fromkeys(FEATURES, 0.0),
    )
    torch.manual_seed(2)
    found = objective(output, inputs, torch.zeros(9, 1)).prior
    torch.manual_seed(2)
    expected = torch.zeros(())
    for name, latent in output.latents.items():
        draws = torch.randn_like(latent.sample)
        here = inputs.present.get(name, torch.ones(9, dtype=torch.bool))
        expected = expected + mmd(latent.sample[here], draws[here])
    torch.testing.assert_close(found, expected)
