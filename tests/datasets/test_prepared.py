from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfm_pipeline.datasets import PreparedArray
from mfm_pipeline.datasets.prepared import find_array
from mfm_pipeline.errors import DataError


def test_both_file_names_are_found() -> None:
    files = ("text_train_emb.h5", "audio_train.h5", "audio_train.txt")
    assert find_array(files, "text", "train") == "text_train_emb.h5"
    assert find_array(files, "audio", "train") == "audio_train.h5"
    assert find_array(files, "audio", "valid") is None


def test_the_shape_is_known_before_the_array_is_read(tmp_path: Path) -> None:
    stored = np.arange(24.0).reshape(2, 3, 4)
    with h5py.File(tmp_path / "audio_train.h5", "w") as file:
        file["d1"] = stored
    array = PreparedArray(tmp_path / "audio_train.h5")
    assert array.shape == (2, 3, 4)
    np.testing.assert_array_equal(array.read(), stored)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("d2", [1.0], "/d1: missing; found 'd2'"), ("d1", [b"a"], "d1: found .*expected numbers")],
)
def test_what_is_no_array_of_numbers_is_refused(
    name: str, value: list[object], message: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "y_train.h5", "w") as file:
        file[name] = value
    with pytest.raises(DataError, match=message) as caught:
        PreparedArray(tmp_path / "y_train.h5")
    assert "y_train.h5" in str(caught.value)


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "y_train.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match=r"y_train\.h5"):
        PreparedArray(tmp_path / "y_train.h5")


@pytest.mark.mutations
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    packed=st.booleans(),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    cut=st.none() | st.floats(0, 1),
    early=st.booleans(),
)
def test_changed_bytes(
    tmp_path: Path,
    packed: bool,
    changes: list[tuple[float, int]],
    cut: float | None,
    early: bool,
) -> None:
    path = tmp_path / "audio_train.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("d1", data=np.arange(24.0).reshape(2, 3, 4), compression=9 * packed)
    content = bytearray(path.read_bytes())
    reach = 1200 if early else len(content) - 1  # The structure lies early in the file.
    for where, value in changes:
        content[int(where * reach)] = value
    path.write_bytes(content if cut is None else content[: int(cut * len(content))])
    try:
        array = PreparedArray(path)
        assert array.read().shape == array.shape
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
