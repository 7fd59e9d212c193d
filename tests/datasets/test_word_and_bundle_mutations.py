"""Whatever is done to a transcript, a pickle or a .npz file: data, or the project's error."""

import os
import pickle
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfm_pipeline.datasets.npz import read_npz
from mfm_pipeline.datasets.pickled import read_pickled
from mfm_pipeline.datasets.segment_words import SegmentWords
from mfm_pipeline.datasets.textgrid import TextGrid
from mfm_pipeline.datasets.track import Track, TrackFormat
from mfm_pipeline.errors import DataError
from tests.datasets.bundle_bounds import read_bundle, within_bounds
from tests.datasets.test_word_timings import LONG, SEGMENT, SHORT, SPEAKERS

pytestmark = pytest.mark.mutations

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def _read_words(format: TrackFormat, path: Path) -> None:
    try:
        with within_bounds():
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
    read_bundle(read_pickled, path)


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
    read_bundle(read_npz, path)


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
    read_bundle(read_pickled, path)


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
    read_bundle(read_pickled, path)
    bundle = b"}(U\x05train}U\x02id" + b"".join(codes) + b"sU\x05valid}U\x04test}u."
    path.write_bytes(b"\x80\x02" + bundle)
    read_bundle(read_pickled, path)


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
