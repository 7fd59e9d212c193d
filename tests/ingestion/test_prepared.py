"""From prepared arrays to splits."""

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mfm_pipeline.errors import DataError
from tests.ingestion.tiny_corpus import ingest, make_entries, write_corpus


def _arrays(rng: np.random.Generator, n: int, steps: int = 4) -> dict[str, Any]:
    arrays = {
        stem: rng.normal(size=(n, steps, width))
        for stem, width in [("text", 4), ("audio", 3), ("video", 2)]
    }
    arrays["video"][1] = 0  # This sample lacks the modality,
    arrays["audio"][0, :2] = 0  # and this one is padded.
    arrays["y"] = rng.normal(size=(n, 1))
    return arrays


def _write_arrays(folder: Path, *, steps: int = 4, side_by_side: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    written = {}
    for split, n in [("train", 6), ("valid", 3), ("test", 4)]:
        written[split] = arrays = _arrays(rng, n, steps)
        files = {f"{stem}_{split}{'_emb' * (stem == 'text')}": a for stem, a in arrays.items()}
        if side_by_side:
            joined = np.concatenate([arrays[stem] for stem in ("text", "audio", "video")], axis=2)
            files = {f"X_{split}": joined, f"y_{split}": arrays["y"]}
        for name, array in files.items():
            _store(folder / f"{name}.h5", array)
    return written


def _store(path: Path, array: Any) -> None:
    with h5py.File(path, "w") as file:
        file["d1"] = array


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize("steps", [3, 4, 6])
def test_both_prepared_layouts_are_read(side_by_side: bool, steps: int, tmp_path: Path) -> None:
    written = _write_arrays(tmp_path, steps=steps, side_by_side=side_by_side)
    corpus = ingest(tmp_path)
    stems = {"language": "text", "acoustic": "audio", "visual": "video"}
    for split, arrays in written.items():
        found = corpus.splits[split]
        np.testing.assert_array_equal(found.targets.values, arrays["y"].astype(np.float32))
        assert found.words is None and found.ids[0] == f"{split}[0]"
        assert found.modalities["visual"].present.tolist() == [i != 1 for i in range(len(found))]
        for name, stem in stems.items():
            array = np.zeros((len(found), 4, arrays[stem].shape[2]), dtype=np.float32)
            array[:, max(4 - steps, 0) :] = arrays[stem][:, -4:]
            np.testing.assert_array_equal(found.modalities[name].values, array)
            steps_found = found.modalities[name].steps
            np.testing.assert_array_equal(steps_found, (array != 0).any(axis=2))


def test_sequences_come_before_arrays_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _write_arrays(write_corpus(tmp_path, make_entries()))
    assert ingest(tmp_path).train.ids[0] == "v0[0]"
    assert "the prepared form (arrays that are aligned already) lies there too" in caplog.text
    assert ingest(tmp_path, form="prepared").train.ids[0] == "train[0]"


def test_values_that_are_not_finite_become_zero_and_are_counted(tmp_path: Path) -> None:
    array = _write_arrays(tmp_path)["valid"]["audio"]
    array[2, 3, 1] = np.nan
    _store(tmp_path / "audio_valid.h5", array)
    corpus = ingest(tmp_path)
    assert corpus.counts["acoustic steps with NaN or infinity"] == 1
    assert corpus.valid.modalities["acoustic"].values[2, 3, 1] == 0


def test_a_modality_without_training_file_is_left_out(tmp_path: Path) -> None:
    _write_arrays(tmp_path)
    (tmp_path / "text_train_emb.h5").unlink()
    (tmp_path / "video_valid.h5").unlink()
    corpus = ingest(tmp_path)
    assert corpus.left_out == ("language",)
    assert not corpus.valid.modalities["visual"].present.any()


BAD_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "labels missing": ({"y_valid": None}, "labels of split 'valid' missing; expected y_valid.h5"),
    "labels not finite": ({"y_test": np.full((4, 1), np.nan)}, r"y_test\.h5: d1: found 4 label"),
    "constant target": ({"y_train": np.ones((6, 1))}, "target 'sentiment' constant"),
    "empty split": ({"y_valid": np.zeros((0, 1))}, r"y_valid\.h5: d1: found no samples"),
    "labels of another shape": ({"y_test": np.zeros((4, 1, 2))}, r"found shape \(4, 1, 2\)"),
    "too many columns": ({"y_test": np.zeros((4, 2))}, "found 2 label column"),
    "sizes": ({"audio_test": np.ones((5, 4, 3))}, "found 5 samples; expected 4"),
    "width": ({"audio_test": np.ones((4, 4, 9))}, "found 9 features; expected 3.*audio_train"),
    "axes": ({"audio_test": np.ones((4, 4))}, r"found shape \(4, 4\); expected \(samples, steps"),
    "no modality": ({"audio_train": None, "video_train": None}, "found 1 modality"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_one_clear_error(name: str, tmp_path: Path) -> None:
    changes, message = BAD_ARRAYS[name]
    _write_arrays(tmp_path)
    for stem, array in changes.items():
        (tmp_path / f"{stem}.h5").unlink()
        if array is not None:
            _store(tmp_path / f"{stem}.h5", array)
    with pytest.raises(DataError, match=message) as caught:
        ingest(tmp_path)
    assert "\n" not in str(caught.value)


def test_too_few_columns_side_by_side_are_said(tmp_path: Path) -> None:
    _write_arrays(tmp_path, side_by_side=True)
    modalities = {name: {"columns": [0, 10]} for name in ("language", "acoustic")}
    with pytest.raises(DataError, match=r"found 9 features; expected at least 10, as ingestion\."):
        ingest(tmp_path, modalities=modalities)


def test_a_folder_with_other_files_says_what_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(DataError) as caught:
        ingest(tmp_path)
    for wanted in [str(tmp_path), "*Labels.csd", "*COVAREP.csd", "y_train.h5", "audio_train.h5"]:
        assert wanted in str(caught.value)
