"""When frames begin and end: rates, and times that files give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.errors import DataError, ParameterError

#: Frames a second that a reader may be told.
MIN_RATE, MAX_RATE = 1e-3, 1e6
#: Seconds, before or after 0, that a file may name: 30 years.
MAX_SECONDS = 1e9

#: Names the place of a row for an error: file, row or line, and field.
Where = Callable[[int], str]


def check_rate(rate: Any) -> None:
    """Check a parameter `rate`, in frames a second.

    Raises
    ------
    ParameterError
        If it is not a number within reason.
    """
    number = isinstance(rate, int | float) and not isinstance(rate, bool)
    if not number or not MIN_RATE <= rate <= MAX_RATE:
        raise ParameterError(
            f"rate is {rate!r}; expected frames a second, from {MIN_RATE:g} to {MAX_RATE:g}"
        )


def check_seconds(seconds: NDArray[np.float64], where: Where) -> None:
    """Check times that a file gives, shape (N,) or (N, K).

    Raises
    ------
    DataError
        If one is not finite, or out of all reason.
    """
    sound = np.abs(seconds) <= MAX_SECONDS  # NaN is not.
    if not sound.all():
        row = int(np.argwhere(~sound)[0, 0])
        raise DataError(
            f"{where(row)}: found {seconds[row].tolist()}; "
            f"expected finite seconds, at most {MAX_SECONDS:g}"
        )


def check_intervals(intervals: NDArray[np.float64], where: Where) -> None:
    """Check intervals that a file gives, shape (N, 2).

    Raises
    ------
    DataError
        If one is not finite, or ends before it starts.
    """
    check_seconds(intervals, where)
    backward = np.flatnonzero(intervals[:, 1] < intervals[:, 0])
    if backward.size:
        start, end = intervals[backward[0]].tolist()
        raise DataError(
            f"{where(int(backward[0]))}: found start {start} and end {end}; "
            "expected an end that is not before the start"
        )


def check_times(times: NDArray[np.float64], where: Where) -> None:
    """Check times that a file gives, shape (N,), for `until_next`.

    Raises
    ------
    DataError
        If one is not finite, does not come after the one before, or is the only one.
    """
    check_seconds(times, where)
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        row = int(back[0]) + 1
        raise DataError(
            f"{where(row)}: found time {times[row]} after {times[row - 1]}; "
            "expected times that increase"
        )
    if len(times) < 2:
        raise DataError(
            f"{where(0)}: found no second time; expected at least two frames, "
            "as each lasts until the next"
        )


def until_next(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intervals of frames that each last until the next.

    Parameters
    ----------
    times : ndarray, shape (N,)
        Starts in seconds, increasing; at least two.

    Returns
    -------
    ndarray, shape (N, 2)
        The last one lasts as long as the median frame.
    """
    last = times[-1] + np.median(np.diff(times))
    return np.stack([times, np.append(times[1:], last)], axis=1)
