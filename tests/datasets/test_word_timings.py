"""Transcripts in time, against files written by hand."""

import time
from pathlib import Path

import numpy as np
import pytest

from mfm_pipeline.datasets.segment_words import SegmentWords, SegmentWordsDataset
from mfm_pipeline.datasets.textgrid import TextGrid, TextGridDataset
from mfm_pipeline.errors import DataError, ParameterError

# As Praat saves it, with a point tier between, a comment, a quote and a line end in a word.
LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5 ! 7 seconds it is not, "nor" this
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 2.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.5
            text = "AH0"
    item [2]:
        class = "TextTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1
            mark = "!"
    item [3]:
        class = "IntervalTier"
        name = "Words"
        xmin = 0
        xmax = 2.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.25
            text = ""
        intervals [2]:
            xmin = 0.25
            xmax = 1
            text = "the ""so-called"""
        intervals [3]:
            xmin = 1
            xmax = 1.5e0
            text = " "
        intervals [4]:
            xmin = 1.5
            xmax = 2.5
            text = "größte
 5"
'''

# As P2FA saves it.
SHORT = """File type = "ooTextFile short"
"TextGrid"

0
1.5
<exists>
2
"IntervalTier"
"phone"
0.0
1.5
1
0.0
1.5
"HH"
"IntervalTier"
"word"
0.0
1.5
3
0.0
0.5
"HELLO"
0.5
0.9
"sp"
0.9
1.5
"WORLD"
"""

SPEAKERS = """"ooTextFile" "TextGrid" 0 9 <exists> 3
"IntervalTier" "anna - words" 0 9 2  0 1 "a" 4 5 "c"
"IntervalTier" "anna - phones" 0 9 1  0 1 "x"
"IntervalTier" "bob - words" 0 9 2  2 3 "b" 6 7 "d"
"""


def _write(folder: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / "talk.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_long_form(tmp_path: Path, encoding: str, ends: str) -> None:
    text = ("\ufeff" if encoding.startswith("utf-16") else "") + LONG.replace("\n", ends)
    found = TextGrid().read(_write(tmp_path, text, encoding))
    assert found.features.tolist() == ['the "so-called"', "größte 5"]
    assert found.features.dtype.kind == "U"
    np.testing.assert_array_equal(found.intervals, [[0.25, 1], [1.5, 2.5]])
    assert found.intervals.dtype == np.float64


def test_short_form(tmp_path: Path) -> None:
    found = TextGrid().read(_write(tmp_path, SHORT))
    assert found.features.tolist() == ["HELLO", "sp", "WORLD"]
    np.testing.assert_array_equal(found.intervals, [[0, 0.5], [0.5, 0.9], [0.9, 1.5]])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_accents_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    words = ["película", "NIÑO", "qué"] + ["“así”"] * (encoding != "latin-1")
    lines = [f"{i},{word},{i},{i + 1},{i},{i + 1}" for i, word in enumerate(words)]
    text = "\n".join(lines)
    assert SegmentWords().read(_write(tmp_path, text, encoding)).features.tolist() == words
    intervals = [f'{i} {i + 1} "{word}"' for i, word in enumerate(words)]
    text = HEAD + f"{len(words)} " + "\n".join(intervals)
    assert TextGrid().read(_write(tmp_path, text, encoding)).features.tolist() == words


def test_millions_of_bytes_that_are_not_utf_8_are_read_quickly(tmp_path: Path) -> None:
    path = _write(tmp_path, b"a\xff" * 2**21)
    start = time.process_time()
    with pytest.raises(DataError, match="line 1: found 'aÿaÿ"):
        SegmentWords().read(path)
    assert time.process_time() - start < 2  # 0.2 s where nothing else runs.


def test_bytes_of_no_encoding_become_marks(tmp_path: Path) -> None:
    found = SegmentWords().read(_write(tmp_path, b"0,\x81a,0,1,0,1"))
    assert found.features.tolist() == ["\ufffda"]


def test_speakers_are_merged_in_order_of_time(tmp_path: Path) -> None:
    found = TextGrid().read(_write(tmp_path, SPEAKERS))
    assert found.features.tolist() == ["a", "b", "c", "d"]
    assert found.intervals[:, 0].tolist() == [0, 2, 4, 6]


def test_named_tier(tmp_path: Path) -> None:
    path = _write(tmp_path, SPEAKERS)
    assert TextGrid(tier="bob - words").read(path).features.tolist() == ["b", "d"]
    dataset = TextGridDataset(filepath=str(path), tier="anna - phones")
    assert dataset.load().features.tolist() == ["x"]
    assert dataset.exists() and TextGrid.kind == "words" and TextGrid().columns(path) == ()


@pytest.mark.parametrize("tier", ["", 3])
def test_tier_is_a_name(tier: object) -> None:
    with pytest.raises(ParameterError, match="tier is"):
        TextGrid(tier=tier)  # type: ignore[arg-type]


def test_silence_is_a_track_of_no_words(tmp_path: Path) -> None:
    found = TextGrid().read(
        _write(tmp_path, '"ooTextFile" "TextGrid" 0 9 1 "IntervalTier" "word" 0 9 1 0 9 ""')
    )
    assert found.intervals.shape == (0, 2) and found.features.shape == (0,)


HEAD = '"ooTextFile" "TextGrid" 0 9 <exists> 1 "IntervalTier" "word" 0 9 '


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        ('"ooTextFile" "Sound" 0 1', "object class: found 'Sound'; expected TextGrid"),
        ("index,word", "file type: found the end of the file"),
        ('"Praat chronological TextGrid text file"', "file type: found 'Praat chron"),
        (HEAD + '2 0 1 "a"', "tier 'word', interval 2 of 2: found the end of the file"),
        (HEAD + '1 0 1 "a" 1 2 "b"', "after the last tier: found 1.0; expected the end"),
        (HEAD + '1e300 0 1 "a"', "interval 2 of 1000"),
        (HEAD + '1.5 0 1 "a"', "number of intervals: found 1.5; expected a count"),
        (HEAD + '-1 0 1 "a"', "number of intervals: found -1.0; expected a count"),
        (HEAD + '1 2 1 "a"', "talk.txt: tier 'word', interval 1 of 1: found start 2.0 and end 1"),
        (HEAD + '1 0 1e999 "a"', "found start 0.0 and end inf; expected finite"),
        (HEAD + '1 2 1 ""', "found start 2.0 and end 1"),
        (HEAD + '1 0 1 "a', "expected a quote that ends it"),
        (HEAD + '1 0 1 "' + "a" * 2000 + '"', "a word of 2000 characters"),
        ('"ooTextFile" "TextGrid" 0 9 1 "Sound" "word" 0 1 0', "class of tier 1: found 'Sound'"),
        ('"ooTextFile" "TextGrid" 0 9 <absent>', "number of tiers: found the end"),
        (SHORT.replace('"word"', '"mots"'), "2 interval tiers: 'phone', 'mots'; expected 'word or"),
        ('"ooTextFile" "TextGrid" 0 1 1 "TextTier" "word" 0 1 0', "found no interval tier"),
    ],
)
def test_errors_of_text_grids(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        TextGrid().read(_write(tmp_path, content))
    assert message in str(error.value)
    assert "talk.txt" in str(error.value) and "\n" not in str(error.value)


def test_missing_named_tier(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected 'Word' as the name of an interval tier"):
        TextGrid(tier="Word").read(_write(tmp_path, SHORT))


SEGMENT = """0,HELLO,0.0,0.5,10.0,10.5

1,1,000,0.5,0.75,10.5,10.75\r
2,WORLD , 0.75,1,10.75, 11
3, ,1,2,11,12
"""


def test_segment_words(tmp_path: Path) -> None:
    # UTF-8, and one word in Latin-1.
    path = _write(tmp_path, SEGMENT.encode() + b"4,caf\xe9,2,3,12,13")
    for found in (SegmentWords().read(path), SegmentWordsDataset(filepath=str(path)).load()):
        assert found.features.tolist() == ["HELLO", "1,000", "WORLD", "café"]
        np.testing.assert_array_equal(
            found.intervals, [[10, 10.5], [10.5, 10.75], [10.75, 11], [12, 13]]
        )
    assert SegmentWords.kind == "words" and SegmentWords().columns(path) == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        ("0,A,0,1,0,1\n\n1,B,0,1,0", "line 3: found '1,B,0,1,0'; expected index,WORD"),
        ("x,A,0,1,0,1", "line 1: found"),
        ("0,A,0,1,0,end", "line 1: found"),
        ("0,A,0,1,0,nan", "line 1: found start 0.0 and end nan; expected finite"),
        ("0,A,0,1,5,4", "line 1: found start 5.0 and end 4.0"),
        ("just text", "line 1: found 'just text'"),
    ],
)
def test_errors_of_segment_words(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        SegmentWords().read(_write(tmp_path, content))
    assert message in str(error.value)
    assert "talk.txt" in str(error.value) and "\n" not in str(error.value)


def test_too_large_or_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        SegmentWords().read(tmp_path / "absent")
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(16 * 2**20 + 1)
    for format in (TextGrid(), SegmentWords()):
        with pytest.raises(DataError, match="found 16777217 bytes"):
            format.read(path)
