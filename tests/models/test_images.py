"""Images as a modality kind: encoder and decoder against loops over pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import correlate2d
from torch import nn

from mfm_pipeline.data import Modality, Split
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.mfm import Factors
from mfm_pipeline.models.modality import KINDS, Decoder
from tests.models.image_samples import SHAPES, costs_of, image_modality, image_split, model_of

Array = NDArray[np.floating]
Shape = tuple[int, int, int]
Module = TypeVar("Module", bound=nn.Module)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
SLOPE = 0.2
"""Of every activation below zero."""


def encoder(shape: Shape, channels: tuple[int, ...], hidden: int = 6) -> Encoder:
    torch.manual_seed(0)
    built = KINDS["image"].encoder(
        "convolution", modality="x", shape=shape, hidden=hidden, channels=channels
    )
    return trained(built)


def decoder(shape: Shape, channels: tuple[int, ...], hidden: int | None = None) -> Decoder:
    torch.manual_seed(0)
    built = KINDS["image"].decoder(
        modality="x", factors=7, shape=shape, hidden=hidden, channels=channels
    )
    return trained(built)


def trained(module: Module) -> Module:
    """Give statistics and scales of normalisation values of their own, and use them."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.running_mean, layer.bias):
                nn.init.normal_(values)
            for values in (layer.running_var, layer.weight):
                nn.init.uniform_(values, 0.5, 2)
    return module.eval()


# Against loops over pixels.


def activated(values: Array) -> Array:
    return np.where(values > 0, values, SLOPE * values)


def weights(layer: nn.Module) -> tuple[Array, Array]:
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()  # type: ignore[union-attr, operator]


def layers(module: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def normalised(image: Array, layer: nn.Module) -> Array:
    """Normalise each channel by the statistics that training has kept."""
    assert isinstance(layer, nn.BatchNorm2d)
    mean, variance = layer.running_mean.numpy(), layer.running_var.numpy()
    scale, shift = weights(layer)
    columns = (slice(None), None, None)
    deviation = np.sqrt(variance + layer.eps)
    return (image - mean[columns]) / deviation[columns] * scale[columns] + shift[columns]


def convolved(image: Array, kernel: Array, bias: Array) -> Array:
    """Correlate with a frame of one zero around the image, at every second pixel."""
    framed = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    return np.stack(
        [
            sum(
                correlate2d(plane, k, mode="valid")
                for plane, k in zip(framed, kernels, strict=True)
            )[::2, ::2]
            + b
            for kernels, b in zip(kernel, bias, strict=True)
        ]
    )


def spread(image: Array, kernel: Array, bias: Array, shape: tuple[int, int]) -> Array:
    """Add the kernel, times each pixel, around twice its place; what falls outside is lost."""
    height, width = shape
    size = kernel.shape[-1]
    out = np.zeros((kernel.shape[1], height + 2 * size, width + 2 * size))
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            patch = np.tensordot(image[:, row, column], kernel, axes=1)
            top, left = 2 * row - 1 + size, 2 * column - 1 + size
            out[:, top : top + size, left : left + size] += patch
    return out[:, size : size + height, size : size + width] + bias[:, None, None]


def literal_state(module: nn.Module, image: Array) -> Array:
    norms = layers(module, nn.BatchNorm2d)
    for layer, norm in zip(layers(module, nn.Conv2d), norms, strict=True):
        image = activated(normalised(convolved(image, *weights(layer)), norm))
    (dense,) = layers(module, nn.Linear)
    weight, bias = weights(dense)
    return activated(weight @ image.reshape(-1) + bias)


def literal_image(module: nn.Module, factors: Array, sides: list[tuple[int, int]]) -> Array:
    """Return the image of a decoder; `sides` are those of its feature maps, smallest first."""
    *entry, dense = layers(module, nn.Linear)
    values = factors
    for layer in entry:
        weight, bias = weights(layer)
        values = activated(weight @ values + bias)
    weight, bias = weights(dense)
    image = (weight @ values + bias).reshape(-1, *sides[0])
    norms = layers(module, nn.BatchNorm2d)
    for layer, norm, shape in zip(
        layers(module, nn.ConvTranspose2d), norms, sides[1:], strict=True
    ):
        image = spread(activated(normalised(image, norm)), *weights(layer), shape)
    return 1 / (1 + np.exp(-image))


SIDES = {
    (1, 9, 7): [(2, 1), (4, 3), (9, 7)],
    (3, 8, 8): [(2, 2), (4, 4), (8, 8)],
    (2, 5, 9): [(1, 2), (2, 4), (5, 9)],
}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SIDES)
def test_encoder_agrees_pixel_by_pixel(shape: Shape, dtype: torch.dtype) -> None:
    built = encoder(shape, (3, 4), hidden=20).to(dtype)
    modality = image_modality(shape, np.array([True, True, True]))
    split = Split(
        {"x": modality, "y": modality}, image_split(n=3).targets, np.array(["a", "b", "c"])
    )
    found = built(Inputs.from_split(split).to("cpu", dtype).gather())
    expected = [literal_state(built, image / 255.0) for image in modality.values]
    np.testing.assert_allclose(found.detach(), expected, rtol=0, atol=TOLERANCE[dtype])
    assert (np.abs(expected) > 1e-3).any(axis=0).sum() > 2, "nothing to compare"


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", [None, 6])
@pytest.mark.parametrize("shape", SIDES)
def test_decoder_agrees_pixel_by_pixel(
    shape: Shape, hidden: int | None, dtype: torch.dtype
) -> None:
    built = decoder(shape, (3, 4), hidden).to(dtype)
    factors = torch.randn(2, 7, dtype=dtype) * 2
    found = built(factors[:, :3], factors[:, 3:], steps=0)
    expected = [literal_image(built, row.numpy(), SIDES[shape]) for row in factors]
    np.testing.assert_allclose(found.detach(), expected, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((1, 9, 7), (2, 3)),
        ((1, 28, 28), (2, 3)),
        ((1, 28, 28), (2, 3, 2)),
        ((3, 32, 32), (2, 2, 2, 2)),
        ((1, 8, 8), (4,)),
        ((2, 3, 11), ()),
    ],
)
def test_images_of_any_size_come_back_in_it(shape: Shape, channels: tuple[int, ...]) -> None:
    split = Split(
        {name: image_modality(shape, np.array([True, False])) for name in ("x", "y")},
        image_split(n=2).targets,
        np.array(["a", "b"]),
    )
    inputs = Inputs.from_split(split).gather()
    assert encoder(shape, channels)(inputs).shape == (2, 6)
    built = decoder(shape, channels)
    image = built(torch.randn(4, 3), torch.randn(4, 4), steps=5)
    assert image.shape == (4, *shape)
    assert image.min() > 0 and image.max() < 1
    inner = [layer.out_channels for layer in layers(encoder(shape, channels), nn.Conv2d)]
    mirrored = [layer.in_channels for layer in layers(built, nn.ConvTranspose2d)]
    assert inner == list(channels) and mirrored == list(reversed(channels))


@pytest.mark.parametrize("build", [encoder, decoder])
@pytest.mark.parametrize(("shape", "fit"), [((1, 9, 7), 2), ((3, 8, 8), 2), ((1, 64, 3), 1)])
def test_too_many_convolutions_are_one_clear_error(build, shape: Shape, fit: int) -> None:  # type: ignore[no-untyped-def]
    build(shape, (2,) * fit)
    said = (
        rf"asks for {fit + 1} convolutions for modality 'x', of {shape[1]} x {shape[2]} pixels; "
        rf"expected at most {fit}"
    )
    with pytest.raises(ParameterError, match=said):
        build(shape, (2,) * (fit + 1))


def test_a_kind_has_its_own_encoders() -> None:
    with pytest.raises(ParameterError, match=r"encoder is 'lstm' for modality 'x'.*convolution"):
        KINDS["image"].encoder("lstm", modality="x", shape=(1, 8, 8), hidden=2, channels=(2,))
    with pytest.raises(ParameterError, match=r"'convolution'.*'speech'.*lstm, statistics"):
        KINDS["sequence"].encoder("convolution", modality="speech", shape=(3,), hidden=2)


# What is absent.


def test_an_absent_image_has_a_state_of_zero_whatever_lies_there() -> None:
    split = image_split()
    inputs = Inputs.from_split(split).gather()
    built = encoder(SHAPES["digits"], (3,))
    built.modality = "digits"
    filled = replace(
        inputs, values={k: v.masked_fill(v == 0, 0.7) for k, v in inputs.values.items()}
    )
    for given in (inputs, filled):
        state = built(given)
        assert not state[0].any()
        assert state[1:].any(dim=1).all()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kernel", ["gaussian", "multiquadric"])
def test_absent_images_cost_nothing_and_have_no_gradient(kernel: str, training: bool) -> None:
    split = image_split()
    model = model_of(split).train(training)
    inputs = Inputs.from_split(split).gather()
    for values in inputs.values.values():
        values.requires_grad_()
    costs = costs_of(model, split, inputs, kernel=kernel)
    costs.total.backward()
    for name, values in inputs.values.items():
        absent = ~inputs.present[name]
        assert values.grad is not None
        assert values.grad.isfinite().all()
        assert not values.grad[absent].any()
        assert values.grad[~absent].flatten(1).any(dim=1).all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    # The costs are those of the images that are there.
    output = model(inputs)
    for name, image in output.reconstructions.items():
        here = inputs.present[name]
        expected = (image[here] - inputs.values[name][here]).square().mean()
        torch.testing.assert_close(costs.reconstruction[name], expected)


@pytest.mark.parametrize("training", [False, True])
def test_a_modality_that_no_sample_of_a_batch_has_costs_nothing(training: bool) -> None:
    split = image_split().select(np.array([1]))
    model = model_of(split).train(training)
    inputs = Inputs.from_split(split).gather()
    costs = costs_of(model, split, inputs)
    assert costs.reconstruction["blended"] == 0 < costs.reconstruction["digits"]
    costs.total.backward()
    weights = list(model.encoders["blended"].parameters())
    assert not any(p.grad is not None and p.grad.any() for p in weights)


def test_absent_images_are_in_no_statistics_of_training() -> None:
    split = image_split()
    kept = []
    for rows in (np.arange(6), np.arange(2, 6)):  # With and without those that lack it.
        model = model_of(split).train()
        model.encode(Inputs.from_split(split.select(rows)))
        kept.append([b for b in model.encoders["blended"].buffers() if b.is_floating_point()])
    assert kept[0]
    for one, other in zip(*kept, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("here", [[True] * 4, [False, True, True, False], [False] * 4])
def test_images_that_are_not_there_are_generated_in_use_but_not_in_training(
    here: list[bool],
) -> None:
    torch.manual_seed(0)
    present = {"blended": torch.tensor(here)}
    factors = Factors(torch.rand(4, 5), {"blended": torch.rand(4, 4)})
    of_those = Factors(
        factors.discriminative[here], {"blended": factors.generative["blended"][here]}
    )
    model, other = (model_of(image_split()).train() for _ in range(2))
    image = model.decode(factors, present=present)["blended"]
    assert image.shape == (4, *SHAPES["blended"])
    assert not image[~present["blended"]].any()
    if any(here):
        torch.testing.assert_close(image[here], other.decode(of_those)["blended"])
    for one, expected in zip(model.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(one, expected)
    shown = model.eval().decode(factors, present=present)["blended"]
    torch.testing.assert_close(shown, model.decode(factors)["blended"])
    assert shown.flatten(1).any(dim=1).all()


# Batches, and derivatives of decoders.


def test_a_batch_is_its_samples() -> None:
    split = image_split()
    model = model_of(split).double()
    inputs = Inputs.from_split(split).to("cpu", torch.float64)
    together = model(inputs)
    for row in range(len(split)):
        alone = model(Inputs.from_split(split.select(np.array([row]))).to("cpu", torch.float64))
        for name, latent in together.latents.items():
            torch.testing.assert_close(latent.sample[row], alone.latents[name].sample[0])
        for name, image in together.reconstructions.items():
            torch.testing.assert_close(image[row], alone.reconstructions[name][0])
        torch.testing.assert_close(together.prediction[row], alone.prediction[0])


@pytest.mark.parametrize("hidden", [None, 6])
def test_decoders_are_differentiable_forward_and_over_samples(hidden: int | None) -> None:
    built = decoder((2, 5, 9), (3, 4), hidden).double()
    shared, own = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)

    def one(discriminative: torch.Tensor, generative: torch.Tensor) -> torch.Tensor:
        return built(discriminative[None], generative[None], 1)[0]

    torch.testing.assert_close(torch.func.vmap(one)(shared, own), built(shared, own, 1))
    jacobians = torch.func.vmap(torch.func.jacfwd(one, argnums=(0, 1)))(shared, own)
    step = 1e-6
    for place, (factor, found) in enumerate(zip((shared, own), jacobians, strict=True)):
        assert found.shape == (4, 2, 5, 9, factor.shape[1])
        for k in range(factor.shape[1]):
            moved = torch.zeros_like(factor)
            moved[:, k] = step
            ends = [
                built(
                    *((shared + sign * moved, own) if place == 0 else (shared, own + sign * moved)),
                    1,
                )
                for sign in (1, -1)
            ]
            difference = (ends[0] - ends[1]) / (2 * step)
            torch.testing.assert_close(found[..., k], difference, rtol=0, atol=1e-7)
        assert found.abs().amax(dim=(0, 1, 2, 3)).min() > 1e-4, "a factor has no influence"


def test_images_of_one_colour_have_finite_costs_and_gradients() -> None:
    split = image_split()
    black = {
        name: Modality(np.zeros_like(m.values), m.present, rows=m.rows)
        for name, m in split.modalities.items()
    }
    split = replace(split, modalities=black)
    model = model_of(split)
    costs = costs_of(model, split, Inputs.from_split(split).gather())
    costs.total.backward()
    assert costs.total.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
