"""Surrogate inference: who infers what, in which order, and how it is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mfm_pipeline.data import Split
from mfm_pipeline.data.patterns import patterns
from mfm_pipeline.datasets import WeightsDataset
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.features.holes import punch
from mfm_pipeline.models import MFM, Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.completed import FULL, NOTHING, SURROGATE, UNSEEN, Completed
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.models.surrogate import SurrogateInference, SurrogateLatent, generating_half
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from tests.models.image_samples import SMALL as SMALL_IMAGES
from tests.models.image_samples import image_split
from tests.models.samples import ragged_split, whole_split

SMALL: dict[str, Any] = {
    "fusion": "statistics",
    "discriminative": {"latent": 6, "factor": 4, "heads": 2, "share": 0.5},
    "generative": {"latent": {"default": 3, "visual": 5}, "factor": 4},
}


def inference(
    split: Split, model: dict[str, Any] = SMALL, **options: Any
) -> tuple[SurrogateBlueprint, SurrogateInference]:
    torch.manual_seed(0)
    blueprint = Blueprint.of(split, ModelOptions(**model))
    full = blueprint.build().eval()
    plan = SurrogateBlueprint(model=blueprint, options=SurrogateOptions(**options))
    networks = [plan.build_network(one, full) for one in plan.networks]
    return plan, plan.assemble(full, networks)


def assert_equal(found: Completed, expected: Completed, rows: Tensor | None = None) -> None:
    exact = rows is None
    chosen = torch.arange(len(expected.heads)) if rows is None else rows
    for field in ("heads", "prediction"):
        compare(getattr(found, field), getattr(expected, field)[chosen], exact)
    for field in ("latents", "reconstructions"):
        ours, theirs = getattr(found, field), getattr(expected, field)
        assert ours.keys() == theirs.keys()
        for name in ours:
            compare(ours[name], theirs[name][chosen], exact)
    assert np.array_equal(found.inferred_by, expected.inferred_by[chosen.numpy()])


def compare(found: Tensor, expected: Tensor, exact: bool) -> None:
    if exact:
        assert torch.equal(found, expected)
    else:
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["per_pattern", "amortised"])
def test_with_all_present_nothing_differs_from_the_full_model(form: str) -> None:
    split = whole_split({"language": 4, "acoustic": 3, "visual": 2}, n=5, steps=3)
    _, surrogate = inference(split, form=form)
    inputs = Inputs.from_split(split)
    with torch.no_grad():
        output = surrogate.full(inputs)
    found = surrogate.complete(inputs)
    assert (found.inferred_by == FULL).all()
    assert torch.equal(found.heads, output.heads)
    assert torch.equal(found.prediction, surrogate.full.to_target_units(output.prediction))
    for name, latent in output.latents.items():
        assert torch.equal(found.latents[name], latent.sample)
    for name, made in output.reconstructions.items():
        assert torch.equal(found.reconstructions[name], made)


@pytest.mark.parametrize("form", ["per_pattern", "amortised"])
@pytest.mark.parametrize("fusion", ["statistics", "ef_lstm", "mfn", "late_fusion"])
def test_each_sample_is_completed_as_if_it_were_alone(form: str, fusion: str) -> None:
    split = ragged_split(n=12, seed=3)
    _, surrogate = inference(split, form=form, fusion=fusion)
    inputs = Inputs.from_split(split)
    together = surrogate.complete(inputs)
    assert {FULL, SURROGATE, NOTHING} <= set(together.inferred_by.tolist())
    for row in range(len(split)):
        rows = torch.tensor([row])
        assert_equal(surrogate.complete(inputs[rows]), together, rows)


@pytest.mark.parametrize("form", ["per_pattern", "amortised"])
def test_the_network_infers_what_is_missing_and_the_full_model_what_is_there(form: str) -> None:
    split = whole_split({"language": 4, "acoustic": 3, "visual": 2}, n=5, steps=3)
    plan, surrogate = inference(split, form=form)
    for observed in patterns(tuple(split.modalities)):
        holes = {n: np.full(len(split), n not in observed) for n in split.modalities}
        inputs = Inputs.from_split(punch(split, holes))
        network = surrogate.network_for(observed)
        assert network is not None
        found = surrogate.complete(inputs)
        with torch.no_grad():
            inferred, own = network(inputs), surrogate.full.encode(inputs)
            latents = {
                name: own[name].sample if name in observed else inferred[name]
                for name in (DISCRIMINATIVE, *plan.generated)
            }
            factors = surrogate.full.factorize(latents)
            expected = surrogate.full.decode(factors, 3)
        assert (found.inferred_by == SURROGATE).all()
        for name, latent in latents.items():
            assert torch.equal(found.latents[name], latent)
            if name in expected:
                assert torch.equal(found.reconstructions[name], expected[name])
    assert len(surrogate.networks) == (1 if form == "amortised" else 6)


def test_patterns_that_no_network_knows_are_left_to_the_full_model_and_marked() -> None:
    split = ragged_split(n=12, seed=3)
    _, surrogate = inference(split, patterns=["acoustic+language", "visual"])
    inputs = Inputs.from_split(split)
    found = surrogate.complete(inputs)
    with torch.no_grad():
        output = surrogate.full(inputs)
    unseen = torch.from_numpy(found.inferred_by == UNSEEN)
    present = torch.stack(list(inputs.present.values()), dim=1)
    for row, (there, by) in enumerate(zip(present.tolist(), found.inferred_by, strict=True)):
        expected = {
            (True, True, True): FULL,
            (True, True, False): SURROGATE,
            (False, False, True): SURROGATE,
            (False, False, False): NOTHING,
        }.get(tuple(there), UNSEEN)
        assert by == expected, row
    assert unseen.any()
    torch.testing.assert_close(found.heads[unseen], output.heads[unseen], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"form": "per_pattern"},
        {"form": "amortised", "hidden": 5},
        {"form": "amortised", "fine_tune": True, "fusion": "ef_lstm"},
        {"patterns": ["visual+language"], "fine_tune": True},
    ],
)
def test_state_goes_through_files_and_back(options: dict[str, Any], tmp_path: Path) -> None:
    split = ragged_split(n=12, seed=3)
    plan, surrogate = inference(split, **options)
    surrogate.full.set_target_scale(1.5, 2.0)
    for buffer in surrogate.networks.buffers():
        if buffer.is_floating_point() and buffer.dim() == 1:
            buffer.add_(0.3)
    dataset = WeightsDataset(path=str(tmp_path / "surrogate"))
    dataset.save(plan.to_state(surrogate))
    assert {p.name for p in (tmp_path / "surrogate").iterdir()} == {
        "weights.safetensors",
        "model.json",
    }
    again, rebuilt = SurrogateBlueprint.from_state(dataset.load())
    assert again == plan
    assert json.loads(json.dumps(again.model_dump(mode="json"))) == plan.model_dump(mode="json")
    inputs = Inputs.from_split(split)
    assert_equal(rebuilt.complete(inputs), surrogate.complete(inputs))


def test_images_are_completed_too() -> None:
    split = image_split(n=6)
    _, surrogate = inference(split, SMALL_IMAGES)
    found = surrogate.complete(Inputs.from_split(split))
    assert found.inferred_by[0] == NOTHING
    assert found.inferred_by[1] == SURROGATE
    assert (found.inferred_by[2:] == FULL).all()
    for name, modality in split.modalities.items():
        assert found.reconstructions[name].shape == (6, *modality.shape)
    torch.testing.assert_close(found.prediction.sum(dim=1), torch.ones(6))


@pytest.mark.parametrize("count", [2, 4])
def test_nothing_counts_to_three(count: int) -> None:
    split = whole_split({name: 2 for name in "pqrs"[:count]}, n=3, steps=2)
    plan, surrogate = inference(split, {**SMALL, "generative": {"latent": 3, "factor": 4}})
    assert len(plan.patterns) == len(surrogate.networks) == 2**count - 2
    for network, pattern in zip(surrogate.networks, plan.patterns, strict=True):
        assert set(network.latents) == {DISCRIMINATIVE, *(set(plan.modalities) - set(pattern))}


def test_the_amortised_layer_reads_the_state_times_presence() -> None:
    split = ragged_split(n=8)
    _, surrogate = inference(split, form="amortised")
    (network,) = surrogate.networks
    latent = network.latents["visual"]
    assert isinstance(latent, SurrogateLatent)
    latent.set_scale(torch.randn(20, 5) * 3 + 1)
    inputs = Inputs.from_split(split)
    with torch.no_grad():
        found, state = latent(inputs), latent.encoder(inputs)
        for row in range(len(split)):
            there = [float(inputs.present[name][row]) for name in split.modalities]
            read = [*state[row].tolist()]
            for one in there:
                read += [one * value for value in state[row].tolist()]
            expected = latent.layer(torch.tensor([*read, *there])) * latent.spread + latent.center
            torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-5)


def test_scale_is_that_of_the_latents() -> None:
    split = ragged_split(n=8)
    _, surrogate = inference(split, form="amortised")
    latent = surrogate.networks[0].latents["visual"]
    values = torch.randn(50, 5) * torch.tensor([1.0, 2.0, 3.0, 0.0, 5.0]) + 4
    latent.set_scale(values)
    deviations = values.numpy() - values.numpy().mean(axis=0)
    torch.testing.assert_close(latent.center, values.mean(dim=0))
    assert latent.spread.item() == pytest.approx(np.sqrt((deviations**2).mean()), rel=1e-5)
    latent.set_scale(torch.ones(4, 5))
    assert latent.spread.item() == 1


def test_the_generating_half_generates_as_the_whole() -> None:
    split = ragged_split()
    model: MFM = Blueprint.of(split, ModelOptions(**SMALL)).build().eval()
    half = generating_half(model)
    latents = {name: z.sample for name, z in model.encode(Inputs.from_split(split)).items()}
    whole, own = model.factorize(latents), half.factorize(latents)
    assert torch.equal(model.head(whole.discriminative), half.head(own.discriminative))
    for name, made in model.decode(whole, 4).items():
        assert torch.equal(half.decode(own, 4)[name], made)
    assert not any(name.startswith(("fusion", "encoders", "latents")) for name in half.state_dict())


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({"generates": []}, {}, "generates nothing"),
        ({"generates_from": "discriminative"}, {}, "generates from 'discriminative'"),
        ({"generative": {"joint": True}}, {}, "joint is True"),
        ({}, {"patterns": ["language+smell"]}, "'smell'.*language, acoustic, visual"),
        ({}, {"patterns": ["language+acoustic+visual"]}, "lacks nothing"),
        ({}, {"patterns": [[]]}, "lacks nothing, or everything"),
        ({}, {"fusion": "msn"}, "fusion is 'msn'"),
        ({}, {"weights": {"latent": -1}}, "weights: latent is -1"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    model: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        inference(ragged_split(), {**SMALL, **model}, **options)


def test_patterns_are_read_as_tables_write_them() -> None:
    read = SurrogateOptions(patterns=["language+acoustic", "visual"]).patterns
    assert read == (("language", "acoustic"), ("visual",))
    plan, _ = inference(ragged_split(), patterns=["acoustic+language", ["language", "acoustic"]])
    assert plan.patterns == (("language", "acoustic"),)
    with pytest.raises(ParameterError, match=r"patterns is .*at least 1 item"):
        SurrogateOptions(patterns=[])
