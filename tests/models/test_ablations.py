"""The models of Figure 3, as they are built: which latent and factor reaches which output."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from mfm_pipeline.data import Task
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import MFM, Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.ablations import ablations, discriminative
from mfm_pipeline.models.fusion.ef_lstm import EarlyFusionLSTM
from mfm_pipeline.models.fusion.mfn import MemoryFusionNetwork
from mfm_pipeline.models.latents import DISCRIMINATIVE, JOINT
from mfm_pipeline.objectives import Costs, Objective
from tests.models import image_samples
from tests.models.reference import specs
from tests.models.samples import FEATURES, padded, ragged_split, unobserved_as, whole_split

SMALL: dict[str, Any] = {
    "fusion": "mfn",
    "fusion_options": {"mfn": {"hidden": 5, "memory": 4}, "ef_lstm": {"hidden": 9}},
    "discriminative": {"latent": 8, "factor": 12},
    "generative": {"latent": {"language": 5, "default": 4}, "factor": 7, "dropout": 0.1},
}
MODELS = ("M_A", "M_B", "M_C", "M_D", "M_E", "MFM")
PAIR = {"left": 3, "right": 2}
"""Two modalities are enough, and named otherwise."""
ALL = "every modality"


def options_of(
    name: str, changes: Mapping[str, Any] | None = None, features: Mapping[str, int] = FEATURES
) -> ModelOptions:
    return ablations(ModelOptions.model_validate(SMALL | (changes or {})), tuple(features))[name]


def build(
    name: str,
    changes: Mapping[str, Any] | None = None,
    features: Mapping[str, int] = FEATURES,
    task: Task = "regression",
) -> MFM:
    torch.manual_seed(0)
    options = options_of(name, changes, features)
    return MFM.build(options, specs(features), outputs=1, steps=6, task=task).eval()


def costs_of(model: MFM, options: ModelOptions, inputs: Inputs) -> Costs:
    torch.manual_seed(3)
    objective = Objective.build(options, FEATURES, "regression")
    # All far above what is predicted: under L1 each sample then pulls the same way.
    return objective(model(inputs), inputs, torch.linspace(5, 7, len(inputs))[:, None])


class Edges(NamedTuple):
    """What Figure 3 says of a model: by latent its inputs, and by output its latents."""

    latents: dict[str, str]
    label: set[str]
    modalities: set[str] | None


# Zai is of modality i alone: "own".
FIGURE_3 = {
    "M_A": Edges({}, set(), None),
    "M_B": Edges({DISCRIMINATIVE: ALL}, {DISCRIMINATIVE}, None),
    "M_C": Edges({"own": "own"}, {ALL}, {"own"}),
    "M_D": Edges({DISCRIMINATIVE: ALL}, {DISCRIMINATIVE}, {DISCRIMINATIVE}),
    "M_E": Edges(
        {DISCRIMINATIVE: ALL, JOINT: ALL}, {DISCRIMINATIVE}, {DISCRIMINATIVE, JOINT}
    ),
    "MFM": Edges(
        {DISCRIMINATIVE: ALL, "own": "own"}, {DISCRIMINATIVE}, {DISCRIMINATIVE, "own"}
    ),
}  # fmt: skip


def reached(output: Tensor, sources: Mapping[str, Tensor]) -> set[str]:
    """Return the sources whose gradient of an output is somewhere other than zero."""
    names = [name for name, source in sources.items() if source.numel()]
    if not names:
        return set()
    gradients = torch.autograd.grad(
        output.sum(), [sources[name] for name in names], retain_graph=True, allow_unused=True
    )
    return {
        name
        for name, gradient in zip(names, gradients, strict=True)
        if gradient is not None and gradient.any()
    }


@pytest.mark.parametrize("features", [FEATURES, PAIR], ids=["three", "two"])
@pytest.mark.parametrize("fusion", ["mfn", "statistics"])
@pytest.mark.parametrize("name", MODELS)
def test_edges_are_those_of_the_figure(name: str, fusion: str, features: dict[str, int]) -> None:
    sizes = {"latent": 4, "factor": 7, "encoder": "statistics" if fusion == "statistics" else None}
    model = build(name, {"fusion": fusion, "generative": sizes}, features).double()
    inputs = Inputs.from_split(whole_split(features, n=6, steps=6)).to("cpu", torch.float64)
    for values in inputs.values.values():
        values.requires_grad_()
    output = model(inputs)
    expected = FIGURE_3[name]

    def meant(names: Collection[str], own: str = "") -> set[str]:
        """Return the names that are meant, for what belongs to one modality or to none."""
        told = {own if each == "own" else each for each in names}
        return (told - {ALL}) | (set(features) if ALL in told else set())

    # From inputs to latents.
    inferred = {z: meant({own}, z) for z, own in expected.latents.items() if z != "own"}
    if "own" in expected.latents:
        inferred |= {modality: {modality} for modality in features}
    assert set(output.latents) == set(inferred)
    for latent, sources in inferred.items():
        assert reached(output.latents[latent].sample, inputs.values) == sources, latent
    # From latents, and their factors, to outputs.
    samples = {latent: found.sample for latent, found in output.latents.items()}
    fy, fa = output.factors
    factors = {DISCRIMINATIVE: fy} | (
        {JOINT: fa[next(iter(features))]} if JOINT in samples else dict(fa)
    )
    for sources in (samples, factors):
        assert reached(output.heads, sources) == meant(expected.label)
    assert reached(output.heads, inputs.values) == set(features)
    if expected.modalities is None:
        assert output.reconstructions == {} and not len(model.decoders)
        assert model.modalities == ()
    else:
        assert list(output.reconstructions) == list(features) == list(model.modalities)
        for modality, generated in output.reconstructions.items():
            for sources in (samples, factors):
                assert reached(generated, sources) == meant(expected.modalities, modality)
    assert model.factorized == (name == "MFM")


@pytest.mark.parametrize("name", MODELS)
def test_every_part_is_of_use_and_no_other_is_there(name: str) -> None:
    options, model = options_of(name), build(name)
    model.train()
    costs = costs_of(model, options, Inputs.from_split(whole_split(FEATURES, n=6, steps=6)))
    costs.total.backward()
    for parameter, weights in model.named_parameters():
        assert weights.grad is not None and weights.grad.any(), parameter
    kinds = {"M_A": EarlyFusionLSTM, "M_C": type(None)}
    assert type(model.fusion) is kinds.get(name, MemoryFusionNetwork)
    if name in ("M_A", "M_B"):
        torch.testing.assert_close(costs.total, costs.task, rtol=0, atol=0)
    else:
        assert set(costs.reconstruction) == set(FEATURES)


def test_the_joint_latent_is_of_the_size_of_those_it_replaces() -> None:
    model, mfm = build("M_E"), build("MFM")
    inputs = Inputs.from_split(ragged_split())
    ours, theirs = model(inputs), mfm(inputs)
    assert ours.latents[JOINT].sample.shape == (9, 5 + 4 + 4)
    for factor in ours.factors.generative.values():
        assert factor.shape == (9, 3 * 7)
    assert {name: x.shape for name, x in ours.reconstructions.items()} == {
        name: x.shape for name, x in theirs.reconstructions.items()
    }
    # Two encoders that read the same are not one.
    assert model.encoders[JOINT] is not model.fusion


@pytest.mark.parametrize("joint_prior", [False, True])
def test_the_joint_latent_costs_nothing_where_it_is_inferred_from_nothing(
    joint_prior: bool,
) -> None:
    generates = ("acoustic", "visual")
    joint = SMALL["generative"] | {"joint": True}
    options = ModelOptions.model_validate(
        SMALL | {"generates": generates, "generative": joint, "joint_prior": joint_prior}
    )
    model = MFM.build(options, specs(FEATURES), outputs=1, steps=6, task="regression")
    inputs = Inputs.from_split(ragged_split())
    output = model(inputs)
    za = output.latents[JOINT].sample
    za.retain_grad()
    objective = Objective.build(options, FEATURES, "regression")
    objective(output, inputs, torch.zeros(9, 1)).prior.backward()
    assert za.grad is not None
    seen = torch.stack([inputs.present[name] for name in generates]).any(dim=0)
    assert 0 < seen.sum() < len(seen) and torch.equal(za.grad.any(dim=1), seen)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("prior", [{"prior": "kl"}, {"joint_prior": True}, {"noise": 0.3}])
def test_prediction_alone_is_that_of_the_whole(name: str, prior: dict[str, Any]) -> None:
    model = build(name, prior)
    inputs = Inputs.from_split(ragged_split())
    torch.testing.assert_close(model.predict(inputs), model(inputs).prediction, rtol=0, atol=0)
    model.train()
    assert costs_of(model, options_of(name, prior), inputs).total.isfinite()


@pytest.mark.parametrize("fusion", ["mfn", "statistics"])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_unobserved_costs_or_is_read(name: str, fusion: str) -> None:
    changes = {"fusion": fusion}
    model, found = build(name, changes), []
    for split in (ragged_split(), unobserved_as(ragged_split(), 1e3), padded(ragged_split(), 3)):
        inputs = Inputs.from_split(split)
        costs = costs_of(model, options_of(name, changes), inputs)
        found.append((costs.total, model.predict(inputs)))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    torch.testing.assert_close(found[0], found[2])


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_rebuilt_from_its_state(name: str) -> None:
    split = ragged_split()
    torch.manual_seed(1)
    blueprint = Blueprint.of(split, options_of(name))
    model = blueprint.build().eval()
    again, other = Blueprint.from_state(blueprint.to_state(model))
    assert again == blueprint
    inputs = Inputs.from_split(split)
    assert torch.equal(other.predict(inputs), model.predict(inputs))


def test_what_is_generated_of_some_modalities() -> None:
    inputs = Inputs.from_split(ragged_split())
    for name, expected in (
        ("M_C", {"acoustic"}),
        ("M_D", set(FEATURES)),
        ("M_E", set(FEATURES)),
    ):
        model = build(name)
        latents = {k: z.sample for k, z in model.encode(inputs).items()}
        chosen = {k: z for k, z in latents.items() if k not in ("language", "visual")}
        found = model.decode(model.factorize(chosen))
        whole = model(inputs).reconstructions
        assert set(found) == expected
        for modality, values in found.items():
            torch.testing.assert_close(values, whole[modality])


def test_images_have_all_of_them_by_late_fusion() -> None:
    split = image_samples.image_split()
    base = ModelOptions.model_validate(image_samples.SMALL)
    inputs = Inputs.from_split(split)[torch.arange(1, len(split))]
    for name, options in ablations(
        base, tuple(split.modalities), early_fusion="late_fusion"
    ).items():
        model = Blueprint.of(split, options).build().eval()
        output = model(inputs)
        assert output.heads.shape == (len(inputs), 1, 3)
        assert len(output.reconstructions) == (0 if name in ("M_A", "M_B") else 2)
        np.testing.assert_allclose(
            model.predict(inputs).detach(), output.prediction.softmax(dim=1).detach()
        )


def test_all_else_is_that_of_mfm() -> None:
    changes = {
        "prior": "kl",
        "prior_weight": 0.2,
        "reconstruction": 0.3,
        "discriminative": {"heads": 4, "share": 0.5, "latent": 8, "factor": 12},
    }
    base = ModelOptions.model_validate(SMALL | changes)
    found = ablations(base, tuple(FEATURES))
    assert tuple(found) == MODELS and found["MFM"] == base
    for name in ("M_C", "M_D", "M_E"):
        for field in ("prior", "prior_weight", "reconstruction", "fusion", "fusion_options"):
            assert getattr(found[name], field) == getattr(base, field), name
    for name in ("M_B", "M_D", "M_E"):
        assert found[name].discriminative == base.discriminative
    # A network for the label alone draws nothing, and nothing binds it.
    assert found["M_B"] == discriminative(base)
    weights = {"task_weight": 0.5, "style_swap": 0.2, "kernel": "multiquadric"}
    weighed = ModelOptions.model_validate(SMALL | changes | weights)
    assert discriminative(weighed) == discriminative(base)
    assert (found["M_B"].prior, found["M_B"].prior_weight) == ("mmd", 0.0)
    # Models that differ already are made what their names say.
    for changed in found.values():
        if changed.generates is None:
            assert ablations(changed, tuple(FEATURES))["MFM"].generative.joint is False


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"generates": []}, "reads is language, acoustic, visual and model.generates none"),
        ({"reads": ["language"]}, "model.reads is language and model.generates language, acous"),
    ],
)
def test_models_that_do_not_see_the_same_are_not_compared(
    changes: dict[str, Any], found: str
) -> None:
    with pytest.raises(ParameterError, match=found):
        options_of("MFM", changes)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"predicts_from": "fused"}, r"'fused'; expected generates \[\]"),
        ({"predicts_from": "generative"}, "'generative'; expected generates_from and predicts"),
        ({"generates_from": "generative"}, "'discriminative'; expected generates_from and pred"),
        (
            {"predicts_from": "generative", "generates_from": "generative", "generates": []},
            "'generative'; expected modalities in generates",
        ),
        (
            {"predicts_from": "generative", "generates_from": "generative", "reads": ["a"]},
            "'generative'; expected .* null for reads",
        ),
        (
            {
                "predicts_from": "fused",
                "generates": [],
                "discriminative": {"heads": 2, "latent": 4, "factor": 4},
            },
            "'fused'; expected discriminative.heads 1 and share 1.*found 2 and 1.0",
        ),
        (
            {"generates_from": "discriminative", "generative": {"joint": True}},
            "expected generative.joint false.*generates_from is 'discriminative'",
        ),
        (
            {"generates": [], "generative": {"joint": True}},
            r"generative.joint false.*generates \(\)",
        ),
        ({"predicts_from": "fy"}, "predicts_from is 'fy'.*'discriminative', 'generative' or 'fus"),
    ],
)
def test_factors_without_use_are_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ParameterError, match=expected) as caught:
        ModelOptions.model_validate(settings)
    assert "\n" not in str(caught.value)


def test_a_modality_is_not_called_like_the_joint_latent() -> None:
    with pytest.raises(ParameterError, match="'joint' cannot be called that"):
        MFM.build(ModelOptions(), specs({"a": 1, JOINT: 2}), outputs=1, steps=6, task="regression")


def test_what_is_generated_has_to_be_there_to_predict_from() -> None:
    options = ModelOptions(
        predicts_from="generative", generates_from="generative", generates=("visual",)
    )
    with pytest.raises(ParameterError, match="generates is visual; expected one or more of a, b"):
        MFM.build(options, specs({"a": 1, "b": 2}), outputs=1, steps=6, task="regression")
