"""How the frames of videos and their words cover each other: where a wrong rate is seen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mfm_pipeline.ingestion.work import Arrays

Row = dict[str, str | float]

#: Shares beyond which a wrong frame rate is the likely reason.
_MOST_WITHOUT, _MOST_LATE = 0.2, 0.3
#: So far frames may end before or after the last word, in shares of its time, ...
_SHORTER, _LONGER = 0.05, 0.1
#: ... if videos do so alike: the middle half of them lies within this share.
_ALIKE = 0.05
_FEW_VIDEOS = 5


def cover_of(split: str, part: Arrays, until: float) -> Row:
    """Return the cover of one video.

    Parameters
    ----------
    split : str
    part : dict of str to ndarray
        What `AlignFrames` gives.
    until : float
        Seconds at which the last word ends.

    Returns
    -------
    dict
        ``frames``, how many of them are ``bad`` and ``late``, the ``spans`` that they were
        averaged over and how many are ``without`` frames; ``end`` of the frames and
        ``until`` in seconds.
    """
    return {
        "split": split,
        **{name: int(part[name]) for name in ("frames", "bad", "late")},
        "spans": len(part["observed"]),
        "without": len(part["observed"]) - int(part["observed"].sum()),
        "end": float(part["end"]),
        "until": until,
    }


def looks_wrong(cover: pd.DataFrame) -> bool:
    """Say whether frames and words cover each other as if the frame rate were wrong.

    Either much is not covered; or frames end too early or too late by the same share of
    every video, as 25 frames a second read as 30 do, while silence at the end is of any
    length.

    Parameters
    ----------
    cover : DataFrame
        A row a video, as `cover_of` gives it.
    """
    total = cover[["frames", "late", "spans", "without"]].sum()
    if total["without"] > _MOST_WITHOUT * total["spans"]:
        return True
    if total["late"] > _MOST_LATE * total["frames"]:
        return True
    timed = cover[(cover["until"] > 0) & (cover["frames"] > 0)]
    if len(timed) < _FEW_VIDEOS:
        return False
    low, median, high = np.quantile(timed["end"] / timed["until"], [0.25, 0.5, 0.75])
    alike = high - low < _ALIKE * median
    return bool(alike and not 1 - _SHORTER < median < 1 + _LONGER)
