"""COVAREP's MATLAB files, against SciPy's, h5py's and those written by hand."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.sparse
from scipy.io import savemat

from mfm_pipeline.datasets.covarep import Covarep
from mfm_pipeline.datasets.track import MAX_FEATURES
from tests.datasets.feature_files import COMPLEX, VALUES, check, refuses, written


def save_hdf5(path: Path, **variables: Any) -> Path:
    """Write as MATLAB 7.3 does: a userblock, and arrays the other way round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            file[name] = value
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_covarep_of_matlab_5(tmp_path: Path, packed: bool, dtype: str) -> None:
    path = tmp_path / "a.mat"
    others = {"names": np.array(["a", "b"], dtype=object), "x": {"y": 1}, "s": "text"}
    savemat(path, {**others, "features": VALUES.astype(dtype)}, do_compression=packed)
    intervals = [[0, 0.01], [0.01, 0.02], [0.02, 0.03], [0.03, 0.04]]
    check(Covarep().read(path), intervals, VALUES.astype(dtype))
    assert Covarep().columns(path) == ("feature 0", "feature 1", "feature 2")
    check(Covarep(rate=1).read(path), [[0, 1], [1, 2], [2, 3], [3, 4]], VALUES)


def test_covarep_of_a_long_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    values = np.random.default_rng(0).normal(size=(3000, 74))
    for packed in (False, True):
        savemat(path, {"features": values}, do_compression=packed)
        np.testing.assert_array_equal(Covarep().read(path).features, values.astype(np.float32))


def test_covarep_of_a_big_endian_machine(tmp_path: Path) -> None:
    def part(code: int, content: bytes) -> bytes:
        return struct.pack(">II", code, len(content)) + content + bytes(-len(content) % 8)

    # Doubles that are whole numbers are stored as bytes; a short name lies in its tag.
    content = part(6, struct.pack(">II", 6, 0)) + part(5, struct.pack(">ii", 2, 3))
    content += part(1, b"features") + part(2, bytes([1, 2, 3, 4, 5, 6]))
    other = part(6, struct.pack(">II", 6, 0)) + part(5, struct.pack(">ii", 1, 1))
    other += struct.pack(">HH4s", 1, 1, b"x") + struct.pack(">HH4s", 1, 2, b"\x09")
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    path = written(tmp_path, "a.mat", header + part(14, other) + part(14, content))
    check(Covarep(rate=2).read(path), [[0, 0.5], [0.5, 1]], [[1, 3, 5], [2, 4, 6]])


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_covarep_of_matlab_73(tmp_path: Path, options: dict[str, Any]) -> None:
    path = save_hdf5(tmp_path / "a.mat")
    with h5py.File(path, "a") as file:
        file.create_dataset("features", data=VALUES.T, **options)
    intervals = [[0, 0.01], [0.01, 0.02], [0.02, 0.03], [0.03, 0.04]]
    check(Covarep().read(path), intervals, VALUES)
    assert Covarep().columns(path) == ("feature 0", "feature 1", "feature 2")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.array([[1.0], ["a"]], dtype=object), "a cell array"),
        ({"a": 1.0}, "a struct"),
        ("text", "text"),
        (scipy.sparse.eye_array(3).tocsc(), "a sparse matrix"),
        (COMPLEX, "complex numbers of shape (4, 3)"),
        (VALUES > 0, "booleans of shape (4, 3)"),
        (np.zeros((2, 2, 2)), "shape (2, 2, 2)"),
        (np.zeros((0, 3)), "0 frames of 3 features"),
        (np.zeros((2, 0)), "2 frames of 0 features"),
        (np.zeros((1, MAX_FEATURES + 1)), f"1 frames of {MAX_FEATURES + 1} features"),
    ],
)
def test_covarep_refuses_what_is_no_matrix(tmp_path: Path, value: Any, found: str) -> None:
    path = tmp_path / "a.mat"
    for packed in (False, True):
        savemat(path, {"features": value}, do_compression=packed)
        refuses(Covarep(), path, "features: found", found, "expected")


@pytest.mark.parametrize(
    "value", [COMPLEX, np.zeros(3), np.zeros((3, 0)), np.array([b"a"]), VALUES > 0]
)
def test_covarep_refuses_what_is_no_matrix_in_matlab_73(tmp_path: Path, value: Any) -> None:
    refuses(Covarep(), save_hdf5(tmp_path / "a.mat", features=value), "features: found")


def test_covarep_without_features(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"feature": VALUES})
    refuses(Covarep(), path, "features: missing; found 'feature'")
    refuses(Covarep(), save_hdf5(path, other=VALUES), "features: missing; found 'other'")
    refuses(Covarep(), written(tmp_path, "b.mat", "text" * 50), "not a MATLAB 5 file")
    refuses(Covarep(), written(tmp_path, "c.mat", b""), "empty")
    refuses(Covarep(), tmp_path / "none.mat", "no such file")
    savemat(path, {"features": VALUES}, format="4")
    refuses(Covarep(), path, "not a MATLAB 5 file")


def packed_variable(content: bytes, claimed: int) -> bytes:
    packed = zlib.compress(struct.pack("<II", 14, claimed) + content)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return header + struct.pack("<II", 15, len(packed)) + packed


def test_covarep_refuses_sizes_that_are_not_there(tmp_path: Path) -> None:
    head = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 2**20, 200)
    named = head + struct.pack("<II8s", 1, 8, b"features")
    bomb = packed_variable(named + struct.pack("<II", 9, 2**31) + bytes(2**20), 2**31)
    refuses(Covarep(), written(tmp_path, "a.mat", bomb), "times what is stored")
    few = packed_variable(named + struct.pack("<II", 2, 2**20) + bytes(2**20), 56 + 2**20)
    refuses(Covarep(), written(tmp_path, "b.mat", few), "times what is stored")
    name = packed_variable(head + struct.pack("<II", 1, 2**28) + bytes(2**20), 2**28)
    refuses(Covarep(), written(tmp_path, "c.mat", name), "more than there are")
    good = io.BytesIO()
    savemat(good, {"features": VALUES})
    cut = written(tmp_path, "d.mat", good.getvalue()[:-8])
    refuses(Covarep(), cut, "of a variable, of which")


def test_covarep_sees_changed_numbers_by_zlibs_checksum(tmp_path: Path) -> None:
    good = io.BytesIO()
    savemat(good, {"features": VALUES}, do_compression=True)
    content = bytearray(good.getvalue())
    content[-1] ^= 1
    refuses(Covarep(), written(tmp_path, "a.mat", bytes(content)), "incorrect data check")
