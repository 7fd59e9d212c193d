"""A wrong frame rate is seen by what frames and words cover of each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.ingestion.cover import cover_of, looks_wrong


def _read_at(told: float, videos: int = 12, silence: float = 6.0) -> pd.DataFrame:
    """Return the cover of videos of 30 frames a second that are read at another rate.

    Words of half a second fill each video but for up to `silence` seconds at its end.
    """
    rng = np.random.default_rng(0)
    rows = []
    for length in rng.uniform(60, 180, videos):
        words = np.arange(0, length - rng.uniform(0, silence) - 0.5, 0.5)
        frames = np.arange(int(30 * length)) / told
        until, end = float(words[-1] + 0.5), float(frames[-1] + 1 / told)
        part = {
            "observed": words < end,
            "frames": np.array(len(frames)),
            "bad": np.array(3),
            "late": (frames >= until).sum(),
            "end": np.array(end),
        }
        rows.append(cover_of("train", part, until))
    return pd.DataFrame(rows)


@pytest.mark.parametrize("told", [10, 15, 24, 25, 34, 36, 60, 100])
def test_another_rate_is_seen(told: float) -> None:
    assert looks_wrong(_read_at(told))


@pytest.mark.parametrize("told", [29.97, 30])
@pytest.mark.parametrize("silence", [0.5, 6.0, 40.0])
def test_the_right_rate_is_not(told: float, silence: float) -> None:
    assert not looks_wrong(_read_at(told, silence=silence))


def test_a_few_videos_say_nothing_of_a_small_difference() -> None:
    assert not looks_wrong(_read_at(25, videos=4))
    assert looks_wrong(_read_at(10, videos=1))


def test_the_cover_of_one_video() -> None:
    part = {
        "observed": np.array([True, False, True]),
        "frames": np.array(40), "bad": np.array(2), "late": np.array(5), "end": np.array(4.5),
    }  # fmt: skip
    assert cover_of("test", part, 4.0) == {
        "split": "test", "frames": 40, "bad": 2, "late": 5, "spans": 3, "without": 1,
        "end": 4.5, "until": 4.0,
    }  # fmt: skip
