"""SVHN's cropped digits, as SciPy writes files of their layout."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DataCatalog
from scipy.io import savemat

from mfm_pipeline.datasets import svhn
from mfm_pipeline.datasets.svhn import read_svhn
from mfm_pipeline.errors import DataError
from tests.datasets.image_files import write_svhn

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
LABELS = np.array([[10], [1], [9], [10], [5]], np.uint8)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(float), LABELS.T])
@pytest.mark.parametrize("block", [2, 1024])
def test_images_and_labels(
    tmp_path: Path, packed: bool, labels: Any, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svhn, "_BLOCK", block)
    found = read_svhn(write_svhn(tmp_path / "a.mat", IMAGES, labels, packed))
    np.testing.assert_array_equal(found.images, IMAGES)
    assert found.images.flags.c_contiguous
    assert found.labels.dtype == np.int64 and found.labels.tolist() == [0, 1, 9, 0, 5]


def test_pixel_by_pixel(tmp_path: Path) -> None:
    stored = np.zeros((32, 32, 3, 2), np.uint8)
    stored[4, 7, 2, 1] = 200
    savemat(tmp_path / "a.mat", {"y": [[1], [2]], "other": "text", "X": stored})
    images = read_svhn(tmp_path / "a.mat").images
    assert images[1, 2, 4, 7] == 200 and images.sum() == 200


def test_one_image(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"X": np.moveaxis(IMAGES[0], 0, 2), "y": 10})
    found = read_svhn(tmp_path / "a.mat")
    np.testing.assert_array_equal(found.images, IMAGES[:1])
    assert found.labels.tolist() == [0]


GOOD = {"X": np.moveaxis(IMAGES, (0, 1), (3, 2)), "y": LABELS}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"X": IMAGES},
            "X: found numbers of shape (5, 3, 32, 32); expected whole numbers of",
        ),
        ({"X": GOOD["X"][:28, :28]}, "X: found numbers of shape (28, 28, 3, 5)"),
        ({"X": GOOD["X"][..., None].repeat(2, 4)}, "X: found numbers of shape (32, 32, 3, 5, 2)"),
        ({"X": GOOD["X"] / 255}, "X: found numbers of shape (32, 32, 3, 5); expected whole"),
        ({"X": GOOD["X"] > 9}, "X: found booleans of shape (32, 32, 3, 5)"),
        ({"X": GOOD["X"] * 1j}, "X: found complex numbers of shape"),
        ({"X": GOOD["X"].astype("i4") * 99}, "X: found numbers stored as int32; expected uint8"),
        ({"X": "text"}, "X: found text; expected numbers"),
        ({"X": None}, "X: missing; found 'y'"),
        ({"y": None}, "y: missing; found 'X'"),
        ({"y": LABELS[:4]}, "y: found 4 labels; expected 5, as there are images"),
        ({"y": LABELS.repeat(2, 1)}, "y: found numbers of shape (5, 2); expected numbers of shape"),
        ({"y": LABELS * 0}, "y: row 0: found label 0; expected 1 .. 10, of which 10 is the digit"),
        ({"y": LABELS + np.array([[0], [0], [2], [0], [0]])}, "y: row 2: found label 11"),
        ({"y": LABELS - 0.5}, "y: row 0: found label 9.5"),
        ({"y": LABELS * np.nan}, "y: row 0: found label nan"),
        ({"y": LABELS * 1j}, "y: found complex numbers"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "a.mat"
    for packed in (False, True):
        arrays = {name: array for name, array in (GOOD | change).items() if array is not None}
        savemat(path, arrays, do_compression=packed)
        with pytest.raises(DataError, match=re.escape(said)) as caught:
            read_svhn(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_file_that_is_cut_off_or_changed(tmp_path: Path) -> None:
    path = write_svhn(tmp_path / "a.mat", IMAGES, LABELS)
    content = path.read_bytes()
    for damaged in (content[:-200], content[:9000], content[:9000] + b"0" + content[9001:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"a\.mat"):
            read_svhn(path)


def test_from_a_catalog_with_its_digest(tmp_path: Path) -> None:
    path = write_svhn(tmp_path / "a.mat", IMAGES, LABELS)
    digest = "md5:" + hashlib.md5(path.read_bytes()).hexdigest()
    entry = {"type": "mfm_pipeline.datasets.SvhnDataset", "filepath": str(path), "digest": digest}
    other = {**entry, "digest": "md5:" + "0" * 32}
    catalog = DataCatalog.from_config({"svhn": entry, "other": other})
    np.testing.assert_array_equal(catalog.load("svhn").images, IMAGES)
    assert catalog.exists("svhn")
    with pytest.raises(Exception, match=f"found digest {digest}; expected md5:0000"):
        catalog.load("other")
