"""What a step of a sample is made of: one word, the words of a sentence, a window of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mfm_pipeline.data import BoolArray
from mfm_pipeline.features.overlap import Intervals, Positions

_ENDS = (".", "?", "!", "…")


def split_sentences(words: Intervals, tokens: NDArray[np.str_] | None, pause: float) -> Positions:
    """Return the sentence of each word, by number.

    A sentence ends with a word that ends in ``.``, ``?``, ``!`` or ``…``, and before a
    silence of `pause` seconds or more.

    Parameters
    ----------
    words : ndarray, shape (M, 2)
        Sorted by start.
    tokens : ndarray of str, shape (M,), optional
    pause : float
        Seconds.

    Returns
    -------
    ndarray of int, shape (M,)
        Sentence of each word, from 0 on.
    """
    if not len(words):
        return np.zeros(0, dtype=np.intp)
    begins = words[1:, 0] - np.maximum.accumulate(words[:-1, 1]) >= pause
    if tokens is not None:
        begins |= np.array([token.endswith(_ENDS) for token in tokens[:-1].tolist()], dtype=bool)
    return np.concatenate([[0], np.cumsum(begins)]).astype(np.intp)


def hull(words: Intervals, step: Positions, count: int) -> Intervals:
    """Return first start and last end of the words (M, 2) of each step, shape (count, 2)."""
    found = np.stack([np.full(count, np.inf), np.full(count, -np.inf)], axis=1)
    np.minimum.at(found[:, 0], step, words[:, 0])
    np.maximum.at(found[:, 1], step, words[:, 1])
    return found


def cut_windows(
    segments: Intervals, seconds: float, steps: int
) -> tuple[Intervals, Positions, Positions]:
    """Cut segments into windows of equal length from their start on; keep the last of them.

    The last window of a segment is as short as what is left; a rest of less than a
    hundredth of a window belongs to the window before it.

    Parameters
    ----------
    segments : ndarray, shape (S, 2)
    seconds : float
        Of a window.
    steps : int

    Returns
    -------
    windows : ndarray, shape (P, 2)
    slots : ndarray of int, shape (S, steps)
        Window at each step, -1 where there is none; padded on the left.
    counts : ndarray of int, shape (S,)
        Windows of each segment, those left out too.
    """
    lengths = segments[:, 1] - segments[:, 0]
    counts = np.maximum(np.ceil(lengths / seconds - 0.01), lengths > 0).astype(np.intp)
    kept = np.minimum(counts, steps)
    slots = np.arange(steps) - (steps - kept)[:, None]
    first = np.cumsum(kept) - kept
    owner = np.repeat(np.arange(len(segments)), kept)
    number = np.arange(len(owner)) - first[owner] + (counts - kept)[owner]
    starts = segments[owner, 0] + number * seconds
    last = number == counts[owner] - 1
    ends = np.where(last, segments[owner, 1], starts + seconds)
    return (
        np.stack([starts, ends], axis=1),
        np.where(slots >= 0, slots + first[:, None], -1),
        counts,
    )


def average_words(
    values: NDArray[np.float32], observed: BoolArray, step: Positions, count: int
) -> tuple[NDArray[np.float32], BoolArray]:
    """Average the words of each step; words without frames do not count.

    Parameters
    ----------
    values : ndarray of float32, shape (M, D)
    observed : ndarray of bool, shape (M,)
    step : ndarray of int, shape (M,)
        Step of each word.
    count : int
        Steps, P.

    Returns
    -------
    means : ndarray of float32, shape (P, D)
        Zero where no word of a step is observed.
    observed : ndarray of bool, shape (P,)
    """
    word = np.flatnonzero(observed)
    ones = np.ones(len(word))
    belongs = sparse.csr_array((ones, (step[word], word)), shape=(count, len(values)))
    words = np.bincount(step[word], minlength=count)
    means = (belongs @ values.astype(np.float64)) / np.maximum(words, 1)[:, None]
    return means.astype(np.float32), words > 0


def join_tokens(tokens: NDArray[np.str_], step: Positions, count: int) -> NDArray[np.str_]:
    """Write the tokens (M,) of each step behind each other, shape (count,)."""
    texts: list[list[str]] = [[] for _ in range(count)]
    for token, at in zip(tokens.tolist(), step.tolist(), strict=True):
        texts[at].append(token)
    return np.array([" ".join(text) for text in texts], dtype=np.str_)
