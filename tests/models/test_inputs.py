"""Splits as tensors."""

import numpy as np
import torch

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.models import Inputs, ModalitySpec
from tests.models.samples import FEATURES, ragged_split


def test_every_sample_starts_at_step_0() -> None:
    split = ragged_split()
    inputs = Inputs.from_split(split)
    mask = split.step_mask
    for row in range(len(split)):
        own = np.flatnonzero(mask[row])
        assert inputs.lengths[row] == len(own)
        for name, modality in split.modalities.items():
            seen = modality.steps[row, own]
            expected = np.where(seen[:, None], modality.values[row, own], 0)
            np.testing.assert_array_equal(inputs.values[name][row, : len(own)], expected)
            np.testing.assert_array_equal(inputs.steps[name][row, : len(own)], seen)
            assert not inputs.values[name][row, len(own) :].any()
            assert not inputs.steps[name][row, len(own) :].any()
            assert inputs.present[name][row] == modality.present[row]


def test_a_step_with_a_word_alone_counts_as_a_step() -> None:
    inputs = Inputs.from_split(ragged_split())
    assert inputs.lengths[3] == 6
    assert not any(mask[3, 2] for mask in inputs.steps.values())


def test_restore_is_the_inverse() -> None:
    split = ragged_split()
    inputs = Inputs.from_split(split)
    for name, modality in split.modalities.items():
        observed = np.where(modality.steps[..., None], modality.values, 0)
        np.testing.assert_array_equal(inputs.restore(inputs.values[name]), observed)
        np.testing.assert_array_equal(inputs.restore(inputs.steps[name]), modality.steps)


def test_restore_drops_what_lies_after_the_last_step() -> None:
    inputs = Inputs.from_split(ragged_split())
    restored = inputs.restore(torch.ones(len(inputs), 6, 2))
    assert restored[:, :, 0].sum(1).tolist() == inputs.lengths.tolist()


def test_selecting_equals_selecting_from_the_split() -> None:
    split = ragged_split()
    index = torch.tensor([5, 0, 3, 3])
    selected = Inputs.from_split(split)[index]
    assert len(selected) == 4
    unique = Inputs.from_split(split.select(np.array([5, 0, 3])))
    for name in FEATURES:
        torch.testing.assert_close(selected.values[name][:3], unique.values[name])
        torch.testing.assert_close(selected.values[name][3], unique.values[name][2])
        assert torch.equal(selected.steps[name][:3], unique.steps[name])
        assert torch.equal(selected.present[name][:3], unique.present[name])
    assert torch.equal(selected.lengths[:3], unique.lengths)
    by_mask = Inputs.from_split(split)[torch.arange(len(split)) < 2]
    assert len(by_mask) == 2


def test_batches_lie_in_memory_step_by_step() -> None:
    inputs = Inputs.from_split(ragged_split())
    for batch in (inputs, inputs[torch.tensor([4, 1, 2])], inputs.to("cpu", torch.float64)):
        assert all(value.transpose(0, 1).is_contiguous() for value in batch.values.values())


def test_precision_changes_sequences_alone() -> None:
    inputs = Inputs.from_split(ragged_split()).to("cpu", torch.float64)
    assert {value.dtype for value in inputs.values.values()} == {torch.float64}
    assert {mask.dtype for mask in inputs.steps.values()} == {torch.bool}
    assert inputs.lengths.dtype == torch.int64


def test_images_enter_beside_sequences_and_alone() -> None:
    rng = np.random.default_rng(0)
    image = Modality(
        rng.integers(0, 256, (3, 1, 2, 2)).astype(np.uint8), np.array([True, False, True])
    )
    split = ragged_split(n=4).select(np.arange(3))
    mixed = Split({"image": image, **split.modalities}, split.targets, split.ids)
    inputs = Inputs.from_split(mixed)
    assert inputs.images["image"].images.dtype == torch.uint8
    assert "image" not in inputs.steps and "image" not in inputs.values
    gathered = inputs.gather().values["image"]
    np.testing.assert_array_equal(gathered[0] * 255, image.values[0])
    assert not gathered[1].any()
    assert torch.equal(inputs.observed("image"), inputs.present["image"])
    assert inputs[torch.tensor([2])].values["image"].shape == (1, 1, 2, 2)
    targets = Targets(np.zeros((3, 1), np.float32), ("y",), "regression")
    alone = Inputs.from_split(Split({"a": image, "b": image}, targets, split.ids))
    assert alone.lengths.tolist() == [0, 0, 0]


def test_specification_of_a_split() -> None:
    assert {name: spec.features for name, spec in ModalitySpec.of(ragged_split()).items()} == (
        FEATURES
    )
