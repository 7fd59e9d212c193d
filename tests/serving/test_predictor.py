"""Data that does not fit a model, and modalities that are filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation.fill import fill_split
from mfm_pipeline.features.holes import punch
from mfm_pipeline.models import Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.completed import complete
from mfm_pipeline.serving import Predictor
from mfm_pipeline.serving.records import split_of_records
from tests.models.image_samples import SMALL, mixed_corpus, model_of
from tests.serving.conftest import Trained


def with_width(split: Split, name: str, width: int) -> Split:
    modality = split.modalities[name]
    values = np.resize(modality.values, (*modality.values.shape[:2], width))
    return replace(split, modalities={**split.modalities, name: replace(modality, values=values)})


def renamed(split: Split, old: str, new: str) -> Split:
    found = {new if name == old else name: m for name, m in split.modalities.items()}
    return replace(split, modalities=found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda split: with_width(split, "visual", 7),
            "modalities are language (5), acoustic (3), visual (7); "
            "the model was trained on language (5), acoustic (3), visual (4)",
        ),
        (
            lambda split: renamed(split, "visual", "gaze"),
            "modalities are language (5), acoustic (3), gaze (4); "
            "the model was trained on language (5), acoustic (3), visual (4)",
        ),
        (
            lambda split: replace(split, targets=replace(split.targets, names=("happiness",))),
            "targets are happiness (regression); the model predicts target_0 (regression)",
        ),
    ],
)
def test_other_features_or_targets_are_refused_naming_both(
    trained: Trained, change: Callable[[Split], Split], words: str
) -> None:
    state, aligned, _ = trained
    with pytest.raises(DataError) as error:
        Predictor.from_state(state).check(change(aligned.test), {})
    assert str(error.value) == words


def test_other_feature_names_are_refused_where_both_have_them(trained: Trained) -> None:
    state, aligned, _ = trained
    predictor = Predictor.from_state(state)
    predictor.check(aligned.test, {"visual": ("a", "b", "c", "d")})
    with pytest.raises(DataError) as error:
        predictor.check(aligned.test, {"acoustic": ("pitch", "rate", "energy")})
    assert str(error.value) == (
        "modality 'acoustic': feature 1 is 'rate'; the model was trained on 'energy' there"
    )


def test_a_modality_that_the_data_lacks_is_one_that_every_sample_lacks(trained: Trained) -> None:
    state, aligned, _ = trained
    predictor = Predictor.from_state(state)
    lacking = aligned.test.keep(("visual", "language"))
    punched = punch(aligned.test, {"acoustic": np.ones(len(aligned.test), np.bool_)})
    predictor.check(lacking, {})
    tables = [predictor.predict(predictor.prepare(s), 64) for s in (lacking, punched)]
    assert tables[0].equals(tables[1])
    assert not tables[0]["observed"].str.contains("acoustic").any()


def test_what_is_missing_is_generated_and_marked(trained: Trained) -> None:
    state, aligned, scaled = trained
    predictor = Predictor.from_state(state)
    split = predictor.prepare(aligned.test)
    filled = predictor.fill(split, batch_size=3)
    mask = split.step_mask
    assert mask is not None
    _, model = Blueprint.from_state(state)
    known = split.has_any_modality
    lacked = 0
    for name, before in split.modalities.items():
        after = filled.modalities[name]
        assert after.generated is not None and after.steps is not None and before.steps is not None
        assert (after.generated == (~before.present & known)).all()
        assert (after.present == (before.present | known)).all()
        kept = before.present
        np.testing.assert_array_equal(after.values[kept], before.values[kept])
        np.testing.assert_array_equal(after.steps[kept], before.steps[kept])
        for i in np.flatnonzero(after.generated):
            lacked += 1
            np.testing.assert_array_equal(after.steps[i], mask[i])
            # One sample alone: its steps are the first of the reconstruction.
            alone = Inputs.from_split(split.select(np.array([i])))
            with torch.inference_mode():
                made = model(alone).reconstructions[name][0, : mask[i].sum()].numpy()
            np.testing.assert_allclose(after.values[i][mask[i]], made, atol=1e-5)
            assert not after.values[i][~mask[i]].any()
    assert lacked > 3
    assert scaled.test.modalities["language"].generated is None


@pytest.mark.parametrize("shared", [False, True])
def test_images_are_generated_as_bytes_beside_those_that_are_there(shared: bool) -> None:
    split = mixed_corpus().test
    picture = split.modalities["picture"]
    if shared:  # Samples share images: none is copied, and none is overwritten.
        rows = np.zeros(len(split), np.int64)
        picture = Modality(picture.values[:1], picture.present, rows=rows)
        split = replace(split, modalities={**split.modalities, "picture": picture})
    model = model_of(split)
    filled = fill_split(partial(complete, model), split, batch_size=4).modalities["picture"]
    assert filled.generated is not None and filled.generated.any()
    images = filled.values if filled.rows is None else filled.values[filled.rows]
    before = picture.values if picture.rows is None else picture.values[picture.rows]
    np.testing.assert_array_equal(images[picture.present], before[picture.present])
    with torch.inference_mode():
        made = model(Inputs.from_split(split).gather()).reconstructions["picture"]
    expected = np.round(made.clamp(0, 1).numpy() * 255)[filled.generated]
    assert np.abs(images[filled.generated] - expected).max() <= 1


def test_images_are_served_as_nested_lists() -> None:
    split = mixed_corpus().test
    split = replace(split, targets=Targets.unknown(len(split)))
    train = mixed_corpus().train
    options = ModelOptions.model_validate(SMALL)
    state = Blueprint.of(train, options, {}).to_state(model_of(train))
    predictor = Predictor.from_state(state)
    picture, speech = split.modalities["picture"], split.modalities["speech"]
    assert speech.steps is not None
    records = pd.DataFrame(
        {
            "picture": [
                image.tolist() if there else None
                for image, there in zip(picture.values, picture.present, strict=True)
            ],
            "speech": [
                values[steps].tolist() or None
                for values, steps in zip(speech.values, speech.steps, strict=True)
            ],
        }
    )
    found = split_of_records(records, predictor.shapes)
    np.testing.assert_array_equal(found.modalities["picture"].present, picture.present)
    tables = [predictor.predict(predictor.prepare(s), 64) for s in (found, split)]
    np.testing.assert_allclose(
        tables[0]["predicted/level"], tables[1]["predicted/level"], atol=1e-5
    )
    records.at[0, "picture"] = [[[300.0] * 8] * 8]
    with pytest.raises(DataError, match="sample '0', picture: found 300 to 300 in an image"):
        split_of_records(records, predictor.shapes)
