"""Pickles made to harm: refused in one line, or read within bounds."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from mfm_pipeline.datasets.pickled import read_pickled
from mfm_pipeline.errors import DataError
from tests.datasets.bundle_bounds import use_all, within_bounds

pytestmark = pytest.mark.mutations

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
    with pytest.raises(DataError) as error, within_bounds():
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
    use_all(bundle, path)
