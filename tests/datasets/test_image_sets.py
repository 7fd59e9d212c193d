"""Sets of images and tables of pairs on disk: as they were, whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.datasets import ImageSetsDataset, WholeParquetDataset
from mfm_pipeline.datasets.library_samples import read_sample_digits, read_sample_photographs
from mfm_pipeline.errors import DataError

RNG = np.random.default_rng(0)


def images(n: int, channels: int) -> LabelledImages:
    pixels = RNG.integers(0, 256, (n, channels, 4, 5), dtype=np.uint8)
    return LabelledImages(pixels, RNG.integers(0, 10, n))


SETS = {"z": images(4, 1), "a": images(3, 3), "m": images(2, 1)}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_sets_come_back_in_their_order(tmp_path: Path) -> None:
    dataset = ImageSetsDataset(filepath=str(tmp_path / "new" / "images.h5"))
    assert not dataset.exists()
    dataset.save(SETS)
    found = dataset.load()
    assert list(found) == ["z", "a", "m"] and dataset.exists()
    for name, expected in SETS.items():
        np.testing.assert_array_equal(found[name].images, expected.images)
        np.testing.assert_array_equal(found[name].labels, expected.labels)


def test_a_save_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "images.h5"
    dataset = ImageSetsDataset(filepath=str(path))
    dataset.save(SETS)
    before = path.read_bytes()
    with pytest.raises(Exception, match="found set 'a/b'; expected a name without '/'"):
        dataset.save({"z": SETS["z"], "a/b": SETS["a"]})
    with monkeypatch.context() as patch:
        patch.setattr(h5py.Group, "create_dataset", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(Exception, match="division by zero"):
            dataset.save(SETS)
    assert path.read_bytes() == before and files(tmp_path) == ["images.h5"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.h5"
    dataset = ImageSetsDataset(filepath=str(path))
    dataset.save(SETS)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(Exception, match=r"images\.h5"):
        dataset.load()
    with h5py.File(path, "w") as file:
        file["a/images"] = np.zeros((2, 1, 3, 3))
        file["a/labels"] = np.zeros(2, np.int64)
    with pytest.raises(Exception, match=r"images\.h5: /a: images are float64"):
        dataset.load()
    with h5py.File(path, "w") as file:
        file["a/images"] = SETS["z"].images
    with pytest.raises(Exception, match=r"/a/labels: missing"):
        dataset.load()


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    dataset = WholeParquetDataset(filepath=str(tmp_path / "new" / "pairs.parquet"))
    table = pd.DataFrame({"id": ["pair_0", "pair_1"], "label": [3, 4]})
    dataset.save(table)
    pd.testing.assert_frame_equal(dataset.load(), table)
    with pytest.raises(Exception, match="object"):
        dataset.save(pd.DataFrame({"id": [object(), object()]}))
    pd.testing.assert_frame_equal(dataset.load(), table)
    assert files(tmp_path / "new") == ["pairs.parquet"]


def test_digits_of_the_library() -> None:
    digits = read_sample_digits()
    assert digits.images.shape == (1797, 1, 8, 8)
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    assert np.bincount(digits.labels).min() > 170
    # The corners of the first image, a zero, are empty; 5 of 16 is what its third pixel has.
    assert digits.labels[0] == 0 and digits.images[0, 0, 0].tolist()[:3] == [0, 0, 80]


def test_photographs_of_the_library() -> None:
    photographs = read_sample_photographs()
    assert [photograph.shape for photograph in photographs] == [(427, 640, 3)] * 2
    assert all(photograph.dtype == np.uint8 for photograph in photographs)


def test_no_library_that_has_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    # As an import of a package that is not there.
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"found no library that has them .* pip install pillow"):
        read_sample_photographs()
