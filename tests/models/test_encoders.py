"""One battery over everything that reads inputs: fusion and modality encoders."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mfm_pipeline.data import Modality, Split
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Inputs, ModalitySpec
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion import FUSIONS
from mfm_pipeline.models.modality import KINDS
from tests.models.samples import FEATURES, padded, ragged_split, unobserved_as, whole_split

Build = Callable[[dict[str, int]], Encoder]


def fusion(name: str, **options: object) -> Build:
    def build(features: dict[str, int]) -> Encoder:
        specs = {m: ModalitySpec(kind="sequence", shape=(d,)) for m, d in features.items()}
        return FUSIONS[name].model_validate(options).build(specs)

    return build


def modality(name: str) -> Build:
    def build(features: dict[str, int]) -> Encoder:
        first, size = next(iter(features.items()))
        return KINDS["sequence"].encoder(name, modality=first, shape=(size,), hidden=6)

    return build


FUSION_CASES = {name: fusion(name) for name in FUSIONS} | {
    "mfn, window 1": fusion("mfn", window=1, hidden={"default": 5, "acoustic": 3}),
    "mfn, window 3": fusion("mfn", window=3, memory=4),
    "ef_lstm, stacked": fusion("ef_lstm", hidden=5, layers=2),
    "ef_lstm, both ways": fusion("ef_lstm", hidden=5, layers=2, bidirectional=True),
    "mv_lstm, apart": fusion("mv_lstm", hidden=4, alpha=1, beta=0),
    "transformer, deeper": fusion("transformer", width=8, heads=2, layers=2),
    "statistics, layer": fusion("statistics", hidden=8, dropout=0.2),
    "statistics beside ef_lstm": fusion("statistics", recurrent="ef_lstm"),
}
CASES = FUSION_CASES | {
    f"one modality: {name}": modality(name) for name in KINDS["sequence"].encoders
}


def encoder(case: str, features: dict[str, int] = FEATURES) -> Encoder:
    torch.manual_seed(0)
    return CASES[case](features).eval()


def state(case: str, split: Split) -> torch.Tensor:
    return encoder(case)(Inputs.from_split(split))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=FUSION_CASES)
def fusion_case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_state_has_the_size_that_is_said(case: str) -> None:
    assert state(case, ragged_split()).shape == (9, encoder(case).size)


def test_everything_is_finite_with_holes_of_nan(case: str) -> None:
    built = encoder(case)
    out = built(Inputs.from_split(ragged_split()))
    assert out.isfinite().all()
    if parameters := list(built.parameters()):
        grads = torch.autograd.grad(out.square().sum(), parameters)
        assert all(grad.isfinite().all() for grad in grads)


def test_padding_changes_nothing(case: str) -> None:
    split = ragged_split()
    torch.testing.assert_close(state(case, split), state(case, padded(split, 4)))


@pytest.mark.parametrize("value", [0.0, 7.0, float("inf")])
def test_what_was_not_observed_is_never_read(case: str, value: float) -> None:
    split = ragged_split()
    assert torch.equal(state(case, split), state(case, unobserved_as(split, value)))


def test_what_was_not_observed_reaches_no_gradient(case: str) -> None:
    grads = []
    for split in (ragged_split(), unobserved_as(ragged_split(), 7.0)):
        built = encoder(case)
        parameters = list(built.parameters())
        if not parameters:
            pytest.skip("nothing to learn")
        out = built(Inputs.from_split(split))
        grads.append(torch.autograd.grad(out.square().sum(), parameters))
    assert all(torch.equal(one, other) for one, other in zip(*grads, strict=True))


def test_a_batch_is_its_samples(case: str) -> None:
    split = ragged_split()
    together = state(case, split)
    alone = [state(case, split.select(np.array([row]))) for row in range(len(split))]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-6)


def test_a_sample_without_anything_has_a_state_of_its_own_alone(case: str) -> None:
    split = ragged_split()
    one, other = state(case, split)[0], state(case, ragged_split(seed=5))[0]
    torch.testing.assert_close(one, other)
    assert one.isfinite().all()


def test_every_observed_step_counts(case: str) -> None:
    split = ragged_split()
    before = state(case, split)[2]
    first = next(iter(split.modalities))
    for step in range(6):
        values = split.modalities[first].values.copy()
        values[2, step] += 1
        changed = Split(
            {
                **split.modalities,
                first: Modality(
                    values, split.modalities[first].present, split.modalities[first].steps
                ),
            },
            split.targets,
            split.ids,
            split.words,
        )
        after = state(case, changed)
        assert (after[2] - before).abs().max() > 1e-5, f"step {step} is not read"
        assert torch.equal(after[3], state(case, split)[3])


def test_every_parameter_learns(case: str) -> None:
    built = encoder(case)
    out = built(Inputs.from_split(whole_split(FEATURES, n=4, steps=5)))
    torch.manual_seed(1)
    loss = (out * torch.randn_like(out)).sum()
    for name, parameter in built.named_parameters():
        (grad,) = torch.autograd.grad(loss, parameter, retain_graph=True)
        assert grad.abs().max() > 0, name


@pytest.mark.parametrize("count", [2, 4])
def test_any_number_of_modalities(fusion_case: str, count: int) -> None:
    features = {f"m{k}": k + 1 for k in range(count)}
    built = encoder(fusion_case, features)
    split = ragged_split(features)
    inputs = Inputs.from_split(split)
    assert built(inputs).shape == (9, built.size)
    for name in features:
        values = {**inputs.values, name: inputs.values[name] + 1.0}
        moved = Inputs(values, inputs.steps, inputs.present, inputs.lengths)
        assert not torch.allclose(built(moved)[2], built(inputs)[2]), f"{name} is not read"


@pytest.mark.parametrize("dropped", FEATURES)
def test_an_absent_modality_differs_from_one_of_zeros(fusion_case: str, dropped: str) -> None:
    if "ef_lstm" in fusion_case and "statistics" not in fusion_case:
        pytest.skip("early fusion has no place for presence")
    split = whole_split(FEATURES, n=2, steps=4)
    original = split.modalities[dropped]
    zeros = Modality(np.zeros_like(original.values), original.present, original.steps)
    absent = Modality(zeros.values, np.zeros(2, dtype=bool), np.zeros((2, 4), dtype=bool))
    states = [
        state(
            fusion_case,
            Split({**split.modalities, dropped: changed}, split.targets, split.ids),
        )
        for changed in (zeros, absent)
    ]
    assert not torch.allclose(*states)


def test_evaluation_is_deterministic_and_training_draws(fusion_case: str) -> None:
    inputs = Inputs.from_split(ragged_split())
    built = encoder(fusion_case)
    assert torch.equal(built(inputs), built(inputs))
    built.train()
    torch.manual_seed(3)
    first = built(inputs)
    torch.manual_seed(3)
    assert torch.equal(first, built(inputs))
    draws = fusion_case.startswith(("mfn", "marn", "transformer"))
    draws |= fusion_case == "statistics, layer"
    assert torch.equal(first, built(inputs)) != draws


def test_a_kind_that_a_fusion_encoder_cannot_read_is_refused() -> None:
    specs = {
        "language": ModalitySpec(kind="sequence", shape=(3,)),
        "digit": ModalitySpec(kind="image", shape=(1, 28, 28)),
    }
    assert FUSIONS["late_fusion"]().build(specs).size == 2 * (128 + 1)
    for name, options in FUSIONS.items():
        if name == "late_fusion":
            continue
        with pytest.raises(ParameterError, match=f"'{name}'.*'digit' is of kind 'image'"):
            options().build(specs)


def test_an_encoder_of_another_kind_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"'cnn'.*'language'.*lstm, statistics"):
        KINDS["sequence"].encoder("cnn", modality="language", shape=(3,), hidden=2)


def test_statistics_are_those_of_observed_steps() -> None:
    split = ragged_split()
    built = modality("statistics")(FEATURES)
    found = built(Inputs.from_split(split)).numpy()
    name, d = next(iter(FEATURES.items()))
    part = split.modalities[name]
    for row in range(len(split)):
        observed = part.values[row][part.steps[row]]
        expected = np.zeros(2 * d + 2)
        if len(observed):
            expected[:d] = observed.mean(axis=0)
            expected[d : 2 * d] = observed.std(axis=0)
        expected[2 * d :] = np.log1p(len(observed)), part.present[row]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


def test_fitted_statistics_are_standardised_by_samples_that_have_the_modality() -> None:
    train = Inputs.from_split(ragged_split(n=60))
    built = modality("statistics")(FEATURES)
    name = next(iter(FEATURES))
    raw = built(train)
    present = train.present[name]
    built.fit(train)
    fitted = built(train)
    assert not fitted[~present].any()
    assert (fitted[present][:, -1] == 1).all()
    mean, std = raw[present].mean(dim=0), raw[present].std(dim=0, correction=0)
    expected = ((raw[present] - mean) / std).clamp(-3, 3)
    torch.testing.assert_close(fitted[present][:, :-1], expected[:, :-1], atol=1e-5, rtol=1e-5)
    far = Inputs({name: 50 * train.values[name]}, train.steps, train.present, train.lengths)
    assert built(far)[present].abs().max() == 3
