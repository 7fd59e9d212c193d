"""Bundles against what was put into them, by the ordinary pickle module and NumPy."""

import collections
import functools
import os
import pickle
import subprocess
import types
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mfm_pipeline.datasets import unpickle
from mfm_pipeline.datasets.bundle import Bundle
from mfm_pipeline.datasets.npz import NpzDataset, read_npz
from mfm_pipeline.datasets.pickled import PickledDataset, read_pickled
from mfm_pipeline.errors import DataError

RNG = np.random.default_rng(3)


def _split(n: int) -> dict[str, Any]:
    return {
        "raw_text": [f"sagt «{i}»" for i in range(n)],
        "audio": RNG.normal(size=(n, 4, 3)).astype(np.float32),
        "vision": np.asfortranarray(RNG.normal(size=(n, 4, 2))),
        "text": RNG.normal(size=(n, 4, 2)).astype(">f8")[::-1],
        "labels": RNG.integers(-3, 4, size=(n, 1, 1)),
        "audio_lengths": [4, 3, 2, 1][:n],
        "vision_lengths": np.arange(n, dtype=np.float64),
        "id": [f"abc$_${i}" for i in range(n)],
    }


CONTENT = {"train": _split(4), "valid": _split(2), "test": _split(3)}


def _pickled(folder: Path, content: Any, protocol: int = 4) -> Path:
    path = folder / "data.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


def _bundle(**train: Any) -> Bundle:
    return Bundle(Path("data.pkl"), {"train": train, "valid": {}, "test": {}})


def _check(bundle: Bundle) -> None:
    assert list(bundle.splits) == ["train", "valid", "test"]
    for split, stored in CONTENT.items():
        for name in ("audio", "vision", "text", "labels"):
            found = bundle.array(name, split)
            assert found is not None and found.dtype.isnative
            assert found.dtype == (np.float32 if name == "audio" else np.float64)
            np.testing.assert_array_equal(found, stored[name])
        assert bundle.text(split) == stored["raw_text"]
        n = len(stored["raw_text"])
        ids, groups = bundle.ids(split), bundle.groups(split)
        assert ids is not None and ids.tolist() == [f"abc[{i}]" for i in range(n)]
        assert groups is not None and groups.tolist() == ["abc"] * n
        lengths = bundle.lengths("audio", split)
        assert lengths is not None and lengths.dtype == np.int64
        assert lengths.tolist() == [4, 3, 2, 1][:n]
        assert bundle.lengths("vision", split).tolist() == list(range(n))  # type: ignore[union-attr]
        assert bundle.lengths("text", split) is None and bundle.array("other", split) is None


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_all_protocols(tmp_path: Path, protocol: int) -> None:
    path = _pickled(tmp_path, CONTENT, protocol)
    _check(read_pickled(path))
    dataset = PickledDataset(filepath=str(path))
    _check(dataset.load())
    assert dataset.exists()
    with pytest.raises(Exception, match="read only"):
        dataset.save(CONTENT)  # type: ignore[arg-type]


class _NumPy1(pickle._Pickler):
    """Writes the names by which NumPy 1 calls its modules."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = obj.__module__.replace("numpy._core", "numpy.core")
        if self.proto >= 4:  # type: ignore[attr-defined]
            self.save(module)  # type: ignore[attr-defined]
            self.save(obj.__name__)  # type: ignore[attr-defined]
            self.write(pickle.STACK_GLOBAL)  # type: ignore[attr-defined]
        else:
            self.write(f"c{module}\n{obj.__name__}\n".encode())  # type: ignore[attr-defined]
        self.memoize(obj)  # type: ignore[attr-defined]

    dispatch: ClassVar = {**pickle._Pickler.dispatch, types.FunctionType: save_global}


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_1(tmp_path: Path, protocol: int) -> None:
    stream = BytesIO()
    _NumPy1(stream, protocol).dump(CONTENT)
    assert b"numpy.core.multiarray" in stream.getvalue()
    assert b"numpy._core" not in stream.getvalue()
    _check(read_pickled(_pickled(tmp_path, stream.getvalue())))


# What Python 2.7 with NumPy 1.16 writes, put together by hand:
# {'audio': numpy.arange(3.) * 50, 'id': ['a', u'\xe9', 'b\xe9']}.
_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
    b"(K\x01K\x03\x85cnumpy\ndtype\nq\x04U\x02f8K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff"
    b"\xffJ\xff\xff\xff\xffK\x00tb\x89U\x18" + (np.arange(3) * 50.0).tobytes() + b"tb"
)
_SPLIT = b"}q\x06(U\x05audio" + _ARRAY + b"U\x02id](U\x01aX\x02\x00\x00\x00\xc3\xa9U\x02b\xe9eu"
PYTHON_2 = b"\x80\x02}(U\x05train" + _SPLIT + b"U\x03devh\x06U\x04testh\x06u."


def test_python_2(tmp_path: Path) -> None:
    bundle = read_pickled(_pickled(tmp_path, PYTHON_2))
    for split in ("train", "valid", "test"):
        found = bundle.array("audio", split)
        assert found is not None and found.tolist() == [0, 50, 100]
        ids = bundle.ids(split)
        assert ids is not None and ids.tolist() == ["a", "é", "bé"]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_objects(tmp_path: Path, protocol: int) -> None:
    shared = np.arange(3.0)
    objects = np.array(["a", b"b", 3, 2.5, None, True, shared], dtype=object)
    stored = {
        "objects": objects,
        "ordered": collections.OrderedDict([("x", 1), ("y", shared)]),
        "set": {"a", "b"},
        "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("é"), np.bytes_(b"b")],
        "numbers": (1, 2**100, -0.5, None, True, {5: "five"}),
        "bytes": [b"", b"\xff", bytearray(b"x") if protocol == 5 else b"x"],
        "empty": np.zeros((0, 4)),
        "zero": np.array(5),
        "types": [np.ones(2, dtype=one) for one in ("i1", "u2", "f2", ">i4", "?", "S3", ">U3")],
        "same": [shared, shared],
    }
    content = {"train": stored, "valid": {}, "test": {}}
    found = read_pickled(_pickled(tmp_path, content, protocol)).splits["train"]
    assert found["objects"][:6].tolist() == objects[:6].tolist()
    np.testing.assert_array_equal(found["objects"][6], shared)
    assert type(found["ordered"]) is dict and list(found["ordered"]) == ["x", "y"]
    assert found["ordered"]["y"] is found["same"][0] and found["same"][0] is found["same"][1]
    assert found["set"] == {"a", "b"} and found["numbers"] == stored["numbers"]
    assert found["scalars"] == stored["scalars"] and found["bytes"] == [b"", b"\xff", b"x"]
    assert found["empty"].shape == (0, 4) and found["zero"].shape == () and found["zero"] == 5
    for one, other in zip(found["types"], stored["types"], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


FORBIDDEN = [
    (os.system, "posix.system"),
    (eval, "builtins.eval"),
    (np.load, "numpy.load"),
    (subprocess.Popen, "subprocess.Popen"),
    (functools.partial, "functools.partial"),
    (getattr, "builtins.getattr"),
    (Path, "pathlib.Path"),
    (np.ma.masked_array, "numpy.ma.MaskedArray"),
]


class _Calls:
    def __init__(self, function: Any) -> None:
        self.function = function

    def __reduce__(self) -> Any:
        return self.function, ("touch canary",)


@pytest.mark.parametrize(("function", "name"), FORBIDDEN)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_names_are_refused(tmp_path: Path, function: Any, name: str, protocol: int) -> None:
    path = _pickled(tmp_path, {**CONTENT, "other": _Calls(function)}, protocol)
    if protocol < 3:
        name = name.replace("builtins.", "__builtin__.").replace("subprocess.", "commands.")
    with pytest.raises(DataError) as error:
        read_pickled(path)
    assert str(error.value) == (
        f"{path}: found '{name}' in the pickle; expected NumPy arrays and plain containers only"
    )


@pytest.mark.parametrize("names", [("train", "dev", "test"), ("train", "val", "test")])
def test_names_of_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    _check(read_pickled(_pickled(tmp_path, dict(zip(names, CONTENT.values(), strict=True)))))


def test_an_array_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file may take more steps, as the bytes of its arrays are no steps."""
    monkeypatch.setattr(unpickle, "MAX_STEPS", 1000)
    for width, fits in ((4, False), (800, True)):
        arrays = [np.full((2, width), i, dtype=np.float32) for i in range(100)]
        path = _pickled(tmp_path, {**CONTENT, "train": {"audio": arrays}})
        if fits:
            found = read_pickled(path).array("audio", "train")
            assert found is not None and found.shape == (100, 2, width)
            np.testing.assert_array_equal(found[:, 1, -1], np.arange(100))
        else:
            with pytest.raises(DataError, match="found more than 1000 opcodes"):
                read_pickled(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": {}, "test": {}}, "found 'train', 'test'; expected one split called valid or"),
        ({**CONTENT, "dev": {}}, "expected one split called valid or val or dev"),
        ({}, "found nothing; expected one split called train"),
        ({"x" * 10**6: {}}, "found 'x{79}; expected one split called train"),
        ({**CONTENT, "test": []}, "split 'test': found list; expected a dict of arrays"),
        ([1], "found list; expected a dict of splits"),
    ],
)
def test_missing_splits(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pickled(_pickled(tmp_path, content))


@pytest.mark.parametrize(
    ("stored", "ids", "groups"),
    [
        (["a$_$1", b"b$_$x", "a$_$2"], ["a[1]", "b[x]", "a[2]"], ["a", "b", "a"]),
        (np.array(["v$_w$_$3"]), ["v$_w[3]"], ["v$_w"]),
        (["a", "b[2]", "a"], ["a[0]", "b[2]", "a[1]"], ["a", "b", "a"]),
        (np.array([["a"], ["b"]]), ["a", "b"], ["a", "b"]),
        (np.array([b"a", b"\xc3\xa9"]), ["a", "é"], ["a", "é"]),
        ([["a", 0.5, 1.5], ["b", 0, 1], ("a", 2, 3)], ["a[0]", "b", "a[1]"], ["a", "b", "a"]),
        (np.array([["a", "0", "1"], ["a", "1", "2"]]), ["a[0]", "a[1]"], ["a", "a"]),
        (np.array([["a", 0.5], ["b", 1]], dtype=object), ["a", "b"], ["a", "b"]),
        (np.array([7, 3]), ["7", "3"], ["7", "3"]),
    ],
)
def test_ids(stored: Any, ids: list[str], groups: list[str]) -> None:
    bundle = _bundle(id=stored)
    found, videos = bundle.ids("train"), bundle.groups("train")
    assert found is not None and found.dtype.kind == "U" and found.tolist() == ids
    assert videos is not None and videos.tolist() == groups
    assert bundle.ids("test") is None and bundle.groups("test") is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([1, 2.5, True], [1, 2.5, 1]),
        ([[1, 2], (3, 4)], [[1, 2], [3, 4]]),
        ([np.ones((2, 2)), np.zeros((2, 2))], [[[1, 1], [1, 1]], [[0, 0], [0, 0]]]),
        (np.array([1, 2.5], dtype=object), [1, 2.5]),
        ([], []),
    ],
)
def test_lists_of_numbers(stored: Any, expected: Any) -> None:
    found = _bundle(audio=stored).array("audio", "train")
    assert found is not None and found.dtype == np.float64 and found.tolist() == expected


def test_precision() -> None:
    half = _bundle(audio=np.ones(2, dtype=np.float16)).array("audio", "train")
    rows = _bundle(audio=[np.ones(2, dtype=np.float32)] * 2).array("audio", "train")
    assert half is not None and half.dtype == np.float32
    assert rows is not None and rows.dtype == np.float32


@pytest.mark.parametrize(
    ("method", "name", "stored", "message"),
    [
        ("array", "audio", "text", "found damaged data (str); expected an array of numbers"),
        ("array", "audio", ["a"], "(str)"),
        ("array", "audio", None, "(NoneType)"),
        ("array", "audio", 3.5, "(float)"),
        ("array", "audio", [[1], [1, 2]], "(rows of different shapes)"),
        ("array", "audio", [[[1]]], "(rows of rows)"),
        ("array", "audio", np.array(["a"]), "(array of <U1 and shape (1,))"),
        ("array", "audio", [10**400], "expected an array of numbers"),
        ("array", "audio", [[0.0] * 2**13] * 2**13, "(one large object many times over)"),
        ("lengths", "audio_lengths", [1, -1], "(not all are whole numbers)"),
        ("lengths", "audio_lengths", [1.5], "expected one count a sample"),
        ("lengths", "audio_lengths", [float("nan")], "expected one count a sample"),
        ("lengths", "audio_lengths", [[1, 2]], "expected one count a sample"),
        ("text", "raw_text", [["a", "b"]], "(a row of 2); expected one string a sample"),
        ("text", "raw_text", [1.5], "(float)"),
        ("text", "raw_text", ["a" * 2**20] * 2**6, "(one large object many times over)"),
        ("ids", "id", [None], "(NoneType); expected one id a sample"),
        ("ids", "id", "abc", "(str); expected one id a sample"),
        ("ids", "id", [[]], "expected one id a sample"),
        ("ids", "id", ["a", "a", "a[0]"], "(two samples of one id)"),
        ("groups", "id", ["a" * 2000], "(an id of 2000 characters)"),
    ],
)
def test_values_of_the_wrong_kind(method: str, name: str, stored: Any, message: str) -> None:
    bundle = _bundle(**{name: stored})
    with pytest.raises(DataError) as error:
        if method in ("array", "lengths"):
            getattr(bundle, method)("audio", "train")
        else:
            getattr(bundle, method)("train")
    assert str(error.value).startswith(f"data.pkl: split 'train', '{name}': found damaged data (")
    assert message in str(error.value) and "\n" not in str(error.value)


def _flat(mark: str) -> dict[str, Any]:
    return {
        f"{split}{mark}{name}": value
        for split, stored in CONTENT.items()
        for name, value in stored.items()
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("mark", ["/", "_"])
def test_npz(tmp_path: Path, save: Any, mark: str) -> None:
    path = tmp_path / "data.npz"
    save(path, **_flat(mark), vocabulary=np.arange(3))
    _check(read_npz(path))
    _check(NpzDataset(filepath=str(path)).load())


def _npy(shape: str, descr: str = "<f8", data: bytes = b"") -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (_npy("(10**12,)"), "train/audio.npy"),
        (_npy("(1000000000000,)"), "found 0 bytes for (1000000000000,) items of 8"),
        (_npy("(2,)", data=bytes(15)), "found 15 bytes for (2,) items of 8"),
        (_npy("(2,)", data=bytes(17)), "found 17 bytes for (2,) items of 8"),
        (_npy("(1,)", "|O", bytes(8)), "found an array of object"),
        (_npy("(1,)", "|V8", bytes(8)), "found an array of |V8"),
        (_npy("(1,)", "<M8[s]", bytes(8)), "found an array of datetime64[s]"),
        (_npy("(-1, -1)", data=bytes(8)), "found a shape that is none"),
        (b"\x93NUMPY\x02\x00" + bytes(10), "version (2, 0)"),
        (b"text", "train/audio.npy"),
    ],
)
def test_damaged_members(tmp_path: Path, member: bytes, message: str) -> None:
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/audio.npy", member)
    with pytest.raises(DataError) as error:
        read_npz(path)
    assert message in str(error.value) and str(path) in str(error.value)


def test_npz_bombs(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for split in CONTENT:
            archive.writestr(f"{split}/audio.npy", bytes(2**25))
    with pytest.raises(DataError, match="found 100663296 bytes, of which the file stores"):
        read_npz(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("train/audio.npy", b"")
    with pytest.raises(DataError, match="found compression 14; expected deflate or none"):
        read_npz(path)


@pytest.mark.parametrize("read", [read_npz, read_pickled])
def test_missing_empty_and_foreign(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "data"
    with pytest.raises(DataError, match="no such file"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty file"):
        read(path)
    path.write_bytes(b"# Just text\n" * 10)
    with pytest.raises(DataError, match=f"{path}: .* expected"):
        read(path)
