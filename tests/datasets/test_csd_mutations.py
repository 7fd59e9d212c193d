"""Whatever is done to a .csd file: data, or the project's error."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfm_pipeline.datasets.csd import ComputationalSequence, read_sequence, write_sequence
from mfm_pipeline.errors import DataError
from tests.datasets.sequences import covarep, words

pytestmark = pytest.mark.mutations
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        write_sequence(Path(folder) / "numbers.csd", covarep())
        write_sequence(Path(folder) / "words.csd", words())
        yield Path(folder)


def _read(path: Path) -> None:
    try:
        found = read_sequence(path)
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return
    assert isinstance(found, ComputationalSequence)
    for intervals, features in found.entries.values():
        assert intervals.dtype == np.float64 and intervals.shape == (len(features), 2)
        assert np.isfinite(intervals).all()
        assert features.dtype == np.float32 or features.dtype.kind == "U"


@relaxed
@given(
    source=st.sampled_from(["numbers.csd", "words.csd"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    early=st.booleans(),
)
def test_changed_bytes(
    folder: Path, source: str, changes: list[tuple[float, int]], cut: float | None, early: bool
) -> None:
    content = bytearray((folder / source).read_bytes())
    reach = 1200 if early else len(content) - 1  # The structure lies early in the file.
    for where, value in changes:
        content[int(where * reach)] = value
    path = folder / "mutated.csd"
    path.write_bytes(content if cut is None else content[: int(cut * len(content))])
    _read(path)


SHAPES = st.lists(st.integers(0, 6), max_size=4).map(tuple)
TYPES = st.sampled_from(
    ["f2", "f4", "f8", ">f8", "i1", "u8", "?", "c8", "S1", "S40", "V3", "f4,S2", "(2,)f4"]
)
FILLS = st.sampled_from([0, 1, -1, np.nan, np.inf, -np.inf, 1e300])


def _array(shape: tuple[int, ...], kind: str, fill: float) -> Any:
    array = np.zeros(shape, dtype=kind)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array[...] = fill
    return array


@st.composite
def values(draw: st.DrawFn) -> Any:
    """Draw what may lie where an array is expected."""
    array = _array(draw(SHAPES), draw(TYPES), draw(FILLS))
    other = [
        None,
        h5py.Empty("f8"),
        h5py.SoftLink("/"),
        h5py.SoftLink("features"),
        h5py.ExternalLink("numbers.csd", "/"),
        np.array(["text"], dtype=h5py.string_dtype()),
        "group",
    ]
    return draw(st.one_of(st.just(array), st.just(array), st.sampled_from(other)))


PLACES = ["data/a/features", "data/a/intervals", "data/b", "data", "metadata", "metadata/md5"]


@relaxed
@given(
    source=st.sampled_from(["numbers.csd", "words.csd"]),
    changes=st.lists(st.tuples(st.sampled_from(PLACES), values()), min_size=1, max_size=3),
)
def test_changed_structure(folder: Path, source: str, changes: list[tuple[str, Any]]) -> None:
    path = folder / "changed.csd"
    path.write_bytes((folder / source).read_bytes())
    with h5py.File(path, "a") as file:
        root = file[next(iter(file))]
        for place, value in sorted(changes, key=lambda change: -change[0].count("/")):
            parent, _, name = place.rpartition("/")
            group = root[parent] if parent else root
            if group.get(name, getlink=True) is not None:
                del group[name]
            if isinstance(value, str):
                group.create_group(name)
            elif value is not None:
                group[name] = value
    _read(path)
