"""Word vectors: every format from a table of known numbers, and every way to be wrong."""

import gzip
import os
import pickle
import struct
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.io import DatasetError

from mfm_pipeline.datasets.word_vectors import (
    WordVectors,
    WordVectorsDataset,
    read_word_vectors,
)
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.features.words import look_up, wanted_tokens
from mfm_pipeline.simulation.vocabulary import build_vocabulary
from tests.conftest import SHARED_DATA

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
GLOVE = SHARED_DATA / "glove" / "glove.6B.50d.top20k.txt.gz"

Rows = list[tuple[bytes, list[float]]]
ROWS: Rows = [
    (b"the", [0.25, -1.5, 2.0]),
    (b". . .", [1.0, 2.0, 3.0]),
    (b"at name@domain.com", [0.5, 0.5, -0.5]),
    ("película".encode(), [-1e-3, 4.0, 5.0]),
    (b"caf\xe9", [6.0, 7.0, 8.0]),
    (b"the", [9.0, 9.0, 9.0]),
    (b"42", [1.5, 2.5, 3.5]),
]
# The binary form's tokens end at the first space.
PLAIN = [row for row in ROWS if b" " not in row[0]]
WORDS = ["the", "at name@domain.com", "película", "caf\udce9", "42", ". . .", "absent"]


def _text(rows: Rows, *, header: bool = False, end: bytes = b"\n") -> bytes:
    lines = [b"%d %d" % (len(rows), len(rows[0][1]))] if header else []
    lines += [token + b" " + " ".join(map(repr, numbers)).encode() for token, numbers in rows]
    return end.join([*lines, b""])


def _binary(rows: Rows, end: bytes = b"") -> bytes:
    entries = [
        token + b" " + struct.pack(f"<{len(numbers)}f", *numbers) + end for token, numbers in rows
    ]
    return b"%d %d\n" % (len(rows), len(rows[0][1])) + b"".join(entries)


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    inner = name.removesuffix(".zip").removesuffix(".gz")
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(inner, content)
    else:
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


FORMS = {
    "glove.txt": lambda rows: _text(rows),
    "glove.txt.gz": lambda rows: _text(rows),
    "glove.txt.zip": lambda rows: _text(rows),
    "crlf.txt": lambda rows: _text(rows, end=b"\r\n"),
    "trailing.vec": lambda rows: _text(rows, header=True, end=b" \n"),
    "blank.txt": lambda rows: _text(rows) + b"\n",
    "open.txt": lambda rows: _text(rows).rstrip(b"\n"),
    "mark.txt": lambda rows: b"\xef\xbb\xbf" + _text(rows),
    "marked_header.txt": lambda rows: b"\xef\xbb\xbf" + _text(rows, header=True),
    "gensim.txt": lambda rows: _text(rows, header=True),
    "gensim.vec.gz": lambda rows: _text(rows, header=True),
    "new.bin": lambda rows: _binary(rows),
    "old.bin": lambda rows: _binary(rows, b"\n"),
    "packed.bin.gz": lambda rows: _binary(rows),
    "archived.bin.zip": lambda rows: _binary(rows, b"\n"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_table(tmp_path: Path, name: str) -> None:
    rows = PLAIN if ".bin" in name else ROWS
    found = read_word_vectors(_write(tmp_path, name, FORMS[name](rows)), WORDS)
    expected = {
        token.decode("utf-8", "surrogateescape"): numbers for token, numbers in reversed(rows)
    }
    assert dict(zip(found.words, found.vectors.tolist(), strict=True)) == {
        word: [float(np.float32(number)) for number in numbers]
        for word, numbers in expected.items()
    }
    assert found.words[0] == "the" and found.index["the"] == 0 and found.width == 3
    assert found.vectors.dtype == np.float32 and found.vectors.flags.writeable


def test_only_wanted_words_are_kept_and_the_first_of_each(tmp_path: Path) -> None:
    found = read_word_vectors(_write(tmp_path, "a.txt", _text(ROWS)), ["the", "42", "absent"])
    assert found.words == ("the", "42")
    np.testing.assert_array_equal(found.vectors, np.float32([[0.25, -1.5, 2], [1.5, 2.5, 3.5]]))
    assert found.index == {"the": 0, "42": 1}


def test_no_wanted_word_at_all(tmp_path: Path) -> None:
    found = read_word_vectors(_write(tmp_path, "a.txt", _text(ROWS)), [])
    assert found.words == () and found.vectors.shape == (0, 3)


def test_a_first_token_with_spaces_or_digits(tmp_path: Path) -> None:
    spaced = read_word_vectors(_write(tmp_path, "a.txt", _text(ROWS[1:])), [". . ."])
    assert spaced.vectors.tolist() == [[1, 2, 3]]
    digits = read_word_vectors(_write(tmp_path, "b.txt", _text(ROWS[::-1])), ["42"])
    assert digits.vectors.tolist() == [[1.5, 2.5, 3.5]]


def test_one_member_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove/", "")
        archive.writestr("glove/glove.50d.txt", "a 1\nb 2\n")
        archive.writestr("glove/glove.100d.txt", "a 3 4\n")
    named = read_word_vectors(path, ["a"], member="*100d*")
    assert named.vectors.tolist() == [[3, 4]]
    for member, expected in (
        (None, r"member: found 2 \(glove/glove.50d.txt, glove/glove.100d.txt\); expected one"),
        ("*.txt", "found 2"),
        ("*300d*", r"found none that matches '\*300d\*' among: glove/glove.50d.txt, glove"),
    ):
        with pytest.raises(DataError, match=expected):
            read_word_vectors(path, ["a"], member=member)


def test_what_macos_adds_to_an_archive_is_no_member(tmp_path: Path) -> None:
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove.6B.300d.txt", "a 1 2\n")
        archive.writestr("__MACOSX/._glove.6B.300d.txt", b"\0\5\x16\7")
    for member in (None, "*300d*"):
        assert read_word_vectors(path, ["a"], member=member).words == ("a",)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_unpack_without_bound_are_not_opened(tmp_path: Path, method: int) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.txt", b"a 1 1\n" * 2**18)
    tracemalloc.start()
    _fails(path, f"a.txt: found compression {method}; expected deflate or none")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_names_of_members_that_would_break_the_message(tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a\nb.txt", "a 1\nb\n")
    _fails(path, r"'a\nb.txt': line 2")


def _fails(path: Path, *expected: str, wanted: tuple[str, ...] = ("the", "b")) -> None:
    with pytest.raises(DataError) as caught:
        read_word_vectors(path, wanted)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    for text in expected:
        assert text in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a 1 2 3\nb 1 2\n", ["line 2", "found 3 fields; expected 4"]),
        (b"a 1 2\nb 0.1 1 2\n", ["line 2", "found 4 fields; expected 3"]),
        (b"a 1 2\nx y 7 1 2\n", ["line 2", "found 5 fields; expected 3"]),
        (b"2 2\na 1 2 3\nb 1 2 3\n", ["line 2", "found 4 fields; expected 3"]),
        (b"a 1 2\n\nb 1 2\n", ["line 2", "found a blank line"]),
        (b"a 1 2\nthe 1 x\n", ["line 2", "'the'", "found b'x'; expected a number"]),
        (b"a 1 2\nthe 1 nan\n", ["line 2", "'the'", "nan"]),
        (b"a 1 2\nthe inf 2\n", ["line 2", "'the'", "inf"]),
        (b"a 1 2\nthe 1_0 2\n", ["line 2", "'the'", "1_0"]),
        (b"a 1 2\nthe 1 1e39\n", ["line 2", "'the'", "not finite"]),
        (b"a 1 2\nthe 1e999 1\n", ["line 2", "'the'", "not finite"]),
        (b"a 1 2\nthe 1 --2\n", ["line 2", "'the'", "--2"]),
        (b"a 1 2\nthe  2\n", ["line 2", "'the'", "found b''"]),
        (b"3 2\na 1 2\nb 1 2\n", ["found 2 words; expected 3"]),
        (b"1 2\na 1 2\nb 1 2\n", ["found 2 words; expected 1"]),
        (b"3 2\n", ["found 0 words; expected 3"]),
        (b"1 0\na\n", ["line 1", "0 numbers"]),
        (b"5 99999999\na 1\n", ["line 1", "99999999 numbers; expected 1 to 16384"]),
        (b"hello world\n", ["line 1", "0 numbers"]),
        (b"a\t1\t2\n", ["line 1", "0 numbers"]),
        (b"\n", ["line 1", "0 numbers"]),
        (b"", ["empty file"]),
        (b"a 1 2\nb " + b"1" * (2**20 + 1), ["line 2", "more than 1048576 bytes"]),
        (pickle.dumps({"vectors": [1.0]}), ["a pickle", "save_word2vec_format"]),
    ],
)  # fmt: skip
def test_wrong_text(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    _fails(_write(tmp_path, "glove.txt", content), *expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (_binary(PLAIN)[:-1], ["entry 5", "no token and 3 numbers", "expected 5 entries"]),
        (_binary(PLAIN).replace(b"5 3\n", b"9 3\n"), ["entry 6", "expected 9 entries"]),
        (_binary(PLAIN).replace(b"5 3\n", b"4 3\n"), ["found more bytes", "4 entries"]),
        (b"the 1 2 3\n", ["header", "the 1 2 3"]),
        (struct.pack("<ii", 793712314, 12) + b"fasttext", ["header"]),
        (b"1 99999\nthe " + bytes(400), ["99999 numbers"]),
        (b"99999999999 3\nthe " + bytes(12), ["entry 2"]),
        (_binary([(b"the", [1.0, np.nan])]), ["entry 1", "'the'", "not finite"]),
        (b"1 2\nthe " + b"\x01\x00\xa0\x7f" * 2, ["entry 1", "'the'", "not finite"]),
        (_text(ROWS, header=True), ["found more bytes", "7 entries of 3 numbers"]),
        (b"2 1\n" + b"x" * 5000, ["entry 1", "no token"]),
        (pickle.dumps([1.0]), ["a pickle"]),
    ],
)  # fmt: skip
def test_wrong_binary(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    _fails(_write(tmp_path, "vectors.bin", content), *expected)


def test_entries_across_the_blocks_of_a_binary_file(tmp_path: Path) -> None:
    width, count = 300, 2500  # 3 MB: three blocks.
    table = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    rows = [(b"word%d" % i, row.tolist()) for i, row in enumerate(table)]
    wanted = [f"word{i}" for i in range(0, count, 7)]
    for name, end in (("a.bin", b""), ("b.bin", b"\n")):
        found = read_word_vectors(_write(tmp_path, name, _binary(rows, end)), wanted)
        assert list(found.words) == wanted
        np.testing.assert_array_equal(found.vectors, table[::7])


def test_damaged_and_harmful_packed_files(tmp_path: Path) -> None:
    packed = gzip.compress(_text(ROWS * 100))
    path = tmp_path / "cut.txt.gz"
    path.write_bytes(packed[: len(packed) // 2])
    _fails(path, "damaged data")
    archive = _write(tmp_path, "a.txt.zip", _text(ROWS * 100))
    content = bytearray(archive.read_bytes())
    content[60] ^= 255
    archive.write_bytes(content)
    _fails(archive, "a.txt")
    bomb = _write(tmp_path, "bomb.txt.gz", b"a 1 1\n" * 2**21)
    assert bomb.stat().st_size < 2**17
    _fails(bomb, "unpacks to more than 200 times its size")
    missing = tmp_path / "missing.txt"
    _fails(missing, "no such file")


def test_a_binary_file_read_as_text_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "noise.txt"
    path.write_bytes(b"a 1 2\n" + b"\x00" * 2**24)
    tracemalloc.start()
    _fails(path, "line 2", "more than 1048576 bytes")
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


def test_the_dataset_reads_what_a_node_wants(tmp_path: Path) -> None:
    path = _write(tmp_path, "glove.txt", _text(ROWS))
    file = WordVectorsDataset(filepath=str(path)).load()
    assert file.read(["42"]).words == ("42",)
    with pytest.raises(ParameterError, match="wanted is missing"):
        file.read()
    dataset = WordVectorsDataset(filepath=str(path), wanted=["the"])
    assert dataset.load().read().words == ("the",) and dataset.exists()
    with pytest.raises(DatasetError, match="no such file"):
        WordVectorsDataset(filepath=str(tmp_path / "missing.txt")).load()


def test_the_bar_needs_a_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    read_word_vectors(_write(tmp_path, "a.txt.gz", _text(ROWS)), ["the"], progress=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not GLOVE.is_file(), reason="needs the GloVe sample of shared data")
def test_the_real_table() -> None:
    rng = np.random.default_rng(0)
    words = build_vocabulary(25, 0.2, rng).words
    table = read_word_vectors(GLOVE, {*wanted_tokens(words), "king", "queen", "banana", "the"})
    assert table.width == 50 and "the" in table.index
    np.testing.assert_allclose(
        table.vectors[table.index["the"], :3], [0.418, 0.24968, -0.41242], rtol=1e-6
    )
    unit = table.vectors / np.linalg.norm(table.vectors, axis=1, keepdims=True)
    king, queen, banana = (unit[table.index[word]] for word in ("king", "queen", "banana"))
    assert king @ queen > 0.7 > 0.4 > king @ banana
    _, found = look_up(words, table.index, table.vectors)
    print(f"{found.mean():.1%} of {len(words)} words found; not: {words[~found].tolist()}")
    assert found.mean() > 0.97


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """Draw a table whose tokens have no space and are no number."""
    width = draw(st.integers(1, 4))
    blanks = bytes.maketrans(b" \t\n\v\f\r", b"xxxxxx")
    token = st.binary(max_size=6).map(lambda drawn: b"w" + drawn.translate(blanks))
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    numbers = st.lists(number, min_size=width, max_size=width)
    return draw(st.lists(st.tuples(token, numbers), min_size=1, max_size=6))


@relaxed
@given(rows=tables(), name=st.sampled_from(sorted(FORMS)), keep=st.integers(0, 6))
def test_any_table_comes_back(tmp_path: Path, rows: Rows, name: str, keep: int) -> None:
    path = _write(tmp_path, name, FORMS[name](rows))
    first: dict[str, list[float]] = {}
    for token, numbers in rows:
        first.setdefault(token.decode("utf-8", "surrogateescape"), numbers)
    wanted = list(first)[:keep]
    found = read_word_vectors(path, wanted)
    assert list(found.words) == wanted
    expected = np.array([first[word] for word in wanted], dtype=np.float32)
    np.testing.assert_array_equal(found.vectors, expected.reshape(len(wanted), len(rows[0][1])))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _read_anything(path: Path) -> None:
    try:
        found = read_word_vectors(path, WORDS)
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return
    assert isinstance(found, WordVectors)
    assert found.vectors.dtype == np.float32 and len(found.vectors) == len(found.words)
    assert np.isfinite(found.vectors).all() and set(found.words) <= set(WORDS)


@pytest.mark.mutations
@pytest.mark.filterwarnings("error")
@relaxed
@given(
    name=st.sampled_from(sorted(FORMS)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    outside=st.booleans(),
)
def test_changed_bytes(
    folder: Path,
    name: str,
    changes: list[tuple[float, int]],
    cut: float | None,
    outside: bool,
) -> None:
    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        for where, value in changes:
            changed[int(where * (len(changed) - 1))] = value
        return bytes(changed if cut is None else changed[: int(cut * len(changed))])

    content = FORMS[name](ROWS)
    if outside:
        path = _write(folder, name, content)
        path.write_bytes(change(path.read_bytes()))
    else:
        path = _write(folder, name, change(content))
    _read_anything(path)


FIELDS = st.sampled_from(
    ["the", "42", ".", "0.5", "-1e3", "nan", "inf", "1_0", "", "\t", "1e999", "\udce9", "7", "x y"]
)


@pytest.mark.mutations
@pytest.mark.filterwarnings("error")
@relaxed
@given(
    lines=st.lists(st.lists(FIELDS, max_size=6), max_size=6),
    end=st.sampled_from(["\n", "\r\n", " \n", "\n\n", "\0"]),
    name=st.sampled_from(["a.txt", "a.bin", "a.txt.gz", "a.bin.zip"]),
)
def test_lines_of_any_fields(folder: Path, lines: list[list[str]], end: str, name: str) -> None:
    text = "".join(" ".join(fields) + end for fields in lines)
    _read_anything(_write(folder, name, os.fsencode(text)))
