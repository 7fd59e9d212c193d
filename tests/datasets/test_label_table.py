from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.io.core import DatasetError

from mfm_pipeline.data import Task
from mfm_pipeline.datasets import text_table
from mfm_pipeline.datasets.label_table import LabelTable, LabelTableDataset, read_label_table
from mfm_pipeline.errors import DataError


def _read(folder: Path, content: str | bytes) -> LabelTable:
    path = folder / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_label_table(path)


SEGMENTS = """\
Video , START,end,Split, speaker,Sentiment,Note
007,0,1.5,train,Ann,-1.5,"one, two"
007, 1.5 ,2e1,train,Ann,2,
1e5,,,DEV,Bob,+.5,"über ""x\"""

b[3],0.25,3,test,Bob,1e-2,x
"""


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_is_read_as_text(separator: str, end: str, mark: str, tmp_path: Path) -> None:
    lines = [line.replace("one, two", "one| two") for line in SEGMENTS.splitlines()]
    content = end.join(line.replace(",", separator) for line in lines).replace("|", ",")
    found = _read(tmp_path, mark + content)
    assert found.videos.tolist() == ["007", "007", "1e5", "b[3]"]
    assert found.ids.tolist() == ["007[0]", "007[1]", "1e5", "b[3][0]"]
    np.testing.assert_array_equal(
        found.intervals, [[0, 1.5], [1.5, 20], [np.nan, np.nan], [0.25, 3]]
    )
    assert found.splits is not None and found.splits.tolist() == ["train", "train", "valid", "test"]
    assert found.speakers is not None and found.speakers.tolist() == ["Ann", "Ann", "Bob", "Bob"]
    assert {name: cells.tolist() for name, cells in found.columns.items()} == {
        "Sentiment": ["-1.5", "2", "+.5", "1e-2"],
        "Note": ["one, two", "", 'über "x"', "x"],
    }
    assert found.table.lines.tolist() == [2, 3, 4, 6]
    labels = found.labels(("sentiment",), "regression")
    assert labels.dtype == np.float64 and labels.tolist() == [[-1.5], [2], [0.5], [0.01]]


def test_the_least_that_is_wanted(tmp_path: Path) -> None:
    found = _read(tmp_path, "ID,y\na,1\nb,2\na,3")
    assert found.videos.tolist() == ["a", "b", "a"]
    assert found.ids.tolist() == ["a[0]", "b", "a[1]"]
    assert found.splits is None and found.speakers is None and np.isnan(found.intervals).all()
    with_both = _read(tmp_path, "id,video,y\n1,a,2\n")
    assert with_both.videos.tolist() == ["a"] and list(with_both.columns) == ["id", "y"]


def test_segments_name_samples(tmp_path: Path) -> None:
    found = _read(tmp_path, "video,segment,y\na,07,1\na,,1\na,x,1\nb,0,1\nc,,1\n")
    assert found.ids.tolist() == ["a[07]", "a[1]", "a[x]", "b[0]", "c"]


def test_columns_without_names_and_empty_rows_are_left_out(tmp_path: Path) -> None:
    found = _read(tmp_path, ",video,y,\n0,a,1,\n,,,\n1,b,2,\n")
    assert list(found.columns) == ["y"] and found.ids.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"empty file \(0 bytes\)"),
        ("\n\n", "header: found columns none; expected a column 'video' or 'id'"),
        ("video,y\n", "found a header and no rows"),
        ("name,y\na,1\n", "header: found columns 'name', 'y'; expected a column 'video' or 'id'"),
        ("name;y;z\na;1;2\n", "header: found columns 'name', 'y', 'z'; expected"),
        ("video,y,Y\na,1,2\n", "header: found column 'y' twice"),
        ("video,y\na,1\nb\n", "line 3: found 1 cells; expected 2"),
        ("video,y\na,1,2\n", "line 2: found 3 cells; expected 2"),
        ('video,y\na,"1\n', "line 2: found no CSV"),
        ('video,y\na,"1"2\n', "line 2: found no CSV"),
        ("video,y\na,1\n,2\n", "line 3, column 'video': found an empty cell; expected a video"),
        ("video,start,y\na,0,1\n", "found column 'start'; expected a column 'end' too"),
        ("video,end,y\na,0,1\n", "found column 'end'; expected a column 'start' too"),
        ("video,start,end\na,0,\n", "line 2, column 'end': found an empty cell; expected seconds"),
        ("video,start,end\na,,1\n", "line 2, column 'start': found an empty cell; expected sec"),
        ("video,start,end\na,,\na,1_0,20\n", "line 3, column 'start': found '1_0'; expected sec"),
        ("video,start,end\na,nan,1\n", "column 'start': found 'nan'; expected seconds"),
        ("video,start,end\na,0,1e999\n", "column 'end': found '1e999'; expected seconds"),
        (
            "video,start,end\na,-1,1\n",
            "line 2, column 'start': found '-1'; expected seconds from 0",
        ),
        ("video,start,end\na,0,1\nb,0,1\na,0,1.0\n", r"line 4: found 'a' from 0 to 1 s again, as"),
        ("video,start,end\na,1,1\n", "line 2, column 'end': found '1'; expected more than the st"),
        ("video,split\na,dev\nb,trial\n", "line 3, column 'split': found 'trial'; expected train"),
        ("video,speaker\na,\n", "line 2, column 'speaker': found an empty cell; expected a speak"),
        ("video,segment\na,1\nb,1\na,1\n", r"line 4: found 'a\[1\]' again, as in line 2"),
        ("video,segment\na,1\na,\n", r"line 3: found 'a\[1\]' again, as in line 2"),
        (b"video,y\na,\xff\n", "text: found damaged data .* expected a CSV file in UTF-8"),
        (b"video,y\na,\0\n", "found binary data; expected a CSV file in UTF-8"),
        ("video,y\n".encode("utf-16"), "found binary data"),
        ("video" + "," * 2**20, "header: found more than 1048576 characters"),
        ("video,y\n" + "a" * 2**24, "found more than 16777216 bytes"),
        ("video,y\na," + "b" * 200_000, "line 2: found no CSV .*field larger"),
    ],
)
def test_what_is_no_table_is_refused(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _read(tmp_path, content)
    assert "labels.csv: " in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One long cell widens the array of its whole column.
    with pytest.raises(DataError, match="an array of each column takes 3000040000 bytes"):
        _read(tmp_path, "video,y\na," + "b" * 75_000 + "\n" + "a,\n" * 9999)
    monkeypatch.setattr(text_table, "MAX_ROWS", 2)
    assert len(_read(tmp_path, "video\na\nb\n").ids) == 2
    with pytest.raises(DataError, match="found more than 2 rows"):
        _read(tmp_path, "video\na\nb\nc\n")


LABELS = "video,a,b,c,mood\nv,1,0,0,1\nw,0,1,1,0\n"


@pytest.mark.parametrize(
    ("content", "names", "task", "expected"),
    [
        (LABELS, ("c", "a"), "regression", [[0, 1], [1, 0]]),
        (LABELS, ("A", "b"), "multilabel", [[1, 0], [0, 1]]),
        (LABELS, ("a", "b"), "multiclass", [[1, 0], [0, 1]]),
        ("video,x\nv,sad\nw,glad\n", ("glad", "sad"), "multiclass", [[1], [0]]),
        ("video,x\nv,1\nw,0\n", ("glad", "sad"), "multiclass", [[1], [0]]),
        ("video,x\nv,1\nw,2\n", ("1", "2"), "multiclass", [[0], [1]]),  # Names win.
        ("video,x\nv,1\nw,0\n", ("1", "2"), "multiclass", [[1], [0]]),
        ("video,x\nv,1.0\nw,0\n", ("x", "y"), "multiclass", [[1], [0]]),
    ],
)
def test_labels_by_task(
    content: str, names: tuple[str, ...], task: Task, expected: Any, tmp_path: Path
) -> None:
    found = _read(tmp_path, content).labels(names, task)
    assert found.dtype == np.float64 and found.tolist() == expected


@pytest.mark.parametrize(
    ("content", "names", "task", "message"),
    [
        (LABELS, ("a", "d"), "regression", "columns 'a', 'b', 'c', 'mood'; expected a column 'd'"),
        ("video\nv\n", ("a",), "regression", "found label columns none; expected a column 'a'"),
        (LABELS, ("video",), "regression", "expected a column 'video'"),
        (LABELS, ("x", "y"), "multiclass", "expected one column with the class, or a column for"),
        (LABELS, ("b", "c"), "multiclass", "line 2: found 0 classes; expected 1 in one of the"),
        ("video,y\nv,1\nw,\n", ("y",), "regression", "line 3, column 'y': found an empty cell"),
        (
            "video,y\nv,1\nw,nan\n",
            ("y",),
            "regression",
            "line 3, column 'y': found 'nan'; expected",
        ),
        ("video,y\nv,٣\n", ("y",), "regression", "line 2, column 'y': found '٣'"),
        ("video;y\nv;1,5\n", ("y",), "regression", "line 2, column 'y': found '1,5'; expected a"),
        (
            "video,y\nv,0.5\n",
            ("y",),
            "multilabel",
            "line 2, column 'y': found '0.5'; expected 0 or",
        ),
        (
            "video,y\nv,sad\nw,gald\n",
            ("sad", "glad"),
            "multiclass",
            "line 3, .*'gald'; expected one",
        ),
        ("video,y\nv,1\nw,2\n", ("sad", "glad"), "multiclass", "line 3, .*found '2'; expected one"),
        (
            "video,y\nv,sad\nw,1\n",
            ("sad", "glad"),
            "multiclass",
            "line 3, .*found '1'; expected one",
        ),
        ("video,y\nv,0.5\n", ("sad", "glad"), "multiclass", "found '0.5'; .* 0 to 1 in every row"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    content: str, names: tuple[str, ...], task: Task, message: str, tmp_path: Path
) -> None:
    table = _read(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        table.labels(names, task)
    assert "labels.csv: " in str(caught.value)


def test_the_dataset_only_reads(tmp_path: Path) -> None:
    dataset = LabelTableDataset(filepath=str(tmp_path / "labels.csv"))
    assert not dataset.exists()
    (tmp_path / "labels.csv").write_text("video,y\na,1\n")
    assert dataset.exists() and dataset.load().ids.tolist() == ["a"]
    with pytest.raises(DatasetError, match="read only"):
        dataset.save("anything")  # type: ignore[arg-type]


relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def _try(folder: Path, content: bytes) -> None:
    try:
        found = _read(folder, content)
        assert len(set(found.ids.tolist())) == len(found.ids) == len(found.videos)
        assert found.intervals.shape == (len(found.ids), 2)
        ends = found.intervals[~np.isnan(found.intervals).all(axis=1)]
        assert np.isfinite(ends).all() and (ends[:, 0] < ends[:, 1]).all()
        assert (found.videos != "").all()
        assert found.splits is None or set(found.splits) <= {"train", "valid", "test"}
        assert np.isfinite(found.labels(("sentiment",), "regression")).all()
    except DataError as error:
        assert "labels.csv: " in str(error) and "\n" not in str(error)


@pytest.mark.mutations
@relaxed
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    cut=st.none() | st.floats(0, 1),
)
def test_changed_bytes(tmp_path: Path, changes: list[tuple[float, int]], cut: float | None) -> None:
    content = bytearray(SEGMENTS.encode())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    _try(tmp_path, bytes(content if cut is None else content[: int(cut * len(content))]))


CELLS = st.sampled_from(
    [
        "",
        "a",
        "007",
        "1e5",
        "-1",
        "nan",
        "1e999",
        '"',
        '""',
        '"a\nb"',
        "train",
        "\r",
        "\u2028",
        "[0]",
    ]
) | st.text(max_size=4)


@pytest.mark.mutations
@relaxed
@given(
    rows=st.lists(st.lists(CELLS, max_size=5), max_size=6),
    separator=st.sampled_from(",;\t"),
    header=st.sampled_from(["", "video,start,end,sentiment", "id;segment;sentiment;split"]),
)
def test_changed_structure(
    tmp_path: Path, rows: list[list[str]], separator: str, header: str
) -> None:
    lines = [header, *(separator.join(row) for row in rows)]
    _try(tmp_path, "\n".join(lines).encode("utf-8", "surrogatepass"))
