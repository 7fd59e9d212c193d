"""What is fixed stays fixed, what is drawn differs, and seeds reproduce."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.generation import (
    Sampler,
    SamplerOptions,
    as_inputs,
    fit_samplers,
    generate,
    generate_given,
    generate_missing,
    infer_latents,
    interpolate,
    observing,
    transfer_style,
)
from mfm_pipeline.models import MFM, Inputs, ModelOptions
from mfm_pipeline.models.completed import Completed, complete
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from tests.generation.stripes import CHANNELS, stripes_inputs, stripes_model
from tests.models.reference import specs
from tests.models.samples import FEATURES, ragged_split

STEPS = 6
OPTIONS = ModelOptions.model_validate(
    {
        "fusion": "ef_lstm",
        "fusion_options": {"ef_lstm": {"hidden": 6}},
        "discriminative": {"latent": 5, "factor": 4, "dropout": 0.5},
        "generative": {"latent": {"language": 3, "default": 2}, "factor": 3, "dropout": 0.5},
    }
)


def sequence_model() -> MFM:
    torch.manual_seed(0)
    return MFM.build(OPTIONS, specs(FEATURES), outputs=1, steps=STEPS, task="regression")


def sequence_inputs() -> Inputs:
    return Inputs.from_split(ragged_split(n=12, steps=STEPS))


def priors(model: MFM, inputs: Inputs) -> dict[str, Sampler]:
    return fit_samplers(infer_latents(model, inputs), SamplerOptions())


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_latents_and_reconstructions_are_the_models_own(batch_size: int) -> None:
    model, inputs = sequence_model().eval(), sequence_inputs()
    with torch.no_grad():
        output = model(inputs)
    latents = infer_latents(model, inputs, batch_size=batch_size)
    for name, latent in output.latents.items():
        torch.testing.assert_close(latents[name], latent.mean)
    generated = generate(model, latents, batch_size=batch_size)
    assert list(generated) == list(FEATURES)
    for name, values in output.reconstructions.items():
        torch.testing.assert_close(generated[name], values)


def test_dropout_is_off_and_the_models_mode_is_kept() -> None:
    model, inputs = sequence_model().train(), sequence_inputs()
    first, second = infer_latents(model, inputs), infer_latents(model, inputs)
    assert model.training and model.head.training
    torch.testing.assert_close(generate(model, first), generate(model, second), rtol=0, atol=0)


@pytest.mark.parametrize("fixed", [DISCRIMINATIVE, *FEATURES])
def test_the_fixed_latent_is_constant_and_the_others_drawn(
    fixed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, inputs = sequence_model(), sequence_inputs()
    latents, samplers = infer_latents(model, inputs), priors(model, inputs)
    seen: list[tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]] = []
    factorize = model.factorize

    def spy(given: dict[str, Tensor]) -> object:
        factors = factorize(given)
        seen.append((dict(given), factors.discriminative, factors.generative))
        return factors

    monkeypatch.setattr(model, "factorize", spy)
    given = {fixed: latents[fixed][:4]}
    generated = generate_given(model, given, samplers, 3, generator=seeded(), batch_size=5)
    assert {name: v.shape for name, v in generated.items()} == {
        name: (4, 3, STEPS, d) for name, d in FEATURES.items()
    }
    factors: dict[str, Tensor] = {
        DISCRIMINATIVE: torch.cat([fy for _, fy, _ in seen]),
        **{name: torch.cat([fa[name] for *_, fa in seen]) for name in FEATURES},
    }
    for name in (DISCRIMINATIVE, *FEATURES):
        latent = torch.cat([z[name] for z, *_ in seen]).unflatten(0, (4, 3))
        spread = (latent - latent[:, :1]).abs().amax(dim=(1, 2))
        if name == fixed:
            torch.testing.assert_close(latent[:, 0], given[fixed])
            assert not spread.any()
            of_factor = factors[name].unflatten(0, (4, 3))
            torch.testing.assert_close(of_factor, of_factor[:, :1].expand(-1, 3, -1))
        else:
            assert (spread > 1e-3).all()


def test_seeds_reproduce_and_draws_differ() -> None:
    model, inputs = stripes_model(), stripes_inputs(6)[0]
    given = {DISCRIMINATIVE: infer_latents(model, inputs)[DISCRIMINATIVE]}
    samplers = priors(model, inputs)
    first, again, other = (
        generate_given(model, given, samplers, 4, generator=seeded(s)) for s in (0, 0, 1)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    for name, images in first.items():
        assert not torch.equal(images, other[name])
        # Bars come from Zy and are fixed; corners come from Zai and are drawn.
        torch.testing.assert_close(images[:, 0, :, :3], images[:, 1, :, :3])
        assert not torch.equal(images[:, 0], images[:, 1])


def test_joint_draws_share_zy() -> None:
    model, inputs = stripes_model(), stripes_inputs(6)[0]
    drawn = generate_given(model, {}, priors(model, inputs), 50, generator=seeded())
    assert {name: len(v) for name, v in drawn.items()} == {"grey": 1, "colour": 1}
    bars = {name: v[0, :, 0, :3] for name, v in drawn.items()}
    torch.testing.assert_close(bars["grey"], bars["colour"])
    assert bars["grey"].std(dim=0).min() > 0.5


def test_style_transfer_crosses_rows_and_columns() -> None:
    model, inputs = stripes_model(), stripes_inputs(9)[0]
    latents = infer_latents(model, inputs)
    styles = {name: latents[name][4:] for name in CHANNELS}
    grid = transfer_style(model, latents[DISCRIMINATIVE][:4], styles, batch_size=3)
    for name, images in grid.items():
        assert images.shape == (4, 5, CHANNELS[name], 4, 4)
        source = inputs.values[name]
        for row in range(4):
            for column in range(5):
                torch.testing.assert_close(images[row, column, :, :3], source[row, :, :3])
                torch.testing.assert_close(images[row, column, :, 3], source[4 + column, :, 3])
    assert list(transfer_style(model, latents[DISCRIMINATIVE], {"grey": latents["grey"]})) == [
        "grey"
    ]


@pytest.mark.parametrize("along", [[DISCRIMINATIVE], ["grey"], [DISCRIMINATIVE, *CHANNELS]])
def test_interpolation_is_a_straight_line_in_what_changes(along: list[str]) -> None:
    model, inputs = stripes_model(), stripes_inputs(8)[0]
    latents = infer_latents(model, inputs)
    start, end = (
        {name: z[half] for name, z in latents.items()} for half in (slice(4), slice(4, 8))
    )
    strip = interpolate(model, start, end, 5, along=along)["grey"]
    assert strip.shape == (4, 5, 1, 4, 4)
    for part, latent in ((slice(3), DISCRIMINATIVE), (slice(3, 4), "grey")):
        ends = [generate(model, z)["grey"][:, :, part] for z in (start, end)]
        for step in range(5):
            share = step / 4 if latent in along else 0.0
            expected = (1 - share) * ends[0] + share * ends[1]
            torch.testing.assert_close(strip[:, step, :, part], expected)


@pytest.mark.parametrize("observed", list(CHANNELS))
def test_a_missing_modality_comes_through_zy_of_the_observed_alone(observed: str) -> None:
    model, (inputs, _) = stripes_model(), stripes_inputs(7)
    (missing,) = set(CHANNELS) - {observed}
    samplers = priors(model, inputs)
    # What the missing modality shows must not matter.
    changed = observing(inputs, list(CHANNELS))
    changed.values[missing] = 1 - inputs.values[missing]
    made, same = (
        generate_missing(model, given, [observed], samplers, 3, generator=seeded(), batch_size=2)
        for given in (inputs, changed)
    )
    assert list(made) == [missing] and made[missing].shape[:2] == (7, 3)
    torch.testing.assert_close(made, same, rtol=0, atol=0)
    bars = inputs.values[observed][:, :1, :3]
    torch.testing.assert_close(
        made[missing][..., :3, :], bars[:, None].expand_as(made[missing][..., :3, :])
    )
    assert not torch.equal(made[missing][:, 0], made[missing][:, 1])


def test_a_missing_sequence_comes_from_the_others() -> None:
    model, inputs = sequence_model(), sequence_inputs()
    samplers = priors(model, inputs)
    made = generate_missing(
        model, inputs, ["language", "acoustic"], samplers, 2, generator=seeded()
    )
    assert {name: v.shape for name, v in made.items()} == {
        "visual": (12, 2, STEPS, FEATURES["visual"])
    }
    split = ragged_split(n=12, steps=STEPS)
    without = observing(Inputs.from_split(split), ["language", "acoustic"])
    assert not without.values["visual"].any() and not without.steps["visual"].any()
    alone = ~inputs.present["language"] & ~inputs.present["acoustic"]
    assert alone.any() and not without.lengths[alone].any()


def test_missing_modalities_are_generated_from_the_zy_that_is_inferred() -> None:
    model, inputs = sequence_model(), sequence_inputs()
    samplers = priors(model, inputs)
    seen = []

    def infer(batch: Inputs) -> Completed:
        seen.append(batch)
        inferred = complete(model, batch)
        zy = torch.zeros_like(inferred.latents[DISCRIMINATIVE])
        return inferred._replace(latents=inferred.latents | {DISCRIMINATIVE: zy})

    made = generate_missing(
        model, inputs, ["language"], samplers, 2, generator=seeded(), infer=infer, batch_size=5
    )
    assert [len(batch) for batch in seen] == [5, 5, 2]
    assert not any(batch.present["visual"].any() for batch in seen)
    zy = torch.zeros_like(infer_latents(model, inputs)[DISCRIMINATIVE])
    expected = generate_given(
        model,
        {DISCRIMINATIVE: zy},
        samplers,
        2,
        generator=seeded(),
        modalities=["acoustic", "visual"],
    )
    torch.testing.assert_close(made, expected)


def test_generated_images_as_inputs_give_their_latents_back() -> None:
    model, (inputs, _) = stripes_model(), stripes_inputs(6)
    latents = infer_latents(model, inputs)
    again = infer_latents(model, as_inputs(generate(model, latents)))
    torch.testing.assert_close(again, latents, rtol=0, atol=0.5 / 255)


def test_generated_images_are_rounded_to_levels_and_clipped() -> None:
    image = torch.tensor([-1.0, 0.0019, 0.0021, 0.4999, 0.999, 3.0]).reshape(1, 1, 2, 3)
    inputs = as_inputs({"grey": image})
    levels = inputs.values["grey"].flatten() * 255
    torch.testing.assert_close(levels, torch.tensor([0.0, 0, 1, 127, 255, 255]))
    assert inputs.present["grey"].all() and not inputs.steps


def test_generated_sequences_as_inputs_have_all_steps() -> None:
    model, inputs = sequence_model(), sequence_inputs()
    generated = generate(model, infer_latents(model, inputs))
    made = as_inputs(generated)
    assert (made.lengths == STEPS).all() and made.steps["visual"].all()
    assert infer_latents(model, made)[DISCRIMINATIVE].shape == (12, 5)


def test_wrong_names_and_lengths_are_clear_errors() -> None:
    model, inputs = stripes_model(), stripes_inputs(4)[0]
    latents, samplers = infer_latents(model, inputs), priors(model, inputs)
    draw = {"samplers": samplers, "draws": 2, "generator": seeded()}
    zy = latents[DISCRIMINATIVE]
    with pytest.raises(ParameterError, match=r"'gray' is not a latent; .* grey, colour"):
        generate_given(model, {"gray": zy}, **draw)
    with pytest.raises(ParameterError, match="4 of 'discriminative', 3 of 'grey'"):
        generate_given(model, {DISCRIMINATIVE: zy, "grey": latents["grey"][:3]}, **draw)
    with pytest.raises(ParameterError, match="'grey' is neither given nor has it a sampler"):
        generate_given(model, {DISCRIMINATIVE: zy}, **(draw | {"samplers": {}}))
    with pytest.raises(ParameterError, match="expected 'discriminative' and one or more"):
        generate(model, {DISCRIMINATIVE: zy})
    with pytest.raises(ParameterError, match="expected one to be missing"):
        generate_missing(model, inputs, list(CHANNELS), **draw)
    for observed in ([], ["gray"]):
        with pytest.raises(ParameterError, match="expected some of grey, colour"):
            generate_missing(model, inputs, observed, **draw)
