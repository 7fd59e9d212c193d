"""Words and when they are said: what the readers of transcripts share."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np

from mfm_pipeline.datasets.hdf5 import MAX_CHARACTERS
from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.datasets.timing import MAX_SECONDS
from mfm_pipeline.datasets.track import Track
from mfm_pipeline.errors import DataError

# By what stands for each byte that is not UTF-8.
_WINDOWS = {0xDC00 + byte: bytes([byte]).decode("cp1252", "replace") for byte in range(128, 256)}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Size of one transcript; an hour of speech makes a million bytes or two.
MAX_BYTES = 16 * 2**20
#: Words of one transcript: half a day of speech.
MAX_WORDS = 2**17


class TimedWords:
    """Words that are gathered one by one, each checked, and then given as a track."""

    def __init__(self) -> None:
        self._words: list[tuple[float, float, str]] = []

    def add(self, where: str, start: float, end: float, text: str) -> None:
        """Add a word, or nothing if `text` is blank: a pause.

        Parameters
        ----------
        where : str
            File and place, for an error.
        start, end : float
            In seconds.
        text : str

        Raises
        ------
        DataError
            If a time is not finite, the end comes before the start, the word is overlong,
            or there are too many.
        """
        if not -MAX_SECONDS <= start <= end <= MAX_SECONDS:
            raise DataError(
                f"{where}: found start {start} and end {end}; "
                f"expected finite seconds, at most {MAX_SECONDS:g}, the end not before the start"
            )
        word = " ".join(text.replace("\0", " ").split())  # NumPy would cut NUL off.
        if not word:
            return
        if len(word) > MAX_CHARACTERS:
            raise DataError(
                f"{where}: found a word of {len(word)} characters; "
                f"expected at most {MAX_CHARACTERS}"
            )
        if len(self._words) == MAX_WORDS:
            raise DataError(f"{where}: found one word more; expected at most {MAX_WORDS} words")
        self._words.append((start, end, word))

    def track(self) -> Track:
        """Return the words in order of time; none are a track of length 0."""
        words = sorted(self._words, key=lambda word: word[:2])
        intervals = np.array([word[:2] for word in words], dtype=np.float64).reshape(-1, 2)
        return Track(intervals, np.array([word for _, _, word in words], dtype=np.str_))


def read_transcript(path: Path, expected: str) -> str:
    """Read a whole transcript; see `decode_transcript`.

    Raises
    ------
    DataError
        If it is missing, empty, or larger than any transcript.
    """
    check_file(path, expected)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path}: found {size} bytes; expected {expected}, at most {MAX_BYTES}")
    with reading(path, "text", expected):
        content = path.read_bytes()
    return decode_transcript(content)


def decode_transcript(content: bytes) -> str:
    """Decode UTF-8, or UTF-16 with its mark.

    Bytes that are not UTF-8 are taken for Windows-1252, a superset of Latin-1, as Praat
    does: older transcripts have their accents so.
    """
    if content.startswith(_UTF16):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("utf-8-sig", "surrogateescape").translate(_WINDOWS)
