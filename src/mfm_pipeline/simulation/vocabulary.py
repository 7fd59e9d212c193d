"""Common English words, what each carries, and their vectors.

A content word carries one of five directions, towards its positive or its negative
pole: three of the shared factor, then two of the language style (what the speaker
talks about). A function word belongs to one of the four constructions. Words that
carry sentiment stand at the places of a segment's verdict alone (`verdict_places`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PAUSE = "sp"
"""Token of a pause in forced alignments; its vector is zero."""

CARRIED = ("evaluation", "stance", "energy", "subject", "occasion", "order", "turn")
"""Directions that words carry: three of the shared factor that the label hears, two of the
style, and the two of the construction, which are the shared factor's too."""

CONSTRUCTIONS = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
"""The four constructions, as signs of `order` and `turn`."""

_POLES: dict[str, tuple[str, str]] = {
    "evaluation": (
        "great wonderful amazing brilliant excellent beautiful perfect lovely fantastic superb "
        "good nice awesome charming delightful impressive outstanding clever strong fresh "
        "pleasant touching gorgeous solid smart best",
        "boring terrible awful horrible bad poor dull weak stupid ugly "
        "disappointing painful mediocre silly cheap annoying worst lame flat messy "
        "confusing ridiculous pathetic clumsy tedious shallow",
    ),
    "stance": (
        "recommend love enjoy like adore agree trust praise admire appreciate "
        "prefer choose support welcome celebrate thank keep definitely absolutely yes",
        "avoid hate dislike regret refuse skip doubt blame reject complain "
        "warn return waste quit ignore leave forget never hardly no",
    ),
    "energy": (
        "wow laugh smile excited thrilled happy alive loud bright fast fun cheer dance jump eager",
        "sigh yawn tired sleepy sad slow quiet cold grey dead worn bored gloomy asleep numb",
    ),
    "subject": (
        "movie film actor scene story director character plot script camera screen role cast "
        "ending drama comedy dialogue audience theater sequel",
        "phone book laptop product battery price box button case cable keyboard page author "
        "chapter cover machine store model design paper",
    ),
    "occasion": (
        "family children friends mother father sister brother weekend evening dinner home party "
        "holiday kids couple birthday",
        "work office morning week month money boss company project meeting report hour business "
        "schedule budget deadline",
    ),
}
_SHARES: tuple[dict[str, float], ...] = (
    {"subject": 0.2, "occasion": 0.1},
    {"evaluation": 0.38, "stance": 0.15, "energy": 0.05, "subject": 0.07, "occasion": 0.05},
)
"""Of content words, at places of the account and of the verdict; the rest is function words."""
_FUNCTION_WORDS = (
    "the and to of a i it is that in you was this for but with on as have so they we he be my "
    "not at just are what there she all if about its one do or me when up had were would then "
    "out her from by some really who which will can how because people their them get think "
    "him know more his an into than been could time other did only see go also even back two "
    "very much way over after first make through any where thing most too here does still "
    "little being our down before something these lot again maybe actually around own such "
    "between another every while both though without since always each during until often "
    "almost once part place point side kind bit"
)


class Vocabulary(NamedTuple):
    """Words with what they carry.

    Attributes
    ----------
    words : ndarray of str, shape (V,)
        Unique, in lower case.
    loadings : ndarray, shape (V, 7)
        How far a word points along each of the `CARRIED` directions.
    log_share : ndarray, shape (2, V)
        Logarithm of the frequency of a word where all factors are zero, at places of the
        account and of the verdict; -inf where it cannot stand.
    vectors : ndarray, shape (V, d)
        Word vectors, float32.
    """

    words: NDArray[np.str_]
    loadings: NDArray[np.float64]
    log_share: NDArray[np.float64]
    vectors: NDArray[np.float32]


def draw_directions(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a direction of `size` features for each that is `CARRIED`.

    Those of the construction come from a stream of their own, and depend on the others
    alone: without them, the rest of the corpus is the same.

    Returns
    -------
    ndarray, shape (size, 7)
        Orthonormal columns.
    """
    (own,) = rng.spawn(1)
    drawn = np.hstack([rng.normal(size=(size, 5)), own.normal(size=(size, 2))])
    orthonormal: NDArray[np.float64] = np.linalg.qr(drawn)[0]
    return orthonormal


def build_vocabulary(size: int, noise: float, rng: np.random.Generator) -> Vocabulary:
    """Draw word vectors in which the carried directions are planted.

    ``vector(w) = loadings(w) P + noise * e``, with orthonormal rows ``P`` of
    shape ``(7, size)`` and standard normal ``e``.

    Parameters
    ----------
    size : int
        Dimensions of a vector, at least 7.
    noise : float
        Standard deviation of what a vector holds beside its loadings.
    rng : numpy.random.Generator

    Returns
    -------
    Vocabulary
    """
    words = _FUNCTION_WORDS.split()
    rank = np.arange(len(words))
    signs = CONSTRUCTIONS[rank % len(CONSTRUCTIONS)]
    loading = [np.concatenate([np.zeros(5), sign / np.sqrt(2)]) for sign in signs]
    zipf = 1.0 / (3 + rank)
    share = [list((1.0 - sum(of.values())) * zipf / zipf.sum()) for of in _SHARES]
    for axis, name in enumerate(_POLES):
        for sign, pole in zip((1.0, -1.0), _POLES[name], strict=True):
            own = pole.split()
            words += own
            loading += [sign * rng.uniform(0.6, 1.4) * np.eye(len(CARRIED))[axis] for _ in own]
            for row, of in zip(share, _SHARES, strict=True):
                row += [0.5 * of.get(name, 0.0) / len(own)] * len(own)
    loadings = np.stack(loading)
    vectors = loadings @ draw_directions(size, rng).T + noise * rng.normal(
        size=(len(loadings), size)
    )
    with np.errstate(divide="ignore"):
        log_share = np.log(np.array(share))
    return Vocabulary(np.array(words), loadings, log_share, vectors.astype(np.float32))
