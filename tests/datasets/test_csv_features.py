"""Features in CSV files whose frames are known."""

import time
from pathlib import Path

import numpy as np
import pytest

from mfm_pipeline.datasets.facet import Facet
from mfm_pipeline.datasets.openface import OpenFace
from mfm_pipeline.datasets.opensmile import OpenSmile
from mfm_pipeline.datasets.table import Table
from mfm_pipeline.datasets.track import MAX_FEATURES
from mfm_pipeline.errors import DataError, ParameterError
from tests.datasets.feature_files import OPENFACE, check, refuses, written

# Facet


def test_facet(tmp_path: Path) -> None:
    text = "frame,x,y,w,h,joy, anger\n1,a,b,c,d,0.25,NaN\n2,,,,, ,-inf\n3,a,b,c,d,1e2,nan\n"
    path = written(tmp_path, "a.csv", text)
    features = [[0.25, np.nan], [np.nan, -np.inf], [100, np.nan]]
    check(Facet().read(path), [[0, 1 / 30], [1 / 30, 2 / 30], [2 / 30, 0.1]], features)
    assert Facet().columns(path) == ("joy", "anger")
    assert Facet(bookkeeping=6).columns(path) == ("anger",)
    anger = [[np.nan], [-np.inf], [np.nan]]
    check(Facet(rate=10, bookkeeping=6).read(path), [[0, 0.1], [0.1, 0.2], [0.2, 0.3]], anger)
    refuses(Facet(bookkeeping=7), path, "found 7 columns")


def test_numbers_as_programs_write_them(tmp_path: Path) -> None:
    fields = ["1", "+1.5", "-.5", "5.", "1E-3", " 2 ", "-nan(ind)", "-nan", "Infinity", "1e400"]
    expected = [1, 1.5, -0.5, 5, 1e-3, 2, np.nan, np.nan, np.inf, np.inf]
    for end in ("\n", "\r\n", "\r"):
        for quote in ("", '"'):
            lines = ["\ufeffx,y", *(f"{quote}{field}{quote},0" for field in fields)]
            path = written(tmp_path, "a.csv", end.join(lines) + end * 2)
            found = Facet(bookkeeping=0).read(path)
            np.testing.assert_array_equal(found.features[:, 0], np.float32(expected))
            assert Facet(bookkeeping=0).columns(path) == ("x", "y")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("a,b\n1,2\n3,x\n", "line 3, column 'b': found 'x'; expected a number"),
        ("a,b\n1,True\n3,False\n", "line 2, column 'b': found 'True'"),
        ("a,b\n1,2\n3,1_0\n", "line 3, column 'b': found '1_0'"),
        ("a,b\n1,2\n3,٣\n", "line 3, column 'b'"),
        ("a,b\n1,2\n3,0x1\n", "line 3, column 'b'"),
        ("a,b\n1,2\n3\n", "line 3: found 1 fields; expected 2"),
        ("a,b\n1,2\n3,4,5\n6\n", "line 3: found 3 fields; expected 2"),
        ("a,b\n1,2,3\n4,5,6\n", "line 2: found 3 fields; expected 2"),
        ("a,b\n1,2\n\n3,4\n", "line 3: found 1 fields; expected 2"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: found a quoted field without an end"),
        ("a,b,a\n1,2,3\n", "columns 1 and 3 both called 'a'"),
        ("a,,b\n1,2,3\n", "no name of column 2"),
        ("a,b\n", "a header without rows"),
        ("\n1,2\n", "header: found 0 columns"),
        ("a,b\n1,\0\n", "NUL"),
        ("\0", "NUL"),
        (b"a,b\n1,\xff\n", "UTF-8"),
        (b"\xff\xfea\0", "UTF-8"),
        (",".join(map(str, range(MAX_FEATURES + 1))), f"found {MAX_FEATURES + 1} columns"),
        ("a" * (4 * 2**20 + 1), "more than 4194304 characters"),
        ("", "empty"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str | bytes, fragment: str) -> None:
    refuses(Facet(bookkeeping=0), written(tmp_path, "a.csv", text), fragment)


def test_a_large_table_is_read_quickly(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3600, 50)).round(6)
    rows = "".join(",".join(map(str, row)) + "\n" for row in values.tolist()) * 10
    path = written(tmp_path, "a.csv", ",".join(f"f{i}" for i in range(50)) + "\n" + rows)
    start = time.process_time()
    found = Facet(bookkeeping=0).read(path)
    assert time.process_time() - start < 2  # 0.3 s where nothing else runs.
    np.testing.assert_array_equal(found.features, np.tile(values, (10, 1)).astype(np.float32))


# OpenFace


def test_openface(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", OPENFACE)
    intervals = [[0, 0.04], [0.08, 0.12], [0.12, 0.17], [0.17, 0.21]]
    features = [[0.5, 10, 1], [0.8, 40, 4], [1.0, 60, 6], [1.2, 80, 8]]
    check(OpenFace().read(path), intervals, features)
    assert OpenFace().columns(path) == ("AU01_r", "x_0", "X_0")
    check(OpenFace(min_confidence=0.9).read(path), intervals[:3], features[:3])


def test_openface_without_face_ids_or_faces(tmp_path: Path) -> None:
    lines = [[f for i, f in enumerate(line.split(",")) if i != 1] for line in OPENFACE.split("\n")]
    path = written(tmp_path, "a.csv", "\n".join(map(",".join, lines)))
    found = OpenFace().read(path)
    np.testing.assert_array_equal(found.features[:, 1], [10, 40, 50, 80])
    nobody = OpenFace(min_confidence=1).read(path)
    assert nobody.intervals.shape == (0, 2) and nobody.features.shape == (0, 3)


def test_openface_errors(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", OPENFACE.replace(" success", " other"))
    refuses(OpenFace(), path, "found no column 'success'")
    path = written(tmp_path, "b.csv", OPENFACE.replace("0.040", "inf"))
    refuses(OpenFace(), path, "line 3, column 'timestamp': found inf")
    path = written(tmp_path, "c.csv", "\n".join(OPENFACE.split("\n")[:2]))
    refuses(OpenFace(), path, "at least two frames")
    path = written(tmp_path, "d.csv", "timestamp,confidence,success\n0,1,1\n1,1,1\n")
    refuses(OpenFace(), path, "no column after 'success'")
    with pytest.raises(ParameterError, match="min_confidence is 2"):
        OpenFace(min_confidence=2)


# openSMILE


@pytest.mark.parametrize("names", ["'unknown'", '"a;b"', '"a, ""b"""'])
def test_opensmile(tmp_path: Path, names: str) -> None:
    text = "name;frameIndex;frameTime;F0;loudness\n"
    for index, when in enumerate([0.0, 0.01, 0.02, 0.04]):
        text += f"{names};{index};{when};{index / 4};-1\n"
    path = written(tmp_path, "a.csv", text)
    intervals = [[0, 0.01], [0.01, 0.02], [0.02, 0.04], [0.04, 0.05]]
    check(OpenSmile().read(path), intervals, [[0, -1], [0.25, -1], [0.5, -1], [0.75, -1]])
    assert OpenSmile().columns(path) == ("F0", "loudness")


def test_opensmile_errors(tmp_path: Path) -> None:
    head = "frameTime;F0\n"
    refuses(OpenSmile(), written(tmp_path, "a.csv", head + "0;1\n"), "at least two frames")
    path = written(tmp_path, "b.csv", head + "0;1\n0.5;1\n0.5;1\n")
    refuses(OpenSmile(), path, "line 4, column 'frameTime': found time 0.5 after 0.5", "increase")
    path = written(tmp_path, "c.csv", head + "0;1\n;1\n")
    refuses(OpenSmile(), path, "line 3, column 'frameTime': found nan; expected finite seconds")
    refuses(OpenSmile(), written(tmp_path, "d.csv", "name;F0\n'a';1\n"), "'frameTime'")
    refuses(OpenSmile(), written(tmp_path, "e.csv", "frameTime;name\n1;a\n"), "features too")


# Tables


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_table_with_starts_and_ends(tmp_path: Path, separator: str) -> None:
    text = "a, END ,b,Start\n1,2.5,2,2\n3,1,4,0.5\n".replace(",", separator)
    path = written(tmp_path, "a.csv", text)
    check(Table().read(path), [[2, 2.5], [0.5, 1]], [[1, 2], [3, 4]])
    assert Table().columns(path) == ("a", "b")
    check(Table(rate=5).read(path), [[2, 2.5], [0.5, 1]], [[1, 2], [3, 4]])


@pytest.mark.parametrize("name", ["time", "TimeStamp", "frameTime"])
def test_table_with_times(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "a.csv", f"a,{name}\n1,-1\n2,0\n3,4\n4,5\n")
    check(Table().read(path), [[-1, 0], [0, 4], [4, 5], [5, 6]], [[1], [2], [3], [4]])


def test_table_at_a_rate(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a\n1\n2\n")
    check(Table(rate=4).read(path), [[0, 0.25], [0.25, 0.5]], [[1], [2]])
    refuses(Table(), path, "start and end", "rate")
    with pytest.raises(DataError, match="found no times"):
        Table().columns(path)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("start,a\n1,2\n", "found columns start; expected"),
        ("start,end,time,a\n1,2,3,4\n", "found columns start, end, time; expected"),
        ("time,timestamp,a\n1,2,3\n", "found columns time, timestamp; expected"),
        ("time,Time,a\n1,2,3\n", "columns 1 and 2 called 'time'"),
        ("start,end\n1,2\n", "expected features too"),
        ("start,end,a\n0,1,1\n2,1,1\n", "line 3, column 'start': found start 2.0 and end 1.0"),
        ("start,end,a\n0,1,1\n2,nan,1\n", "line 3, column 'start': found [2.0, nan]"),
        ("time,a\n0,1\n1e10,1\n", "line 3, column 'time': found 10000000000.0"),
        ("time,a\n0,1\n1,word\n", "line 3, column 'a': found 'word'"),
    ],
)
def test_table_errors(tmp_path: Path, text: str, fragment: str) -> None:
    refuses(Table(rate=1), written(tmp_path, "a.csv", text), fragment)
