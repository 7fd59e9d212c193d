import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfm_pipeline.datasets.split_file import read_split_file
from mfm_pipeline.errors import DataError

GOOD = {"train": ["007", "b", "007"], "dev": ["1e5"], "Test": [" é "]}
EXPECTED = {"train": ("007", "b"), "valid": ("1e5",), "test": ("é",)}


def _read(folder: Path, content: str | bytes, name: str = "folds.json") -> Any:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_split_file(path)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_json(mark: str, tmp_path: Path) -> None:
    assert _read(tmp_path, mark + json.dumps(GOOD, indent=1)) == EXPECTED
    assert list(_read(tmp_path, json.dumps(GOOD))) == ["train", "valid", "test"]
    parts = '{"train": ["a"], "train": ["b"], "val": ["c"], "test": ["d"]}'
    assert _read(tmp_path, parts)["train"] == ("a", "b")


@pytest.mark.parametrize("key", ["video", "ID"])
def test_csv(key: str, tmp_path: Path) -> None:
    rows = f"y,{key},SPLIT\n1,007,train\n2,1e5,VAL\n3,b,Train\n4,007,train\n5,é,test\n"
    assert _read(tmp_path, rows, "folds.csv") == EXPECTED


def test_published_folds(tmp_path: Path) -> None:
    shared = Path(__file__).parents[3] / "shared" / "facts" / "folds_pom.json"
    if not shared.is_file():
        pytest.skip("the published folds are not here")
    found = read_split_file(shared)
    assert [len(ids) for ids in found.values()] == [600, 100, 203]
    assert found["train"][:2] == ("202990", "116221")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        ("{", "JSON: found damaged data"),
        ("[" * 100_000, "JSON: found damaged data"),
        ("[]", "found list; expected an object of splits"),
        ("3", "found int; expected an object"),
        ('{"train": [], "valid": ["a"], "test": ["b"]}', "train: found no ids"),
        ('{"train": ["a"], "valid": ["b"]}', "test: found no ids"),
        ('{"train": ["a"], "trial": ["b"]}', "found key 'trial'; expected train, valid"),
        ('{"train": "a"}', "train: found str; expected a list"),
        ('{"train": {"a": 1}}', "train: found object; expected a list"),
        ('{"train": [7]}', r"train\[0\]: found int; expected an id in quotes"),
        ('{"train": ["a", " "]}', r"train\[1\]: found ' '; expected an id"),
        ('{"train": ["\\ud800"]}', r"train\[0\]: found '\\ud800'; expected an id"),
        (
            '{"train": ["a"], "valid": ["b"], "test": ["a"]}',
            "id 'a': found in train and in test; expected in one split",
        ),
        (b'{"train": ["\xff"]}', "text: found damaged data"),
    ],
)
def test_json_that_gives_no_splits_is_refused(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _read(tmp_path, content)
    assert "folds.json: " in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("video,y\na,1\n", "header: found columns 'video', 'y'; expected a column 'split'"),
        ("name,split\na,train\n", "header: found columns 'name', 'split'; expected a column"),
        ("video,split\na,train\nb,best\n", "line 3, column 'split': found 'best'; expected train"),
        ("video,split\n,train\n", "line 2, column 'video': found an empty cell; expected an id"),
        ("video,split\na,train\na,dev\nb,test\n", "id 'a': found in train and in valid"),
    ],
)
def test_csv_that_gives_no_splits_is_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, content, "folds.csv")


relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.mutations
@relaxed
@given(
    name=st.sampled_from(["folds.json", "folds.csv"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    cut=st.none() | st.floats(0, 1),
)
def test_changed_bytes(
    tmp_path: Path, name: str, changes: list[tuple[float, int]], cut: float | None
) -> None:
    text = json.dumps(GOOD) if name.endswith("json") else "id,split\na,train\nb,dev\nc,test\n"
    content = bytearray(text.encode())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    _try(tmp_path, bytes(content if cut is None else content[: int(cut * len(content))]), name)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(["train", "valid", "dev", "test", "Test", "", "x"])


@pytest.mark.mutations
@relaxed
@given(content=st.dictionaries(KEYS, VALUES | st.lists(st.text(max_size=2))) | VALUES)
def test_changed_structure(tmp_path: Path, content: Any) -> None:
    _try(tmp_path, json.dumps(content).encode(), "folds.json")


def _try(folder: Path, content: bytes, name: str) -> None:
    try:
        found = _read(folder, content, name)
    except DataError as error:
        assert f"{name}: " in str(error) and "\n" not in str(error)
        return
    assert list(found) == ["train", "valid", "test"]
    everything = [video for ids in found.values() for video in ids]
    assert all(found.values()) and len(set(everything)) == len(everything)
