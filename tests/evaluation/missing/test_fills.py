"""What is filled is data like any other; what is there stays."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.evaluation.missing.fills import MeanFill, fill_in, zeros
from mfm_pipeline.models import Inputs
from tests.models.image_samples import image_split
from tests.models.samples import FEATURES, ragged_split


@given(st.integers(0, 10_000), st.integers(4, 12))
def test_only_what_is_missing_is_filled_up_to_the_last_step(seed: int, n: int) -> None:
    inputs = Inputs.from_split(ragged_split(n=n, seed=seed))
    filled = fill_in(inputs, {name: v + 7 for name, v in zeros(inputs).items()})
    for name in FEATURES:
        for i in range(n):
            anything = any(bool(inputs.present[other][i]) for other in FEATURES)
            missing = anything and not inputs.present[name][i]
            assert bool(filled.present[name][i]) == anything
            for t in range(inputs.values[name].shape[1]):
                if missing and t < inputs.lengths[i]:
                    assert filled.steps[name][i, t] and (filled.values[name][i, t] == 7).all()
                else:
                    assert filled.steps[name][i, t] == inputs.steps[name][i, t]
                    assert torch.equal(filled.values[name][i, t], inputs.values[name][i, t])


def test_images_are_filled_whole_and_never_where_a_sample_has_nothing() -> None:
    split = image_split()
    filled = fill_in(Inputs.from_split(split), MeanFill(split)(Inputs.from_split(split)))
    present = split.modalities["blended"].present
    assert not present[0] and not present[1] and present[2:].all()
    rows = split.modalities["blended"].rows
    images = split.modalities["blended"].values
    mean = np.mean([images[rows[i]] for i in range(2, 6)], axis=0) / 255
    np.testing.assert_allclose(filled.values["blended"][1], mean, atol=1e-6)
    np.testing.assert_allclose(filled.values["blended"][2], images[rows[2]] / 255, atol=1e-6)
    assert filled.present["blended"].tolist() == [False, True, True, True, True, True]
    assert not filled.values["blended"][0].any()


def test_the_mean_is_that_of_observed_steps_of_train() -> None:
    train = ragged_split(n=20, seed=3)
    fill = MeanFill(train)(Inputs.from_split(ragged_split(n=4, seed=4)))
    for name, d in FEATURES.items():
        modality = train.modalities[name]
        total, count = np.zeros(d), 0
        for i in range(20):
            for t in range(modality.values.shape[1]):
                if modality.steps[i, t]:
                    total += modality.values[i, t]
                    count += 1
        for row in fill[name].reshape(-1, d):
            np.testing.assert_allclose(row, total / count, atol=1e-6)


def test_a_modality_that_train_never_observes_has_mean_zero() -> None:
    train = ragged_split(n=6)
    visual = train.modalities["visual"]
    visual.steps[:] = False
    assert not MeanFill(train)(Inputs.from_split(train))["visual"].any()
