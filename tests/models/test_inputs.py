"""Splits as tensors."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.features.holes import punch
from mfm_pipeline.models import Inputs, ModalitySpec
from tests.models.image_samples import image_modality, image_split
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


# Images.


def with_images(n: int = 9, *, shared: bool = True, seed: int = 0) -> Split:
    """Return ragged sequences and two modalities of images, some absent."""
    split = ragged_split(n=n, seed=seed)
    present = np.random.default_rng(seed).random((2, n)) > 0.3
    images = {
        name: image_modality(shape, present[k], seed=seed + k, shared=shared)
        for k, (name, shape) in enumerate({"picture": (1, 4, 3), "face": (3, 2, 2)}.items())
    }
    return Split({**images, **split.modalities}, split.targets, split.ids, split.words)


def literal_images(split: Split, name: str) -> np.ndarray:
    """Return the images of a modality from 0 to 1, sample by sample."""
    modality = split.modalities[name]
    out = np.zeros((len(split), *modality.shape))
    for i in range(len(split)):
        if modality.present[i]:
            row = i if modality.rows is None else modality.rows[i]
            out[i] = modality.values[row] / 255
    return out


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_are_those_of_their_rows_and_zero_where_absent(
    shared: bool, dtype: torch.dtype
) -> None:
    split = with_images(shared=shared)
    inputs = Inputs.from_split(split).to("cpu", dtype)
    index = torch.tensor([7, 0, 3, 3, 8])
    for name in ("picture", "face"):
        expected = literal_images(split, name)
        tolerance = 1e-7 if dtype == torch.float32 else 1e-15
        for found, rows in ((inputs.gather(), slice(None)), (inputs[index], index.numpy())):
            assert found.values[name].dtype == dtype
            np.testing.assert_allclose(found.values[name], expected[rows], rtol=0, atol=tolerance)
            assert not found.values[name][~found.present[name]].any()


def test_images_stay_uint8_where_they_lie_until_a_batch() -> None:
    split = with_images()
    inputs = Inputs.from_split(split)
    for held in (inputs, inputs.to("cpu", torch.float64), inputs.to("cpu")):
        assert not {"picture", "face"} & set(held.values)
        for name, one in held.images.items():
            assert one.images.dtype == torch.uint8 and one.rows.dtype == torch.int64
            assert one.images.data_ptr() == split.modalities[name].values.ctypes.data
    batch = inputs[torch.tensor([1, 2])]
    assert batch.images == {} and batch.values["picture"].shape == (2, 1, 4, 3)
    for name, one in inputs.images.items():  # Nor has the batch written into them.
        np.testing.assert_array_equal(one.images, with_images().modalities[name].values)


def test_splits_of_a_corpus_share_their_images() -> None:
    split = image_split(n=8)
    halves = [Inputs.from_split(split.select(rows)) for rows in (slice(0, 4), slice(4, 8))]
    for name in split.modalities:
        first, second = (half.images[name].images.data_ptr() for half in halves)
        assert first == second == split.modalities[name].values.ctypes.data


def test_a_batch_of_many_images_takes_the_memory_of_the_batch() -> None:
    present = np.ones(4000, dtype=bool)
    many = image_modality((1, 28, 28), present)
    targets = Targets(np.zeros((4000, 1), np.float32), ("y",), "regression")
    split = Split({"a": many, "b": many}, targets, np.arange(4000).astype(str))
    tracemalloc.start()  # Of NumPy's copies; those of torch are seen by data_ptr above.
    try:
        inputs = Inputs.from_split(split)
        inputs[torch.arange(8)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < many.values.nbytes / 10


def test_gathering_twice_is_gathering_once() -> None:
    inputs = Inputs.from_split(with_images())
    once = inputs.gather()
    assert once.gather() is once
    assert inputs.images and not once.images
    assert once.present is inputs.present and once.lengths is inputs.lengths
    again = once[torch.arange(len(once))]
    for name, values in once.values.items():
        assert torch.equal(again.values[name], values)
    sequences = Inputs.from_split(ragged_split())
    assert sequences.gather() is sequences


@given(st.data())
def test_selecting_samples_equals_selecting_from_the_split(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 9))
    seed = data.draw(st.integers(0, 50))
    split = with_images(max(n, 4), shared=data.draw(st.booleans()), seed=seed)
    size = len(split)
    rows = data.draw(st.lists(st.integers(0, size - 1), unique=True, max_size=size))
    by_mask = data.draw(st.booleans())
    if by_mask:
        mask = np.zeros(size, dtype=bool)
        mask[rows] = True
        index = mask
    else:
        index = np.array(rows, dtype=np.int64)
    found = Inputs.from_split(split)[torch.from_numpy(index)]
    expected = Inputs.from_split(split.select(index)).gather()
    assert len(found) == len(expected) == len(rows)
    assert torch.equal(found.lengths, expected.lengths)
    for name in split.modalities:
        assert torch.equal(found.values[name], expected.values[name]), name
        assert torch.equal(found.present[name], expected.present[name])
        assert torch.equal(found.observed(name), expected.observed(name))
    assert set(found.steps) == set(expected.steps) == set(FEATURES)


@given(seed=st.integers(0, 199))
def test_inputs_without_modalities_are_those_of_the_punched_split(seed: int) -> None:
    split = ragged_split(n=12, seed=seed)
    rng = np.random.default_rng(seed)
    holes = {name: rng.random(12) < 0.5 for name in ("language", "visual")}
    lost = {name: torch.from_numpy(mask) for name, mask in holes.items()}
    found = Inputs.from_split(split).without(lost)
    expected = Inputs.from_split(punch(split, holes, fill=np.nan))
    assert torch.equal(found.lengths, expected.lengths)
    for name in split.modalities:
        assert torch.equal(found.present[name], expected.present[name])
        assert torch.equal(found.steps[name], expected.steps[name])
        assert torch.equal(found.values[name], expected.values[name])


def test_images_without_modalities_are_black() -> None:
    split = image_split(n=4)
    name = next(iter(split.modalities))
    inputs = Inputs.from_split(split)
    lost = inputs.without({name: torch.tensor([True, False, False, True])})
    assert lost.present[name].tolist() == [False, True, True, False]
    assert inputs.present[name].tolist() == [False, True, True, True]
    assert not lost.values[name][[0, 3]].any()
    assert torch.equal(lost.values[name][1:3], inputs.gather().values[name][1:3])


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_batches_are_the_samples_in_their_order(size: int) -> None:
    split = ragged_split()
    inputs = Inputs.from_split(split)
    batches = list(inputs.batches(size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    for name, values in inputs.values.items():
        torch.testing.assert_close(torch.cat([batch.values[name] for batch in batches]), values)
