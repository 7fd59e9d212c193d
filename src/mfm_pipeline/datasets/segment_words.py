"""Words of one segment a text file, as the paper's authors had them from P2FA.

Lines ``index,WORD,start_in_segment,end_in_segment,start_in_video,end_in_video``.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import ClassVar

from mfm_pipeline.datasets.track import Kind, Track, TrackDataset, TrackFormat
from mfm_pipeline.datasets.words import TimedWords, read_transcript
from mfm_pipeline.errors import DataError

_EXPECTED = "index,WORD,start_in_segment,end_in_segment,start_in_video,end_in_video"


@dataclass(frozen=True)
class SegmentWords:
    """One segment's words a text file; the intervals are those in the video."""

    kind: ClassVar[Kind] = "words"

    def columns(self, path: Path) -> tuple[str, ...]:
        """Return no names, as words have none."""
        return ()

    def read(self, path: Path) -> Track:
        """Read the words; see `TrackFormat`, and `decode_transcript` for the encoding."""
        text = read_transcript(path, f"lines {_EXPECTED}")
        words = TimedWords()
        for number, line in enumerate(StringIO(text, newline=None), start=1):
            if not line.isspace():
                _add(words, line, f"{path}: line {number}")
        return words.track()


class SegmentWordsDataset(TrackDataset):
    """Kedro dataset of one segment's words; read only.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    format: ClassVar[type[TrackFormat]] = SegmentWords


def _add(words: TimedWords, line: str, where: str) -> None:
    """Add the word of one line, which may hold commas itself."""
    try:
        index, rest = line.split(",", 1)
        word, *times = rest.rsplit(",", 4)
        int(index)
        _, _, start, end = map(float, times)
    except ValueError:
        raise DataError(f"{where}: found {line.strip()[:80]!r}; expected {_EXPECTED}") from None
    words.add(where, start, end, word)
