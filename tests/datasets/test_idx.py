"""IDX files, written by hand and real ones."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DataCatalog

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.datasets import IdxDataset
from mfm_pipeline.datasets.idx import IMAGES, LABELS, read_idx, read_labelled_images
from mfm_pipeline.errors import DataError
from tests.conftest import SHARED_DATA
from tests.datasets.image_files import idx, write_idx

PIXELS = np.arange(2 * 3 * 4).reshape(2, 3, 4)
DIGITS = np.array([9, 0])


def md5(content: bytes) -> str:
    return "md5:" + hashlib.md5(content).hexdigest()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_packed_or_not_is_seen_by_the_content(tmp_path: Path, packed: bool, name: str) -> None:
    found = read_idx(write_idx(tmp_path / name, PIXELS, packed), IMAGES)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, PIXELS)
    labels = read_idx(write_idx(tmp_path / name, DIGITS, packed), LABELS)
    np.testing.assert_array_equal(labels, DIGITS)


def test_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes.fromhex("00000803 00000001 00000002 00000003 010203 0405ff"))
    np.testing.assert_array_equal(read_idx(path, IMAGES), [[[1, 2, 3], [4, 5, 255]]])


@pytest.mark.parametrize("packed", [False, True])
def test_the_digest_is_of_the_file_unpacked(tmp_path: Path, packed: bool) -> None:
    path = write_idx(tmp_path / "a", PIXELS, packed)
    read_idx(path, IMAGES, md5(idx(PIXELS)))
    read_idx(path, IMAGES, "sha256:" + hashlib.sha256(idx(PIXELS)).hexdigest())
    other = md5(b"")
    said = f"{path}: unpacked: found digest {md5(idx(PIXELS))}; expected {other}"
    with pytest.raises(DataError, match=re.escape(said)):
        read_idx(path, IMAGES, other)


BYTES = idx(PIXELS)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(DIGITS), "magic number 0x00000801, that of labels; expected 0x00000803, that of"),
        (b"\x89PNG" + BYTES[4:], "found magic number 0x89504e47; expected 0x00000803"),
        (b"\0\0\x0d\3" + BYTES[4:], "found magic number 0x00000d03; expected 0x00000803"),
        (BYTES[:-1], "images: found 23 bytes; expected 24, as the shape is (2, 3, 4)"),
        (BYTES + b"0", "images: found more than 24 bytes; expected 24"),
        (BYTES[:16], "images: found 0 bytes; expected 24"),
        (BYTES[:10], "images: found damaged data"),
        (BYTES[:3], "images: found damaged data"),
        (struct.pack(">4I", IMAGES, *[2**32 - 1] * 3) + BYTES, "images: found 40 bytes; expected"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, said: str, packed: bool) -> None:
    path = tmp_path / "a-ubyte"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        read_idx(path, IMAGES)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(BYTES)
    path = tmp_path / "a"
    for content in (packed[:-9], packed[:-8] + b"00000000", packed[:12]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="a: images: found damaged data"):
            read_idx(path, IMAGES)


def test_a_bomb(tmp_path: Path) -> None:
    path = write_idx(tmp_path / "a", np.zeros((8, 1024, 1024), np.uint8), packed=True)
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match="unpacks to more than 200 times its size"):
        read_idx(path, IMAGES)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none: no such file; expected an intact IDX file"):
        read_idx(tmp_path / "none", IMAGES)
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match=r"empty: found an empty file \(0 bytes\)"):
        read_idx(tmp_path / "empty", IMAGES)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([1, 2, 3], "labels: found 3 labels; expected 2, as there are images in images"),
        ([1, 10], "labels: row 1: found label 10; expected 0 .. 9"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, labels: list[int], said: str) -> None:
    paths = write_idx(tmp_path / "images", PIXELS), write_idx(tmp_path / "labels", np.array(labels))
    with pytest.raises(DataError, match=re.escape(said)):
        read_labelled_images(*paths)


def test_from_a_catalog(tmp_path: Path) -> None:
    write_idx(tmp_path / "images.gz", PIXELS, packed=True)
    write_idx(tmp_path / "labels", DIGITS)
    entry: dict[str, Any] = {
        "type": "mfm_pipeline.datasets.IdxDataset",
        "filepath": str(tmp_path / "images.gz"),
        "labels": str(tmp_path / "labels"),
        "digest": md5(BYTES),
        "labels_digest": md5(idx(DIGITS)),
    }
    catalog = DataCatalog.from_config({"mnist": entry})
    found = catalog.load("mnist")
    assert isinstance(found, LabelledImages) and catalog.exists("mnist")
    np.testing.assert_array_equal(found.images[:, 0], PIXELS)
    np.testing.assert_array_equal(found.labels, DIGITS)
    wrong = IdxDataset(filepath=entry["filepath"], labels=entry["labels"], labels_digest=md5(b""))
    with pytest.raises(Exception, match="labels: unpacked: found digest"):
        wrong.load()


def test_real_mnist() -> None:
    folder = SHARED_DATA / "mnist"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    found = read_labelled_images(
        folder / "t10k-images-idx3-ubyte.gz",
        folder / "t10k-labels-idx1-ubyte.gz",
        "md5:2646ac647ad5339dbf082846283269ea",
        "md5:27ae3e4e09519cfbb04c329615203637",
    )
    assert found.images.shape == (10_000, 1, 28, 28)
    # As published.
    each = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    np.testing.assert_array_equal(np.bincount(found.labels), each)
    assert found.images.mean() / 255 == pytest.approx(0.1325, abs=1e-4)
