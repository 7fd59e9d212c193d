"""Praat's TextGrid: the words of a forced aligner (P2FA, Montreal Forced Aligner).

The long and the short text form hold the same strings and numbers in the same order;
all else in the long form (``xmin =``, ``intervals [1]:``) is for people, and skipped, as
by Praat's own reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

from mfm_pipeline.datasets.track import Kind, Track, TrackDataset, TrackFormat
from mfm_pipeline.datasets.words import TimedWords, read_transcript
from mfm_pipeline.errors import DataError, ParameterError

_EXPECTED = "a Praat TextGrid"
_FILE_TYPES = ("ooTextFile", "ooTextFile short")
# Possessive, and so of linear time.
_TOKEN = re.compile(
    r"""
    "(?P<string>(?:[^"]++|"")*+)"           # A quote in it is doubled.
    | (?P<unended>")
    | (?:![^\r\n]*+\s*+)++                 # Comments, to the end of their line.
    | (?:[^\s"!0-9+-][^\s"]*+\s*+)++       # Names, signs and flags.
    | (?P<number>[+-]?[0-9]++(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]++)?)(?=[\s"]|\Z)
    | [^\s"]++
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class TextGrid:
    """Praat's TextGrid, as text; see `decode_transcript` for its encoding.

    Parameters
    ----------
    tier : str, optional
        Name of the interval tier; by default ``word`` or ``words``, in capitals or not, or
        all speakers' (``anna - words``), merged in order of time.

    Raises
    ------
    ParameterError
        If it is no name.
    """

    kind: ClassVar[Kind] = "words"

    tier: str | None = None

    def __post_init__(self) -> None:
        if self.tier is not None and not (isinstance(self.tier, str) and self.tier):
            raise ParameterError(f"tier is {self.tier!r}; expected the name of a tier, or none")

    def columns(self, path: Path) -> tuple[str, ...]:
        """Return no names, as words have none."""
        return ()

    def read(self, path: Path) -> Track:
        """Read the words; see `TrackFormat`. Intervals without text are pauses, left out."""
        tokens = _Tokens(path, read_transcript(path, _EXPECTED))
        words = TimedWords()
        names = []
        for number in range(_read_head(tokens)):
            kind = tokens.string(f"class of tier {number + 1}")
            name = tokens.string(f"name of tier {number + 1}")
            if kind == "IntervalTier":
                names.append(name)
                _read_intervals(tokens, name, words if self._takes(name) else None)
            elif kind == "TextTier":
                _skip_points(tokens, name)
            else:
                what = f"class of tier {number + 1}"
                raise tokens.error(what, [kind], "IntervalTier or TextTier")
        tokens.end()
        if not any(map(self._takes, names)):
            raise DataError(
                f"{path}: found {_listed(names)}; "
                f"expected {self.tier or 'word or words'!r} as the name of an interval tier"
            )
        return words.track()

    def _takes(self, name: str) -> bool:
        if self.tier is not None:
            return name == self.tier
        return name.strip().casefold().rpartition(" - ")[2] in ("word", "words")


class TextGridDataset(TrackDataset):
    """Kedro dataset of one TextGrid's words; read only.

    Parameters
    ----------
    filepath : str
    tier
        See `TextGrid`.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    format: ClassVar[type[TrackFormat]] = TextGrid


class _Tokens:
    """The strings and numbers of a file, taken one by one; each a `DataError` if another."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._tokens = self._split(text)

    def _split(self, text: str) -> Iterator[str | float]:
        for match in _TOKEN.finditer(text):
            token = match.lastgroup
            if token == "number":
                yield float(match["number"])
            elif token == "string":
                yield match["string"].replace('""', '"')
            elif token == "unended":
                raise self.error("text", [text[match.start() :]], "a quote that ends it")

    def take(self, count: int) -> tuple[str | float, ...]:
        """Return the next tokens, fewer at the end of the file."""
        return tuple(islice(self._tokens, count))

    def string(self, what: str) -> str:
        match self.take(1):
            case (str(text),):
                return text
            case other:
                raise self.error(what, other, "a string in double quotes")

    def number(self, what: str) -> float:
        match self.take(1):
            case (float(number),):
                return number
            case other:
                raise self.error(what, other, "a number")

    def count(self, what: str) -> int:
        number = self.number(what)
        if number < 0 or not number.is_integer():
            raise self.error(what, [number], "a count")
        return int(number)

    def end(self) -> None:
        if rest := self.take(1):
            raise self.error("after the last tier", rest, "the end, as the counts say")

    def error(self, what: str, found: Iterable[str | float], expected: str) -> DataError:
        shown = ", ".join(map(_shown, found)) or "the end of the file"
        return DataError(f"{self.path}: {what}: found {shown}; expected {expected}")


def _read_head(tokens: _Tokens) -> int:
    """Return the number of tiers."""
    file_type = tokens.string("file type")
    if file_type not in _FILE_TYPES:
        raise tokens.error("file type", [file_type], "ooTextFile")
    name = tokens.string("object class")
    if name != "TextGrid":
        raise tokens.error("object class", [name], "TextGrid")
    return _read_extent(tokens, "head", "tiers")


def _read_extent(tokens: _Tokens, what: str, items: str) -> int:
    """Skip the start and end of a grid or tier, and return how many items it claims."""
    tokens.number(f"{what}, start")
    tokens.number(f"{what}, end")
    return tokens.count(f"{what}, number of {items}")


def _read_intervals(tokens: _Tokens, name: str, words: TimedWords | None) -> None:
    """Add the intervals of one tier to `words`, if any."""
    tier = f"tier {_shown(name)}"
    count = _read_extent(tokens, tier, "intervals")
    for number in range(1, count + 1):
        match tokens.take(3):
            case float(start), float(end), str(text):
                if words is not None:
                    where = f"{tokens.path}: {tier}, interval {number} of {count}"
                    words.add(where, start, end, text)
            case other:
                what = f"{tier}, interval {number} of {count}"
                raise tokens.error(what, other, "start, end and text in double quotes")


def _skip_points(tokens: _Tokens, name: str) -> None:
    tier = f"tier {_shown(name)}"
    count = _read_extent(tokens, tier, "points")
    for number in range(1, count + 1):
        match tokens.take(2):
            case float(), str():
                pass
            case other:
                what = f"{tier}, point {number} of {count}"
                raise tokens.error(what, other, "time and text in double quotes")


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(_shown, names[:10]))
    return f"{len(names)} interval tiers: {shown}" if names else "no interval tier"


def _shown(token: str | float) -> str:
    return repr(token[:40] if isinstance(token, str) else token)
