"""Text of strangers' data in figures: words, ids, names of classes and features."""

from __future__ import annotations

from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font


def plain(text: str, length: int = 18, tail: int = 0) -> str:
    """Return text as one line that the figure's font can draw.

    Where it is set, ``parse_math=False`` is due too: a ``$`` is no formula.

    Parameters
    ----------
    text : str
    length : int
        Of longer text "…" takes the place of the end,
    tail : int
        or of what comes before so many characters at the end.

    Returns
    -------
    str
        At most `length` characters; "□" stands for those that the font lacks.
    """
    line = " ".join(text.split())
    if len(line) > length:
        line = line[: length - 1 - tail].rstrip() + "…" + line[len(line) - tail :]
    return "".join(c if ord(c) in _characters() else "□" for c in line)


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
