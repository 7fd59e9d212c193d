"""Whatever is done to a transcript, a pickle or a .npz file: data, or the project's error."""

import os
import pickle
import struct
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfm_pipeline.datasets.bundle import Bundle
from mfm_pipeline.datasets.npz import read_npz
from mfm_pipeline.datasets.pickled import read_pickled
from mfm_pipeline.datasets.segment_words import SegmentWords
from mfm_pipeline.datasets.textgrid import TextGrid
from mfm_pipeline.datasets.track import Track, TrackFormat
from mfm_pipeline.errors import DataError
from tests.datasets.test_word_timings import LONG, SEGMENT, SHORT, SPEAKERS

pytestmark = pytest.mark.mutations

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
MAX_SECONDS, MAX_MEMORY = 10, 2**29

SPLIT: dict[str, Any] = {
    "raw_text": ["one", "zwölf"],
    "audio": np.arange(12, dtype=np.float32).reshape(2, 3, 2),
    "vision": np.asfortranarray(np.arange(12.0).reshape(2, 3, 2)),
    "text": np.array(["a", b"b", 2], dtype=object),
    "audio_lengths": [3, 2],
    "id": np.array(["a$_$0", "a$_$1"]),
}
CONTENT = {"train": SPLIT, "valid": SPLIT, "test": {**SPLIT, "set": {"x"}, "half": np.float16(1)}}
ARRAYS = {key: value for key, value in SPLIT.items() if key != "text"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextmanager
def _within_bounds() -> Iterator[None]:
    """Check time, memory and warnings, of data as of an error."""
    start = time.process_time()
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MAX_MEMORY
        assert time.process_time() - start < MAX_SECONDS


def _read_words(format: TrackFormat, path: Path) -> None:
    try:
        with _within_bounds():
            found = format.read(path)
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return
    assert isinstance(found, Track) and found.features.dtype.kind == "U"
    assert found.intervals.dtype == np.float64
    assert found.intervals.shape == (len(found.features), 2) and found.features.ndim == 1
    assert np.isfinite(found.intervals).all()
    assert (found.intervals[:, 0] <= found.intervals[:, 1]).all()
    assert all(word and "\n" not in word for word in found.features)


def _read_bundle(read: Callable[[Path], Bundle], path: Path) -> None:
    try:
        with _within_bounds():
            bundle = read(path)
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return
    _use_all(bundle, path)


def _use_all(bundle: Bundle, path: Path) -> None:
    assert list(bundle.splits) == ["train", "valid", "test"]
    for split, stored in bundle.splits.items():
        uses = [lambda split=split: bundle.text(split), lambda split=split: bundle.ids(split)]
        uses += [lambda split=split: bundle.groups(split)]
        for name in list(stored):
            uses += [
                lambda name=name, split=split: bundle.array(name, split),
                lambda name=name, split=split: bundle.lengths(name, split),
            ]
        for use in uses:
            _use(use, path)


def _use(use: Callable[[], Any], path: Path) -> None:
    try:
        with _within_bounds():
            found = use()
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return
    if isinstance(found, list):
        assert all(type(text) is str for text in found)
    elif found is not None:
        assert found.dtype.kind in "fiU" and found.dtype.isnative


CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.one_of(st.integers(0, 255), st.binary(max_size=6))), max_size=8
)
CUTS = st.one_of(st.none(), st.floats(0, 1))


def _changed(content: bytes, changes: list[tuple[float, int | bytes]], cut: float | None) -> bytes:
    """Overwrite single bytes, insert some, and cut the end off."""
    out = bytearray(content)
    for where, value in changes:
        place = int(where * (len(out) - 1))
        if isinstance(value, int):
            out[place] = value
        else:
            out[place:place] = value
    return bytes(out if cut is None else out[: int(cut * len(out))])


TRANSCRIPTS = {
    "long": (TextGrid(), LONG.encode()),
    "utf-16": (TextGrid(), LONG.encode("utf-16")),
    "short": (TextGrid(), SHORT.encode()),
    "speakers": (TextGrid(), SPEAKERS.encode()),
    "segment": (SegmentWords(), SEGMENT.encode()),
}


@relaxed
@given(source=st.sampled_from(sorted(TRANSCRIPTS)), changes=CHANGES, cut=CUTS)
def test_changed_transcripts(
    folder: Path, source: str, changes: list[tuple[float, int | bytes]], cut: float | None
) -> None:
    format, content = TRANSCRIPTS[source]
    path = folder / "words.txt"
    path.write_bytes(_changed(content, changes, cut))
    _read_words(format, path)


TOKENS = st.one_of(
    st.sampled_from(['"ooTextFile"', '"TextGrid"', '"IntervalTier"', '"TextTier"', '"word"']),
    st.sampled_from(["0", "1", "2", "1e400", "-1", "nan", "1e300", '""', '"', "!", "<exists>"]),
    st.text(max_size=4),
)


@relaxed
@given(tokens=st.lists(TOKENS, max_size=30), space=st.sampled_from([" ", "\n", ""]))
def test_texts_of_tokens(folder: Path, tokens: list[str], space: str) -> None:
    path = folder / "tokens.txt"
    head = '"ooTextFile" "TextGrid" 0 1 1 "IntervalTier" "word" 0 1 ' if len(tokens) % 2 else ""
    path.write_bytes((head + space.join(tokens)).encode("utf-8", "surrogatepass"))
    _read_words(TextGrid(), path)
    path.write_bytes(",".join(tokens).encode("utf-8", "surrogatepass"))
    _read_words(SegmentWords(), path)


@relaxed
@given(protocol=st.integers(0, 5), changes=CHANGES, cut=CUTS)
def test_changed_pickles(
    folder: Path, protocol: int, changes: list[tuple[float, int | bytes]], cut: float | None
) -> None:
    path = folder / "changed.pkl"
    path.write_bytes(_changed(pickle.dumps(CONTENT, protocol), changes, cut))
    _read_bundle(read_pickled, path)


@relaxed
@given(packed=st.booleans(), changes=CHANGES, cut=CUTS)
def test_changed_npz(
    folder: Path, packed: bool, changes: list[tuple[float, int | bytes]], cut: float | None
) -> None:
    stream = BytesIO()
    names = {f"{split}/{key}": value for split in CONTENT for key, value in ARRAYS.items()}
    (np.savez_compressed if packed else np.savez)(stream, **names)
    path = folder / "changed.npz"
    path.write_bytes(_changed(stream.getvalue(), changes, cut))
    _read_bundle(read_npz, path)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=3),
        st.binary(max_size=3),
        st.sampled_from([np.arange(3), np.ones((2, 0)), np.array(["a"]), np.array([None, 1])]),
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), children, max_size=3),
    ),
    max_leaves=6,
)


@relaxed
@given(
    name=st.sampled_from(["id", "raw_text", "audio", "audio_lengths"]),
    value=VALUES,
    protocol=st.integers(0, 5),
)
def test_changed_structure(folder: Path, name: str, value: Any, protocol: int) -> None:
    path = folder / "structure.pkl"
    content = {**CONTENT, "train": {**SPLIT, name: value}, "valid": {**SPLIT, name: [value]}}
    path.write_bytes(pickle.dumps(content, protocol))
    _read_bundle(read_pickled, path)


OPCODES = st.one_of(
    st.sampled_from(
        [bytes([code]) for code in b"NKKq\x94hh0211((t)]}\x85\x86\x87RRbbeusaldo\x81\x8f\x90"]
    ),
    st.sampled_from(
        [
            b"cnumpy\nndarray\n",
            b"cnumpy\ndtype\n",
            b"cnumpy.core.multiarray\n_reconstruct\n",
            b"cnumpy.core.multiarray\nscalar\n",
            b"cnumpy._core.numeric\n_frombuffer\n",
            b"ccollections\nOrderedDict\n",
            b"c__builtin__\nset\n",
            b"c_codecs\nencode\n",
            b"i__builtin__\nbytes\n",
            b"K\x01",
            b"U\x02f8",
            b"U\x01<",
            b"C\x08" + bytes(8),
            b"\x8c\x06latin1",
            b"G" + bytes(8),
        ]
    ),
    st.binary(min_size=1, max_size=2),
)


@relaxed
@given(codes=st.lists(OPCODES, max_size=40))
def test_streams_of_opcodes(folder: Path, codes: list[bytes]) -> None:
    path = folder / "codes.pkl"
    path.write_bytes(b"\x80\x02" + b"".join(codes) + b".")
    _read_bundle(read_pickled, path)
    bundle = b"}(U\x05train}U\x02id" + b"".join(codes) + b"sU\x05valid}U\x04test}u."
    path.write_bytes(b"\x80\x02" + bundle)
    _read_bundle(read_pickled, path)


class _Calls:
    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


@relaxed
@given(
    split=st.sampled_from(sorted(CONTENT)),
    protocol=st.integers(0, 5),
    as_array=st.booleans(),
    kind=st.sampled_from(["system", "eval", "open", "getattr"]),
)
def test_nothing_is_run(folder: Path, split: str, protocol: int, as_array: bool, kind: str) -> None:
    canary = folder / "canary"
    call = {
        "system": _Calls(os.system, (f"touch {canary}",)),
        "eval": _Calls(eval, (f"open({str(canary)!r}, 'w')",)),
        "open": _Calls(open, (str(canary), "w")),
        "getattr": _Calls(getattr, (_Calls(__import__, ("os",)), "system")),
    }[kind]
    value = np.array([call], dtype=object) if as_array else call
    path = folder / "calls.pkl"
    path.write_bytes(pickle.dumps({**CONTENT, split: {"id": value}}, protocol))
    with pytest.raises(DataError, match=r"calls\.pkl: found '.*' in the pickle; expected NumPy"):
        read_pickled(path)
    assert not canary.exists()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"


def _dtype(code: str, order: bytes = b"<", structure: bytes = b"NNN") -> bytes:
    head = b"cnumpy\ndtype\n(X" + struct.pack("<I", len(code)) + code.encode() + b"K\x00K\x01tR"
    return head + b"(K\x03U\x01" + order + structure + b"K\x00K\x00K\x00tb"


def _array(shape: bytes, dtype: bytes, data: bytes) -> bytes:
    return RECONSTRUCT + b"(K\x01(" + shape + b"t" + dtype + b"I00\n" + data + b"tb"


def _long(number: int) -> bytes:
    return b"\x8a\x08" + number.to_bytes(8, "little")


def _colliding(count: int) -> bytes:
    """Return keys whose hash is 0, with a value each."""
    keys = (number * (2**61 - 1) for number in range(1, count))
    return b"".join(b"\x8a\x0a" + key.to_bytes(10, "little") + b"N" for key in keys)


def _text(size: int) -> bytes:
    return b"X" + struct.pack("<I", size) + b"a" * size


ENCODE = b"c_codecs\nencode\nq\x00" + _text(2**20) + b"q\x01X\x06\x00\x00\x00latin1q\x02"
FLOAT = b"C\x08" + bytes(8)
BUFFER = b"cnumpy.core.numeric\n_frombuffer\nq\x00(" + FLOAT + _dtype("f8") + b"(K\x01tU\x01Ct"
NESTED = b"q\x07" + _array(b"K\x01", _dtype("O8", b"|"), b"](h\x07e")
CRAFTED = {
    "huge memo index": b"Nr" + b"\xff" * 4 + b".",
    "huge text memo index": b"Np" + b"9" * 4000 + b"\n.",
    "overlong text memo index": b"Np" + b"9" * 5000 + b"\n.",
    "negative memo index": b"Np-1\n.",
    "long bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b".",
    "long byte array": b"\x80\x05\x96" + struct.pack("<Q", 2**50) + b".",
    "long text": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b".",
    "long old text": b"T" + struct.pack("<i", 2**31 - 1) + b".",
    "negative old text": b"T" + struct.pack("<i", -1) + b".",
    "long number": b"\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    "frame beyond the file": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
    "frame too short": b"\x80\x04\x95" + struct.pack("<Q", 1) + b"\x8c\x05hallo.",
    "frame in a frame": b"\x80\x04\x95" + struct.pack("<Q", 20) + b"\x95" + bytes(20) + b"N.",
    "huge shape": _array(_long(10**12), _dtype("f8"), FLOAT) + b".",
    "shape that overflows": _array(_long(2**40) * 2, _dtype("f8"), b"C\x00") + b".",
    "shape of nothing": _array(_long(2**47) * 3 + b"K\x00", _dtype("f8"), b"C\x00") + b".",
    "shape of bools": _array(b"\x88", _dtype("f8"), FLOAT) + b".",
    "huge item": _array(b"K\x00", _dtype("V1000000000", b"|"), b"C\x00") + b".",
    "huge text item": _array(b"K\x00", _dtype("U1000000000"), b"C\x00") + b".",
    "objects as bytes": _array(b"K\x01", _dtype("O8", b"|"), b"C\x08AAAAAAAA") + b".",
    "numbers as objects": _array(b"K\x01", _dtype("f8"), b"]Na") + b".",
    "structured": _array(b"K\x01", _dtype("f8", b"<", b"N(U\x01atN"), FLOAT) + b".",
    "object scalar": b"cnumpy.core.multiarray\nscalar\n(" + _dtype("O8", b"|") + FLOAT + b"tR.",
    "array of a list": _array(b"K\x01", _dtype("O8", b"|"), b"(]l") + b".",
    "state of a filled array": _array(b"K\x01", _dtype("f8"), FLOAT)
    + b"(K\x01(" + _long(10**12) + b"t" + _dtype("f8") + b"I00\nC\x08" + bytes(8) + b"tb.",
    "state of a dict": b"}}U\x01aNsb.",
    "item of an array": BUFFER + b"RK\x00G" + bytes(8) + b"s.",
    "unhashable key": b"}]Ns.",
    "tuple as a key": b"})Ns.",
    "colliding keys": b"}(" + _colliding(10_000) + b"u.",
    "odd items": b"}(K\x01u.",
    "deep lists": b"]" * 50_000 + b"a" * 49_999 + b".",
    "deep tuples": b")" + b"\x85" * 50_000 + b".",
    "arrays in arrays": b"N" + NESTED + NESTED + NESTED + b".",
    "doubled tuples": b")" + b"2\x86" * 50_000 + b".",
    "doubled tuples as a key": b"})" + b"2\x86" * 64 + b"Ns.",
    "list in itself": b"]q\x002h\x00a.",
    "sets": b"\x8f" * 2**16 + b".",
    "marks": b"(" * 2**16 + b".",
    "bytes again and again": ENCODE + b"h\x00h\x01h\x02\x86R" * 10_000 + b".",
    "arrays without end": b"(" + BUFFER + b"q\x01R" + b"h\x00h\x01R" * 2**13 + b"l.",
    "extension": b"\x82\x01.",
    "persistent id": b"Pos.system\n.",
    "instance": b"(S'ls'\nios\nsystem\n.",
    "object": b"(cos\nsystem\nS'ls'\no.",
    "class": b"cnumpy\nndarray\n(K\x05t\x81.",
    "outside buffer": b"\x97.",
    "nothing": b".",
    "only marks popped": b"1.",
}  # fmt: skip


REASONS = {
    "huge memo index": "memo index beyond",
    "long bytes": "found 1 bytes left in the pickle; expected 1125899906842624",
    "long byte array": "found 1 bytes left in the pickle; expected 1125899906842624",
    "frame beyond the file": "is the file truncated?",
    "huge shape": "found 8 bytes for (1000000000000,) items of 8",
    "shape of bools": "found a shape that is none",
    "huge item": "found dtype 'V1000000000'",
    "objects as bytes": "found an array of object",
    "numbers as objects": "bytes that are not written",
    "structured": "found a dtype with a structure",
    "object scalar": "found an array of object",
    "array of a list": "found list in an array of objects",
    "state of a filled array": "found a state for ndarray",
    "colliding keys": "found int as a key",
    "doubled tuples as a key": "found tuple as a key",
    "arrays in arrays": "found ndarray in an array of objects",
    "bytes again and again": "found far more data than the file's size allows",
    "extension": "found opcode",
    "persistent id": "found opcode",
    "instance": "found 'os.system' in the pickle",
    "object": "found 'os.system' in the pickle",
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_pickles(tmp_path: Path, name: str) -> None:
    path = tmp_path / "crafted.pkl"
    path.write_bytes(CRAFTED[name])
    with pytest.raises(DataError) as error, _within_bounds():
        read_pickled(path)
    assert "crafted.pkl" in str(error.value) and "\n" not in str(error.value)
    assert len(str(error.value)) < 500 and REASONS.get(name, "") in str(error.value)


SHARED = {
    "rows": b"(" + b"K\x01" * 2**10 + b"lq\x090(" + b"h\x09" * 2**15 + b"l",
    "texts": _text(2**20) + b"q\x090(" + b"h\x09" * 2**12 + b"l",
    "wide ids": _text(1024) + b"q\x090(" + b"h\x09" * 2**15 + b"l",
    "itself": b"]q\x09h\x09a",
    "arrays": BUFFER + b"Rq\x090(" + b"h\x09" * 2**12 + b"l",
    "doubled lists": b"]K\x01aq\x09" + b"0](h\x09h\x09eq\x09" * 64,
    "deep": b"]" * 50_000 + b"a" * 49_999,
}


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("name", ["id", "raw_text", "audio", "audio_lengths"])
def test_large_objects_many_times_over(tmp_path: Path, shared: str, name: str) -> None:
    path = tmp_path / "shared.pkl"
    key = b"X" + struct.pack("<I", len(name)) + name.encode()
    train = b"}" + key + SHARED[shared] + b"s"
    path.write_bytes(b"}(X\x05\x00\x00\x00train" + train + b"U\x05valid}U\x04test}u.")
    bundle = read_pickled(path)
    assert list(bundle.splits["train"]) == [name]
    _use_all(bundle, path)
