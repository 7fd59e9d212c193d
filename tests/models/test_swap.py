"""Labels read from what was generated in another sample's style, against one sample at a time."""

from __future__ import annotations

import pytest
import torch

from mfm_pipeline.data import Split
from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.mfm import DISCRIMINATIVE, Factors
from mfm_pipeline.models.swap import read_swapped
from tests.models.image_samples import mixed_corpus, model_of

NAMES = ("picture", "speech")
"""Of the mixed corpus: images and sequences, either of which may be absent."""


@pytest.fixture
def split() -> Split:
    return mixed_corpus().valid


@pytest.fixture
def model(split: Split) -> MFM:
    return model_of(split, noise=0.5)


def test_it_is_each_sample_generated_in_the_style_of_the_one_before(
    split: Split, model: MFM
) -> None:
    model.double().eval()
    inputs = Inputs.from_split(split).to("cpu", torch.float64).gather()
    with torch.no_grad():
        output = model(inputs)
        swapped = read_swapped(model, output, inputs, NAMES)
        assert tuple(swapped) == NAMES
        latents = {name: latent.mean for name, latent in output.latents.items()}
        for name, read in swapped.items():
            for i in range(len(inputs)):
                owner = inputs[torch.tensor([i - 1 if i else len(inputs) - 1])]
                assert read.known[i] == owner.present[name][0]
                if not read.known[i]:
                    continue
                style = latents[name][i - 1 : i] if i else latents[name][-1:]
                made = model.decode(
                    model.factorize(
                        {DISCRIMINATIVE: latents[DISCRIMINATIVE][i : i + 1], name: style}
                    )
                )[name]
                alone = one_modality(owner, name, made)
                torch.testing.assert_close(read.heads[i : i + 1], model.read(alone))


def one_modality(owner: Inputs, name: str, made: torch.Tensor) -> Inputs:
    """Return one sample with nothing but generated values, where its style was observed."""
    present = {other: torch.tensor([other == name]) for other in owner.present}
    seen = torch.zeros(1, owner.steps["speech"].shape[1], dtype=torch.bool)
    values = {other: torch.zeros_like(value) for other, value in owner.values.items()}
    length = torch.zeros(1, dtype=torch.int64)
    if name == "picture":
        values[name] = made
    else:
        # As in any sample: the first step is the first at which anything was observed.
        times = owner.steps[name][0].nonzero()[:, 0]
        first = int(times[0]) if len(times) else int(owner.lengths[0])
        length = owner.lengths - first
        for t in times.tolist():
            values[name][0, t - first] = made[0, t]
            seen[0, t - first] = True
    return Inputs(values, {"speech": seen}, present, length)


def test_only_what_generates_learns_from_it(split: Split, model: MFM) -> None:
    inputs = Inputs.from_split(split)
    model.train()
    output = model(inputs)
    factors = Factors(
        output.factors.discriminative.detach(),
        {name: factor.detach() for name, factor in output.factors.generative.items()},
    )
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    read_swapped(model, output._replace(factors=factors), inputs, NAMES)[
        "picture"
    ].heads.sum().backward()
    reached = {name for name, weights in model.named_parameters() if weights.grad is not None}
    assert reached == {name for name, _ in model.named_parameters() if "decoders.picture" in name}
    assert all(part.training for part in model.modules())
    assert all(weights.requires_grad for weights in model.parameters())
    moved = {
        name for name, buffer in model.named_buffers() if not torch.equal(buffer, buffers[name])
    }
    assert moved and all("decoders.picture" in name for name in moved)


def test_weights_that_are_held_stay_held(split: Split, model: MFM) -> None:
    model.head.requires_grad_(False)
    inputs = Inputs.from_split(split)
    read_swapped(model, model(inputs), inputs, NAMES)
    held = {name for name, weights in model.named_parameters() if not weights.requires_grad}
    assert held == {name for name, _ in model.named_parameters() if name.startswith("head.")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reads": ("speech",)}, ("speech",)),
        ({"generates": ("picture",)}, ("picture",)),
        ({"generates": ()}, ()),
        ({"generates_from": "discriminative"}, ()),
        ({"generates_from": "generative", "predicts_from": "generative"}, ()),
        ({"generative": {"latent": 3, "factor": 4, "channels": [4, 5], "joint": True}}, NAMES),
    ],
)
def test_what_is_not_both_generated_and_read_is_left_out(
    split: Split, changes: dict[str, object], expected: tuple[str, ...]
) -> None:
    model = model_of(split, **changes)
    inputs = Inputs.from_split(split)
    assert tuple(read_swapped(model, model(inputs), inputs, NAMES)) == expected
    assert not read_swapped(model, model(inputs), inputs, ())
