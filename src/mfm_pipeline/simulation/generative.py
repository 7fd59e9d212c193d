"""The paper's graphical model, Figure 1(a): latents, factors, label and data.

Equation 1 factorizes the joint distribution as ``P(Y | Fy) prod_i P(Xi | Fai, Fy)
P(Fy | Zy) prod_i P(Fai | Zai) P(Zy) prod_i P(Zai)``; each function here draws
from one of these terms. ``s`` is the number of segments of a video, ``N`` that of its
words; a segment's places are either of its account (0) or of its verdict (1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.simulation.options import SampleOptions
from mfm_pipeline.simulation.vocabulary import Vocabulary, draw_directions

FloatArray = NDArray[np.float64]

FACTOR_SIZE = 3
STYLE_SIZE = 5
CONSTRUCTION_SIZE = 2
LABEL_RANGE = (-3.0, 3.0)

_FACTOR_RANGE = 1.6
"""Where what the label hears of the shared factor saturates; gives it unit variance."""
LABEL_WEIGHTS = np.sqrt([0.65, 0.2, 0.15])
"""How much of the label's variance each dimension of the shared factor gives."""
_LABEL_SCALE = 1.3
_EMPHASIS = {
    "language": np.array([3.0, 2.5, 0.5]),
    "acoustic": np.array([1.3, 2.5, 3.0]),
    "visual": np.array([0.36, 0.5, 0.75]),
}
"""What a modality tells of what the label hears: none tells it all, and they differ clearly."""
_CONSTRUCTION = {"language": 1.4, "acoustic": 1.0, "visual": 1.0}
"""How clearly a modality shows the construction."""
_VIDEO_SHARE = 0.5
"""Share of a style's variance that the segments of a video have in common."""


class Factors(NamedTuple):
    """Factors of the segments of one video.

    Attributes
    ----------
    shared : ndarray, shape (s, 3)
        Multimodal discriminative factor ``Fy``: what the label hears of it.
    construction : ndarray, shape (s, 2)
        The rest of ``Fy``, -1 or 1: how the segment is put together (`verdict_places`).
    styles : dict of str to ndarray, shape (s, 5)
        Modality-specific generative factors ``Fai``.
    """

    shared: FloatArray
    construction: FloatArray
    styles: dict[str, FloatArray]


def draw_factors(segments: int, rng: np.random.Generator) -> Factors:
    """Draw ``Fy = Gy(Zy)`` and ``Fai = Gai(Zai)`` from independent normal latents.

    ``Gy`` is a soft clipping of three dimensions and the sign of two, ``Gai`` the
    identity. ``Zai`` is partly the video's (one speaker) and partly the segment's.
    """
    shared = _FACTOR_RANGE * np.tanh(rng.normal(size=(segments, FACTOR_SIZE)))
    styles = {}
    for name in _EMPHASIS:
        video, segment = rng.normal(size=(1, STYLE_SIZE)), rng.normal(size=(segments, STYLE_SIZE))
        styles[name] = np.sqrt(_VIDEO_SHARE) * video + np.sqrt(1 - _VIDEO_SHARE) * segment
    (own,) = rng.spawn(1)  # A stream of its own: nothing else depends on it.
    construction = np.where(own.normal(size=(segments, CONSTRUCTION_SIZE)) < 0, -1.0, 1.0)
    return Factors(shared, construction, styles)


def draw_labels(shared: FloatArray, noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw ``P(Y | Fy)``: linear in `Factors.shared`, plus noise, in [-3, 3].

    Returns
    -------
    ndarray, shape (s, 1), float32
    """
    clean = shared @ LABEL_WEIGHTS
    labels = _LABEL_SCALE * (clean + noise * rng.normal(size=len(clean)))
    return np.clip(labels, *LABEL_RANGE).astype(np.float32)[:, None]


def verdict_places(construction: FloatArray, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which places of each segment are of its verdict, by its construction.

    With signs ``(a, b)``, the quarters of a segment are of the verdict where
    ``(b, a, -b, -a)`` is positive: so the verdict opens the segment, closes it, stands in
    its middle or at both its ends, and each place is as often of one as of the other.

    Parameters
    ----------
    construction : ndarray, shape (s, 2)
        -1 or 1.
    counts : ndarray of int, shape (s,)
        Words of each segment.

    Returns
    -------
    ndarray of int, shape (N,)
        1 at places of the verdict, 0 at those of the account.
    """
    order, turn = construction.T
    quarters = np.stack([turn, order, -turn, -order], axis=1) > 0
    places = [
        row[4 * np.arange(count) // count] for row, count in zip(quarters, counts, strict=True)
    ]
    return np.concatenate(places).astype(np.int64)


def expressed(name: str, factors: Factors, options: SampleOptions) -> FloatArray:
    """Return what a modality expresses at places of the account and of the verdict.

    ``style * Fai`` at both, plus ``strength`` times a part of ``Fy``: what the label hears
    at places of the verdict, the construction at those of the account. The style meets the
    former in the same directions, and has further directions of its own: no amount of
    frames tells them apart.

    Returns
    -------
    ndarray, shape (s, 2, 7)
        Three directions of ``Fy``, two of the style, two of the construction.
    """
    signal = np.zeros((len(factors.shared), 2, STYLE_SIZE + CONSTRUCTION_SIZE))
    signal[..., :STYLE_SIZE] = options.style * factors.styles[name][:, None]
    strength: float = getattr(options.strengths, name)
    signal[:, 0, STYLE_SIZE:] = strength * _CONSTRUCTION[name] * factors.construction
    signal[:, 1, :FACTOR_SIZE] += strength * _EMPHASIS[name] * factors.shared
    return signal


def draw_words(
    signal: FloatArray,
    segment: NDArray[np.int64],
    place: NDArray[np.int64],
    vocabulary: Vocabulary,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw ``P(X_language | Fa, Fy)``: words, independent of one another given their places.

    ``log P(word | segment, place) = log share(word, place) + loadings(word) . signal + const``.

    Parameters
    ----------
    signal : ndarray, shape (s, 2, 7)
        As `expressed` gives it.
    segment, place : ndarray of int, shape (N,)
        Of each word.
    vocabulary : Vocabulary
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (N,)
        Rows of the vocabulary.
    """
    logits = vocabulary.log_share + signal @ vocabulary.loadings.T
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    cumulative = np.cumsum(weights, axis=-1)[segment, place]
    drawn: NDArray[np.int64] = (
        cumulative < cumulative[:, -1:] * rng.random((len(segment), 1))
    ).sum(axis=1)
    return drawn


class FrameModel(NamedTuple):
    """``P(Xi | Fai, Fy)`` of a modality made of frames.

    Attributes
    ----------
    mixing : ndarray, shape (7, d)
        From what is expressed to features.
    offset, scale : ndarray, shape (d,)
        Units of each feature.
    noise : float
        Noise of a frame; half of it is a drift over half seconds.
    """

    mixing: FloatArray
    offset: FloatArray
    scale: FloatArray
    noise: float

    @classmethod
    def draw(cls, features: int, noise: float, rng: np.random.Generator) -> FrameModel:
        """Draw the fixed parameters of a modality with `features` features."""
        mixing = 0.5 * np.sqrt(features) * draw_directions(features, rng).T
        scale = 10.0 ** rng.uniform(-1, 2, size=features)
        return cls(mixing, scale * rng.normal(size=features), scale, noise)

    def draw_frames(
        self,
        signal: FloatArray,
        segment: NDArray[np.int64],
        place: NDArray[np.int64],
        gain: FloatArray,
        rate: float,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Draw the frames of a video.

        ``X[t] = offset + scale * (gain[t] tanh(signal[segment[t], place[t]] mixing)
        + noise[t])``; between words the gain is 0.

        Parameters
        ----------
        signal : ndarray, shape (s, 2, 7)
            As `expressed` gives it.
        segment, place : ndarray of int, shape (T,)
            Of each frame; any where the gain is 0.
        gain : ndarray, shape (T,)
            How clearly the word at each frame expresses it.
        rate : float
            Frames a second.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (T, d), float32
        """
        clean = np.tanh(signal @ self.mixing)[segment, place] * gain[:, None]
        time = np.arange(len(segment)) * (2.0 / rate)
        knot = time.astype(np.int64)
        knots = rng.normal(size=(knot[-1] + 2, len(self.scale)))
        weight = (time - knot)[:, None]
        drift = (1 - weight) * knots[knot] + weight * knots[knot + 1]
        noise = rng.standard_normal(size=drift.shape, dtype=np.float32)
        frames = clean + np.sqrt(0.5) * self.noise * (drift + noise)
        scaled: NDArray[np.float32] = (self.offset + self.scale * frames).astype(np.float32)
        return scaled
