"""Models of images, and of images beside sequences: late fusion, what is read and generated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mfm_pipeline.data import Split
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.evaluation import predict_corpus, reconstruction_errors, score_test
from mfm_pipeline.models import Blueprint, Inputs, ModalitySpec, ModelOptions
from mfm_pipeline.models.fusion.late_fusion import LateFusion, LateFusionOptions
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.training import TrainingOptions, fit
from tests.models.image_samples import SHAPES, SMALL, costs_of, image_split, mixed_corpus, model_of

# Late fusion of any kinds.


def fuse(split: Split, **options: object) -> LateFusion:
    torch.manual_seed(0)
    chosen = LateFusionOptions.model_validate({"hidden": 6, "channels": [3]} | options)
    return chosen.build(ModalitySpec.of(split)).eval()


def test_late_fusion_is_states_and_presence_side_by_side() -> None:
    split = mixed_corpus().train
    inputs = Inputs.from_split(split).gather()
    built = fuse(
        split,
        encoder={"picture": "convolution", "speech": "lstm"},
        hidden={"picture": 6, "speech": 4},
    )
    state = built(inputs)
    assert built.size == state.shape[1] == 6 + 4 + 2
    parts = [built.encoders[name](inputs) for name in ("picture", "speech")]
    present = torch.stack([inputs.present["picture"], inputs.present["speech"]], dim=1).float()
    torch.testing.assert_close(state, torch.cat([*parts, present], dim=1))
    for name, columns in (("picture", slice(0, 6)), ("speech", slice(6, 10))):
        absent = ~inputs.present[name]
        assert absent.any() and not state[absent, columns].any()
        assert state[~absent, columns].any(dim=1).all()
    layered = fuse(split, layer=5)
    assert layered.size == 5 and layered(inputs).shape == (len(split), 5)
    assert (layered(inputs) >= 0).all()


@pytest.mark.parametrize(
    ("name", "kind"), [(None, "lstm"), ("lstm", "lstm"), ("statistics", "statistics")]
)
def test_encoders_are_chosen_by_kind_or_by_name(name: str | None, kind: str) -> None:
    split = mixed_corpus().train
    setting = None if name is None else {"speech": name, "default": "convolution"}
    expected = {"lstm": "LSTMSequenceEncoder", "statistics": "Statistics"}[kind]
    fusion = fuse(split, encoder=setting)
    model = model_of(split, generative=SMALL["generative"] | {"encoder": setting})  # type: ignore[operator]
    for encoders in (fusion.encoders, model.encoders):
        assert type(encoders["picture"]).__name__ == "ConvolutionalEncoder"
        assert type(encoders["speech"]).__name__ == expected


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("lstm", "encoder is 'lstm' for modality 'picture'; of its kind there is convolution"),
        ("convolution", "'convolution' for modality 'speech'; of its kind there is lstm, stat"),
        ({"speech": "lstm"}, "encoder has no value for modality 'picture'.*'default'"),
        ("cnn", "unknown encoder 'cnn'; expected one of convolution, lstm, statistics"),
    ],
)
def test_encoders_of_another_kind_are_named(setting: object, said: str) -> None:
    split = mixed_corpus().train
    with pytest.raises(ParameterError, match=said):
        fuse(split, encoder=setting)
    with pytest.raises(ParameterError, match=said):
        model_of(split, generative=SMALL["generative"] | {"encoder": setting})  # type: ignore[operator]


@pytest.mark.parametrize("task", ["regression", "multiclass", "multilabel"])
def test_an_image_and_a_sequence_are_learned_together(tmp_path: Path, task: str) -> None:
    corpus = mixed_corpus(task)  # type: ignore[arg-type]
    options = TrainingOptions(epochs=12, learning_rate=0.02, batch_size=16, monitor="valid/task")
    trained = fit(corpus, ModelOptions.model_validate(SMALL), options, tmp_path)
    predictions = predict_corpus(trained.model, corpus, 16)
    errors = reconstruction_errors(trained.model, corpus, 16)
    metrics = score_test(predictions, errors, corpus, None)
    better = "r" if task == "regression" else "acc"
    assert metrics[f"test/{better}"] > metrics[f"trivial/{better}"] + 0.15
    by_modality = errors.groupby("modality")
    assert (by_modality["mse"].mean() < by_modality["mse_of_mean"].mean()).all()
    assert by_modality.size().to_dict() == {
        name: int(modality.present.sum()) for name, modality in corpus.test.modalities.items()
    }
    nothing = ~corpus.test.has_any_modality
    guessed = predictions[predictions["split"] == "test"]["predicted_by"].to_numpy() == "trivial"
    np.testing.assert_array_equal(guessed, nothing)
    state = trained.blueprint.to_state(trained.model)
    _, again = Blueprint.from_state(state)
    inputs = Inputs.from_split(corpus.test)
    assert torch.equal(again.predict(inputs), trained.model.predict(inputs))


# What a model reads and generates.


@pytest.mark.parametrize("read", ["digits", "blended"])
def test_a_model_that_reads_one_modality_does_not_depend_on_the_other(read: str) -> None:
    split = image_split(n=5)
    model = model_of(split, reads=read)
    assert model.reads == (read,) and set(model.modalities) == set(SHAPES)
    (other,) = set(SHAPES) - {read}
    inputs = Inputs.from_split(split).gather()
    for values in inputs.values.values():
        values.requires_grad_()
    prediction = model.predict(inputs)
    grads = torch.autograd.grad(
        prediction.square().sum(), list(inputs.values.values()), allow_unused=True
    )
    grad = dict(zip(inputs.values, grads, strict=True))
    assert grad[other] is None
    assert grad[read][inputs.present[read]].flatten(1).any(dim=1).all()  # type: ignore[index]
    # Nor on whether the other is there.
    absent = replace(inputs, present={**inputs.present, other: torch.zeros(5, dtype=torch.bool)})
    assert torch.equal(model.predict(absent), prediction)
    moved = replace(inputs, values={**inputs.values, read: 1 - inputs.values[read]})
    changed = (model.predict(moved) != prediction).any(dim=1)
    assert torch.equal(changed, inputs.present[read])


def test_each_style_is_inferred_from_its_own_modality() -> None:
    split = image_split(n=5)
    model = model_of(split)
    inputs = Inputs.from_split(split).gather()
    before = model(inputs)
    moved = replace(inputs, values={**inputs.values, "digits": 1 - inputs.values["digits"]})
    after = model(moved)
    assert torch.equal(after.latents["blended"].sample, before.latents["blended"].sample)
    for name in ("digits", DISCRIMINATIVE):
        assert not torch.equal(after.latents[name].sample, before.latents[name].sample)
    # Zy reaches every reconstruction, Za its own alone.
    factors = model.factorize({name: latent.sample for name, latent in before.latents.items()})
    other = factors._replace(
        generative={**factors.generative, "digits": factors.generative["digits"] + 1}
    )
    images, others = model.decode(factors), model.decode(other)
    assert torch.equal(images["blended"], others["blended"])
    assert not torch.equal(images["digits"], others["digits"])
    shared = model.decode(factors._replace(discriminative=factors.discriminative + 1))
    assert all((shared[name] != images[name]).any() for name in SHAPES)


def test_a_model_that_generates_nothing_is_discriminative_alone() -> None:
    split = image_split()
    model = model_of(split, generates=[])
    assert model.modalities == () and model.reads == tuple(SHAPES)
    assert not len(model.decoders) and not len(model.encoders)
    assert set(model.latents) == set(model.factors) == {DISCRIMINATIVE}
    inputs = Inputs.from_split(split)[torch.arange(1, len(split))]
    output = model(inputs)
    assert output.reconstructions == {} and output.factors.generative == {}
    whole = split.select(np.arange(1, len(split)))
    costs = costs_of(model, whole, inputs, generates=[], prior_weight=0.5)
    assert costs.reconstruction == {}
    torch.testing.assert_close(costs.total, costs.task + 0.5 * costs.prior)
    torch.testing.assert_close(model.predict(inputs), output.prediction.softmax(dim=1))


def test_a_model_may_generate_one_modality() -> None:
    split = image_split()
    model = model_of(split, generates="blended")
    output = model(Inputs.from_split(split))
    assert list(output.reconstructions) == list(model.decoders) == ["blended"]
    assert set(output.latents) == {DISCRIMINATIVE, "blended"}
    assert model.reads == ("digits", "blended")


def test_names_keep_the_corpus_s_order() -> None:
    split = image_split()
    model = model_of(split, reads=["blended", "digits"], generates=["blended", "digits"])
    assert model.reads == model.modalities == ("digits", "blended")


@pytest.mark.parametrize("field", ["reads", "generates"])
@pytest.mark.parametrize("name", ["digit", "discriminative"])
def test_unknown_names_are_refused_with_the_list(tmp_path: Path, field: str, name: str) -> None:
    corpus = mixed_corpus()
    options = ModelOptions.model_validate(SMALL | {field: ["picture", name]})
    said = rf"model.{field} names modality '{name}'; expected one of picture, speech"
    with pytest.raises(ParameterError, match=said):
        fit(corpus, options, TrainingOptions(epochs=1), tmp_path)


def test_a_model_has_to_read_something() -> None:
    with pytest.raises(ParameterError, match=r"reads.*no modality to read"):
        ModelOptions.model_validate({"reads": []})


def test_reading_nothing_but_what_was_left_out_is_refused(tmp_path: Path) -> None:
    corpus = replace(mixed_corpus(), left_out=("visual",))
    options = ModelOptions.model_validate(SMALL | {"reads": ["visual"]})
    with pytest.raises(ParameterError, match=r"reads is visual.*picture, speech"):
        fit(corpus, options, TrainingOptions(epochs=1), tmp_path)


def test_samples_without_what_is_read_are_left_out_and_guessed(tmp_path: Path) -> None:
    corpus = mixed_corpus("multiclass")
    options = ModelOptions.model_validate(SMALL | {"reads": "picture", "generates": []})
    trained = fit(corpus, options, TrainingOptions(epochs=1), tmp_path)
    table = predict_corpus(trained.model, corpus, 16)
    test = table[table["split"] == "test"]
    lacking = ~corpus.test.modalities["picture"].present
    assert lacking.any()
    np.testing.assert_array_equal(test["predicted_by"] == "trivial", lacking)
    counts = np.bincount(corpus.train.targets.values, minlength=3)
    assert set(test["predicted"][lacking]) == {str(counts.argmax())}
    frequency = test.filter(like="probability/")[lacking].to_numpy()
    np.testing.assert_allclose(frequency, np.tile(counts / counts.sum(), (lacking.sum(), 1)))
