"""Transcript words to word vectors, whatever the spelling of either.

A table has its own idea of case, contractions, hyphens and accents; a word is tried in its
likely spellings, and takes the first that the table has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray

Unknown = Literal["zero", "mean", "hash"]
Tokens = tuple[str, ...]

# Also what keyboards have near it: grave and acute accents.
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u2032`\u00b4", "'"))
_CLITIC = re.compile(r"(.+?)(n't|'(?:s|m|d|re|ve|ll))", re.IGNORECASE)
_HYPHENS = re.compile("[-\u2010\u2011\u2012\u2013\u2014]+")


def spellings(word: str) -> Iterator[Tokens]:
    """Yield the spellings of a word, each one token or several, the likeliest first.

    As it is; without punctuation at its ends; with a contraction or possessive split as
    GloVe's tokenizer does, then without it; the parts of a hyphenated word. Each of these
    as it is, in lower case and Capitalised. All of this with accents, then without, the
    tilde of ñ last.

    Parameters
    ----------
    word : str

    Yields
    ------
    tuple of str
        Each once; nothing for the empty word.
    """
    seen = set()
    for tokens in _all_spellings(word):
        if tokens not in seen and all(tokens):
            seen.add(tokens)
            yield tokens


def wanted_tokens(words: Iterable[str]) -> set[str]:
    """Return all tokens of all spellings: what to read from a file of vectors."""
    return {token for word in set(words) for tokens in spellings(word) for token in tokens}


def look_up(
    words: NDArray[np.str_], index: Mapping[str, int], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.float32], BoolArray]:
    """Look up each word by its first spelling of which the table has all tokens.

    Parameters
    ----------
    words : ndarray of str, shape (M,)
    index : mapping of str to int
        Row of each token.
    vectors : ndarray of float32, shape (V, D)

    Returns
    -------
    values : ndarray of float32, shape (M, D)
        Of several tokens the mean; zeros for words that were not found.
    found : ndarray of bool, shape (M,)
    """
    unique, inverse = np.unique(words, return_inverse=True)
    values = np.zeros((len(unique), vectors.shape[1]), dtype=np.float32)
    found = np.zeros(len(unique), dtype=np.bool_)
    for position, word in enumerate(unique.tolist()):
        for tokens in spellings(word):
            rows = [index[token] for token in tokens if token in index]
            if len(rows) == len(tokens):
                values[position] = vectors[rows].mean(axis=0, dtype=np.float64)
                found[position] = True
                break
    return values[inverse], found[inverse]


def fill_unknown(
    values: NDArray[np.float32],
    found: BoolArray,
    words: NDArray[np.str_],
    how: Unknown,
    mean: NDArray[np.float32],
    scale: float,
) -> tuple[NDArray[np.float32], BoolArray]:
    """Give the words that were not found a vector.

    Parameters
    ----------
    values : ndarray of float32, shape (M, D)
    found : ndarray of bool, shape (M,)
    words : ndarray of str, shape (M,)
    how : {"zero", "mean", "hash"}
        Zeros, which count as not observed; `mean`; or a normal draw of the word's own,
        times `scale`: the same word, in any case, always has the same vector.
    mean : ndarray, shape (D,)
        Of the training words.
    scale : float
        Standard deviation of a dimension, for ``hash``.

    Returns
    -------
    values : ndarray of float32, shape (M, D)
        A copy.
    observed : ndarray of bool, shape (M,)
    """
    filled = values.copy()
    if how == "zero":
        filled[~found] = 0
        return filled, found.copy()
    if how == "mean":
        filled[~found] = mean
    else:
        unique, inverse = np.unique(words[~found], return_inverse=True)
        filled[~found] = (scale * _draws(unique.tolist(), values.shape[1]))[inverse]
    return filled, np.ones_like(found)


def _all_spellings(word: str) -> Iterator[Tokens]:
    yield from _cases((word,))
    composed = unicodedata.normalize("NFC", word)
    yield from chain.from_iterable(map(_cases, _splits(composed)))
    if not word.isascii():
        for spell in (_without_accents, _without_accents_and_tildes):
            yield from chain.from_iterable(map(_cases, _splits(spell(composed))))


def _cases(tokens: Tokens) -> Iterator[Tokens]:
    yield tokens
    yield tuple(map(str.lower, tokens))
    yield tokens[0].capitalize(), *map(str.lower, tokens[1:])


def _splits(word: str) -> Iterator[Tokens]:
    """Yield the word without what surrounds it, then its parts."""
    yield (word,)
    word = word.translate(_APOSTROPHES)
    yield (word,)
    word = _strip_punctuation(word)
    yield (word,)
    clitic = _CLITIC.fullmatch(word)
    if clitic:
        yield clitic.groups()
        word = clitic[1]
        yield (word,)
    yield tuple(map(_strip_punctuation, _HYPHENS.split(word)))


def _strip_punctuation(word: str) -> str:
    if word.isalnum():
        return word
    inside = [i for i, letter in enumerate(word) if unicodedata.category(letter)[0] not in "PSZ"]
    return word[inside[0] : inside[-1] + 1] if inside else ""


def _without_accents(word: str) -> str:
    """Return the word without marks but the tilde of ñ."""
    return "".join(n if n in "ñÑ" else _without_accents_and_tildes(n) for n in word)


def _without_accents_and_tildes(word: str) -> str:
    letters = unicodedata.normalize("NFD", word)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", bare)


def _draws(words: list[str], width: int) -> NDArray[np.float32]:
    """Draw a standard normal vector a word that depends on its lower case alone.

    `RandomState`, since NumPy keeps its stream as it is for good; Python's own hash changes
    with every process.
    """
    random = np.random.RandomState()
    vectors = np.zeros((len(words), width), dtype=np.float32)
    for vector, word in zip(vectors, words, strict=True):
        key = word.lower().encode("utf-8", "surrogatepass")
        random.seed(np.frombuffer(blake2b(key, digest_size=16).digest(), dtype="<u4"))
        vector[:] = random.standard_normal(width)
    return vectors
