"""The paper's graphical model, Figure 1(a): latents, factors, label and data.

Equation 1 factorizes the joint distribution as ``P(Y | Fy) prod_i P(Xi | Fai, Fy)
P(Fy | Zy) prod_i P(Fai | Zai) P(Zy) prod_i P(Zai)``; each function here draws
from one of these terms. ``s`` is the number of segments of a video.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.simulation.options import SampleOptions
from mfm_pipeline.simulation.vocabulary import Vocabulary

FloatArray = NDArray[np.float64]

FACTOR_SIZE = 3
STYLE_SIZE = 5
LABEL_RANGE = (-3.0, 3.0)

_FACTOR_RANGE = 1.6
"""Where the shared factor saturates; gives it unit variance."""
LABEL_WEIGHTS = np.sqrt([0.65, 0.2, 0.15])
"""How much of the label's variance each dimension of the shared factor gives."""
_LABEL_SCALE = 1.3
_EMPHASIS = {
    "language": np.array([3.0, 2.5, 0.5]),
    "acoustic": np.array([0.8, 1.1, 2.0]),
    "visual": np.array([0.12, 0.25, 0.5]),
}
"""What a modality tells of each dimension: no modality tells it all, and they differ clearly."""
_VIDEO_SHARE = 0.5
"""Share of a style's variance that the segments of a video have in common."""


class Factors(NamedTuple):
    """Factors of the segments of one video.

    Attributes
    ----------
    shared : ndarray, shape (s, 3)
        Multimodal discriminative factor ``Fy``.
    styles : dict of str to ndarray, shape (s, 5)
        Modality-specific generative factors ``Fai``.
    """

    shared: FloatArray
    styles: dict[str, FloatArray]


def draw_factors(segments: int, rng: np.random.Generator) -> Factors:
    """Draw ``Fy = Gy(Zy)`` and ``Fai = Gai(Zai)`` from independent normal latents.

    ``Gy`` is a soft clipping of each dimension, ``Gai`` the identity. ``Zai`` is
    partly the video's (one speaker) and partly the segment's.
    """
    shared = _FACTOR_RANGE * np.tanh(rng.normal(size=(segments, FACTOR_SIZE)))
    styles = {}
    for name in _EMPHASIS:
        video, segment = rng.normal(size=(1, STYLE_SIZE)), rng.normal(size=(segments, STYLE_SIZE))
        styles[name] = np.sqrt(_VIDEO_SHARE) * video + np.sqrt(1 - _VIDEO_SHARE) * segment
    return Factors(shared, styles)


def draw_labels(shared: FloatArray, noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw ``P(Y | Fy)``: linear in the shared factor, plus noise, in [-3, 3].

    Returns
    -------
    ndarray, shape (s, 1), float32
    """
    clean = shared @ LABEL_WEIGHTS
    labels = _LABEL_SCALE * (clean + noise * rng.normal(size=len(clean)))
    return np.clip(labels, *LABEL_RANGE).astype(np.float32)[:, None]


def expressed(name: str, factors: Factors, options: SampleOptions) -> FloatArray:
    """Return what a modality expresses: ``[strength * emphasis * Fy, 0] + style * Fai``.

    The style meets the shared factor in the same directions, and has further
    directions of its own: no amount of frames tells them apart.

    Returns
    -------
    ndarray, shape (s, 5)
    """
    signal = options.style * factors.styles[name]
    strength: float = getattr(options.strengths, name)
    signal[:, :FACTOR_SIZE] += strength * _EMPHASIS[name] * factors.shared
    return signal


def draw_words(
    signal: FloatArray,
    counts: NDArray[np.int64],
    vocabulary: Vocabulary,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw ``P(X_language | Fa, Fy)``: words of each segment, independent of one another.

    ``log P(word | segment) = log share(word) + loadings(word) . signal + const``.

    Parameters
    ----------
    signal : ndarray, shape (s, 5)
        As `expressed` gives it.
    counts : ndarray of int, shape (s,)
        Words of each segment.
    vocabulary : Vocabulary
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (counts.sum(),)
        Rows of the vocabulary, segment after segment.
    """
    logits = vocabulary.log_share + signal @ vocabulary.loadings.T
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    cumulative = np.cumsum(weights, axis=1)
    draws = [
        np.searchsorted(row, row[-1] * rng.random(count))
        for row, count in zip(cumulative, counts, strict=True)
    ]
    return np.concatenate(draws)


class FrameModel(NamedTuple):
    """``P(Xi | Fai, Fy)`` of a modality made of frames.

    Attributes
    ----------
    mixing : ndarray, shape (5, d)
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
        orthogonal, _ = np.linalg.qr(rng.normal(size=(features, STYLE_SIZE)))
        scale = 10.0 ** rng.uniform(-1, 2, size=features)
        return cls(
            0.5 * np.sqrt(features) * orthogonal.T, scale * rng.normal(size=features), scale, noise
        )

    def draw_frames(
        self,
        signal: FloatArray,
        segment: NDArray[np.int64],
        gain: FloatArray,
        rate: float,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Draw the frames of a video.

        ``X[t] = offset + scale * (gain[t] tanh(signal[segment[t]] mixing) + noise[t])``;
        between words the gain is 0.

        Parameters
        ----------
        signal : ndarray, shape (s, 5)
            As `expressed` gives it.
        segment : ndarray of int, shape (T,)
            Segment of each frame; any where the gain is 0.
        gain : ndarray, shape (T,)
            How clearly the word at each frame expresses it.
        rate : float
            Frames a second.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (T, d), float32
        """
        clean = np.tanh(signal @ self.mixing)[segment] * gain[:, None]
        time = np.arange(len(segment)) * (2.0 / rate)
        knot = time.astype(np.int64)
        knots = rng.normal(size=(knot[-1] + 2, len(self.scale)))
        weight = (time - knot)[:, None]
        drift = (1 - weight) * knots[knot] + weight * knots[knot + 1]
        noise = rng.standard_normal(size=drift.shape, dtype=np.float32)
        frames = clean + np.sqrt(0.5) * self.noise * (drift + noise)
        scaled: NDArray[np.float32] = (self.offset + self.scale * frames).astype(np.float32)
        return scaled
