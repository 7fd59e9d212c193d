"""Whatever is done to a feature file: a track, or the project's error."""

import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from mfm_pipeline.datasets.array_file import ArrayFile
from mfm_pipeline.datasets.covarep import Covarep
from mfm_pipeline.datasets.csv_table import CsvTable
from mfm_pipeline.datasets.facet import Facet
from mfm_pipeline.datasets.openface import OpenFace
from mfm_pipeline.datasets.opensmile import OpenSmile
from mfm_pipeline.datasets.table import Table
from mfm_pipeline.datasets.track import TrackFormat
from mfm_pipeline.errors import DataError

pytestmark = [pytest.mark.mutations, pytest.mark.filterwarnings("error")]
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXTS = {
    "facet.csv": "a,b,c,d,e,joy,anger\n1,2,3,4,5,0.5,NaN\n2,2,3,4,5,,1e3\n",
    "openface.csv": "frame, face_id, timestamp, confidence, success, x\n"
    "1, 0, 0.0, 0.9, 1, 3\n2, 0, 0.1, 0.9, 1, 4\n2, 1, 0.1, 0.9, 1, 5\n3, 0, 0.2, 0.9, 0, 0\n",
    "opensmile.csv": "name;frameTime;F0\n'a';0.00;1.5\n\"a\";0.01;2.5\n",
    "span.csv": "start,end,a\n0,1,2\n1,2,3\n",
    "times.tsv": "time\ta\n0\t1\n1\t2\n",
}
READERS: dict[str, TrackFormat] = {
    "facet.csv": Facet(),
    "openface.csv": OpenFace(),
    "opensmile.csv": OpenSmile(),
    "span.csv": Table(),
    "times.tsv": Table(),
    "plain.mat": Covarep(),
    "packed.mat": Covarep(),
    "hdf5.mat": Covarep(),
    "array.npy": ArrayFile(rate=10),
    "plain.npz": ArrayFile(),
    "packed.npz": ArrayFile(rate=10),
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    values = np.arange(12.0).reshape(4, 3)
    intervals = np.arange(8.0).reshape(4, 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in TEXTS.items():
            (folder / file).write_text(text)
        savemat(folder / "plain.mat", {"x": 1, "features": values})
        savemat(folder / "packed.mat", {"x": 1, "features": values}, do_compression=True)
        with h5py.File(folder / "hdf5.mat", "w", userblock_size=512) as hdf5:
            hdf5["features"] = values.T
        np.save(folder / "array.npy", values)
        np.savez(folder / "plain.npz", features=values, intervals=intervals)
        np.savez_compressed(folder / "packed.npz", features=values)
        yield folder


def read(reader: TrackFormat, path: Path) -> None:
    width = None
    try:
        width = len(reader.columns(path))
        found = reader.read(path)
    except DataError as error:
        assert path.name in str(error) and len(str(error).splitlines()) == 1
        return
    intervals, features = found
    assert intervals.dtype == np.float64 and intervals.shape == (len(features), 2)
    assert np.isfinite(intervals).all() and (intervals[:, 1] >= intervals[:, 0]).all()
    assert features.dtype == np.float32 and features.shape == (len(intervals), width)


@pytest.mark.parametrize("source", READERS)
def test_unchanged(folder: Path, source: str) -> None:
    assert len(READERS[source].read(folder / source).features) >= 2


@pytest.mark.parametrize("source", READERS)
@relaxed
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_changed_bytes(
    folder: Path, source: str, changes: list[tuple[float, int]], cut: float | None
) -> None:
    content = bytearray((folder / source).read_bytes())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    path = folder / f"mutated_{source}"
    path.write_bytes(content if cut is None else content[: int(cut * len(content))])
    read(READERS[source], path)


FIELDS = ["", "0", "1", "-1", "nan", "inf", "1e999", "x", '"', "'", '"1"', "é", "\0", " ", "\ufeff"]
FIELDS += ["time", "start", "end", "timestamp", "success", "frameTime", "1_0", "True", "9" * 400]
SEPARATORS = [",", ";", "\t", "\n", "\r", "\r\n", "\n\n", ", "]


@pytest.mark.parametrize("source", TEXTS)
@relaxed
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(FIELDS), st.sampled_from(SEPARATORS)),
        min_size=1,
        max_size=4,
    ),
    insert=st.booleans(),
)
def test_changed_fields(
    folder: Path, source: str, changes: list[tuple[float, str, str]], insert: bool
) -> None:
    separator = {"opensmile.csv": ";", "times.tsv": "\t"}.get(source, ",")
    fields = TEXTS[source].replace("\n", f"{separator}\n{separator}").split(separator)
    for where, field, other in changes:
        place = int(where * (len(fields) - 1))
        fields[place : place + (not insert)] = [field, other] if insert else [field]
    text = separator.join(fields).replace(f"{separator}\n{separator}", "\n")
    path = folder / f"fields_{source}"
    path.write_bytes(text.encode())
    read(READERS[source], path)


NUMBERS = st.one_of(
    st.floats(width=64).map(repr),
    st.integers().map(str),
    st.sampled_from(["", "nan", "-nan", "inf", "+1", ".5", "1.", " 2"]),
)


@relaxed
@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6))
def test_quoted_and_plain_numbers_are_the_same(folder: Path, rows: list[tuple[str, str]]) -> None:
    """Two ways lead through the reader: pandas, and row by row for quoted fields."""
    found = []
    for quote in ("", '"'):
        path = folder / "numbers.csv"
        path.write_text("a,b\n" + "".join(f"{quote}{a}{quote},{b}\n" for a, b in rows))
        found.append(CsvTable.open(path).numbers([1, 0]))
    nothing = {"": "nan", "-nan": "nan"}
    expected = [[float(nothing.get(b, b)), float(nothing.get(a, a))] for a, b in rows]
    np.testing.assert_array_equal(found[1], expected)
    np.testing.assert_allclose(found[0], expected, rtol=1e-15)


ARRAYS = st.tuples(
    st.lists(st.integers(0, 5), max_size=3).map(tuple),
    st.sampled_from(["f2", ">f4", "f8", "i1", "u8", "?", "c8", "S3", "f4,S2", "(2,)f4", "O"]),
    st.sampled_from([0, 1, np.nan, np.inf, 1e300]),
)


def array(shape: tuple[int, ...], kind: str, fill: float) -> Any:
    values = np.zeros(shape, dtype=kind)
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            values[...] = fill
    return values


@relaxed
@given(features=ARRAYS, intervals=st.one_of(st.none(), ARRAYS))
def test_changed_arrays(folder: Path, features: Any, intervals: Any) -> None:
    arrays = {"features": array(*features)}
    if intervals is not None:
        arrays["intervals"] = array(*intervals)
    np.save(folder / "changed.npy", arrays["features"])
    np.savez(folder / "changed.npz", **arrays)
    read(ArrayFile(rate=1), folder / "changed.npy")
    read(ArrayFile(rate=1), folder / "changed.npz")
    if arrays["features"].dtype.kind != "O":
        with h5py.File(folder / "changed_hdf5.mat", "w", userblock_size=512) as hdf5:
            hdf5["features"] = arrays["features"]
        read(Covarep(), folder / "changed_hdf5.mat")
    if arrays["features"].dtype.kind in "fiubc" and features[1] != "f2":
        savemat(folder / "changed.mat", {"features": arrays["features"]})
        read(Covarep(), folder / "changed.mat")


@relaxed
@given(
    packed=st.booleans(),
    words=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([0, 1, 5, 6, 7, 9, 14, 15, 17, 2**16 + 1])
                  | st.integers(0, 2**32 - 1)),
        min_size=1, max_size=4,
    ),
)  # fmt: skip
def test_changed_words_of_matlab_5(
    folder: Path, packed: bool, words: list[tuple[int, int]]
) -> None:
    """Types, sizes and shapes are words of four bytes."""
    content = (folder / "plain.mat").read_bytes()
    header, body = content[:128], bytearray(content[128:])
    for place, word in words:
        struct.pack_into("<I", body, 4 * place, word)
    if packed:
        squeezed = zlib.compress(bytes(body[struct.unpack_from("<I", body, 4)[0] % 200 :]))
        body = bytearray(struct.pack("<II", 15, len(squeezed)) + squeezed)
    path = folder / "words.mat"
    path.write_bytes(header + bytes(body))
    read(Covarep(), path)


@relaxed
@given(
    members=st.lists(
        st.tuples(
            st.sampled_from(["features.npy", "intervals.npy", "features", "../x.npy", "é\n"]),
            st.binary(max_size=200),
        ),
        max_size=3,
        unique_by=lambda member: member[0],
    ),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
)
def test_changed_members(folder: Path, members: list[tuple[str, bytes]], method: int) -> None:
    path = folder / "members.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    read(ArrayFile(rate=1), path)
