"""NumPy's files of features, sound and not."""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfm_pipeline.datasets.array_file import ArrayFile
from tests.datasets.feature_files import COMPLEX, VALUES, check, refuses, written


@pytest.mark.parametrize("dtype", ["f8", ">f4", "f2", "i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path: Path, dtype: str, order: Any) -> None:
    values = np.array([[1, -2, 3], [4, 5, 100]], dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", values)
    check(ArrayFile(rate=2).read(tmp_path / "a.npy"), [[0, 0.5], [0.5, 1]], values)
    assert ArrayFile().columns(tmp_path / "a.npy") == ("feature 0", "feature 1", "feature 2")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, save: Callable[..., None]) -> None:
    intervals = np.array([[0, 1], [5, 6], [2, 2], [3, 4]])
    path = tmp_path / "a.npz"
    save(path, features=VALUES, intervals=intervals, other=np.array([None]))
    check(ArrayFile().read(path), intervals, VALUES)
    check(ArrayFile(rate=9).read(path), intervals, VALUES)
    save(path, features=VALUES)
    check(ArrayFile(rate=1).read(path), [[0, 1], [1, 2], [2, 3], [3, 4]], VALUES)
    refuses(ArrayFile(), path, "found no intervals", "rate")


@pytest.mark.parametrize(
    ("value", "fragment"),
    [
        (np.array([[None]]), "no numbers of shape (1, 1)"),
        (COMPLEX, "complex numbers"),
        (VALUES[0], "shape (3,)"),
        (VALUES[:0], "0 frames"),
        (np.zeros(2, dtype="f4,f4"), "no numbers"),
        (np.zeros((2, 2), dtype="M8[s]"), "no numbers"),
    ],
)
def test_npy_refuses_what_is_no_matrix(tmp_path: Path, value: Any, fragment: str) -> None:
    np.save(tmp_path / "a.npy", value)
    np.savez(tmp_path / "a.npz", features=value)
    for name in ("a.npy", "a.npz"):
        refuses(ArrayFile(rate=1), tmp_path / name, "features: found", fragment)


def npy_header(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def test_npy_headers_are_not_believed(tmp_path: Path) -> None:
    numbers = np.arange(4.0).tobytes()
    good = written(tmp_path, "good.npy", npy_header("(2, 2)") + numbers)
    check(ArrayFile(rate=1).read(good), [[0, 1], [1, 2]], [[0, 1], [2, 3]])
    python2 = written(tmp_path, "python2.npy", npy_header("(2L, 2L)") + numbers)
    check(ArrayFile(rate=1).read(python2), [[0, 1], [1, 2]], [[0, 1], [2, 3]])
    for shape in (
        "(2**40, 2)",
        "(1099511627776, 16384)",
        "(2, 3)",
        "(1, 2)",
        "(-2, -2)",
        "(" * 999,
    ):
        path = written(tmp_path, "a.npy", npy_header(shape) + numbers)
        refuses(ArrayFile(rate=1), path, "features: found")
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("features.npy", npy_header(shape) + numbers)
        refuses(ArrayFile(rate=1), tmp_path / "a.npz", "features: found")


def test_npz_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, feature=VALUES)
    refuses(ArrayFile(rate=1), path, "features: missing; found 'feature'")
    np.savez(path, features=VALUES, intervals=np.zeros((3, 2)))
    refuses(ArrayFile(), path, "intervals: found shape (3, 2); expected (4, 2)")
    np.savez(path, features=VALUES, intervals=[[0, 1], [1, np.nan], [1, 2], [2, 3]])
    refuses(ArrayFile(), path, "intervals, row 1: found [1.0, nan]")
    np.savez(path, features=VALUES, intervals=[[0, 1], [1, 2], [2, 1], [2, 3]])
    refuses(ArrayFile(), path, "intervals, row 2: found start 2.0 and end 1.0")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("features.npy", npy_header("(1, 1)") + bytes(8))
    refuses(ArrayFile(rate=1), path, "compression 14")
    np.savez_compressed(path, features=np.zeros((2**16, 130)))
    refuses(ArrayFile(rate=1), path, "features: found", "times what is stored")
    refuses(ArrayFile(rate=1), written(tmp_path, "b.npy", "text"), "features: found damaged data")
    refuses(ArrayFile(rate=1), tmp_path / "none.npz", "no such file")
