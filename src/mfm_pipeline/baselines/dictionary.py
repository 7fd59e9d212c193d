"""SVM-MD: support vectors on a multimodal dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.cluster import KMeans

from mfm_pipeline.baselines.base import Choice, Session, Space
from mfm_pipeline.baselines.classical import Estimator, SvmOptions, fit_estimator
from mfm_pipeline.baselines.statistics import usable
from mfm_pipeline.data import Corpus, Modality, Split

FRAMES = 20_000
"""Most frames that a codebook is learned from, drawn at random."""

NO_WORD = -1


class DictionaryOptions(SvmOptions):
    """SVM-MD: support vectors on a multimodal dictionary (Zadeh et al. 2016, MOSI).

    Its entries are the words of each modality and the joint patterns of two: a word of one
    modality at the same step as a word of another, which says more than both apart (a nod
    with "yes", and with "no"). There words are spoken ones, and gestures are annotated by
    hand; here the words of any modality are the nearest centre of k-means over its
    standardised training frames. A sample is the square root of the share of each entry
    among the steps that could hold it; patterns of too few training samples are left out.
    """

    label: ClassVar[str] = "SVM-MD"
    space: ClassVar[Space] = {**SvmOptions.space, "words": Choice(of=(8, 16, 32))}

    words: int = Field(16, ge=2, description="Of each modality.")
    rarest: int = Field(5, ge=1, description="Fewest training samples of a joint pattern.")

    def fit(self, corpus: Corpus, session: Session) -> Estimator:
        """Learn the dictionary, and support vectors on its entries."""
        train = usable(corpus).train
        entries = self.learn(train, session.seed)
        return fit_estimator(self.estimator, entries, train, session.seed)

    def learn(self, train: Split, seed: int) -> Dictionary:
        """Return the words of each modality, and the patterns that are not too rare."""
        rng = np.random.default_rng(seed)
        codebooks = {
            name: learn_codebook(modality, self.words, rng)
            for name, modality in train.modalities.items()
        }
        kept = {
            pair: np.flatnonzero((shares > 0).sum(axis=0) >= self.rarest)
            for pair, shares in Dictionary(codebooks, None).patterns(train).items()
        }
        return Dictionary(codebooks, kept)


@dataclass(frozen=True, eq=False)
class Codebook:
    """Words of one modality.

    Parameters
    ----------
    mean, scale : ndarray, shape (d,)
        What frames are standardised by.
    centers : ndarray, shape (words, d)
        Of standardised frames; fewer than asked for where there are fewer different ones.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    centers: NDArray[np.float64]

    def words(self, modality: Modality) -> NDArray[np.int64]:
        """Return the word of each step, ``(n, T)``; `NO_WORD` where there is no frame."""
        assert modality.steps is not None
        words = np.full(modality.steps.shape, NO_WORD)
        if len(self.centers):
            frames = (modality.values[modality.steps] - self.mean) / self.scale
            # |f - c|^2 less |f|^2, which is the same for every centre.
            distance = (self.centers**2).sum(axis=1) - 2 * frames @ self.centers.T
            words[modality.steps] = distance.argmin(axis=1)
        return words


def learn_codebook(modality: Modality, words: int, rng: np.random.Generator) -> Codebook:
    """Return the centres of k-means over the observed frames of a modality."""
    assert modality.steps is not None
    frames = modality.values[modality.steps].astype(np.float64)
    if not len(frames):
        size = modality.values.shape[2]
        return Codebook(np.zeros(size), np.ones(size), np.zeros((0, size)))
    mean, spread = frames.mean(axis=0), frames.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    drawn = frames if len(frames) <= FRAMES else rng.choice(frames, FRAMES, replace=False)
    drawn = (drawn - mean) / scale
    different = len(np.unique(drawn, axis=0))
    means = KMeans(min(words, different), n_init=1, random_state=int(rng.integers(2**31)))
    return Codebook(mean, scale, means.fit(drawn).cluster_centers_)


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A sample by the words and joint patterns that it shows.

    Parameters
    ----------
    codebooks : mapping of str to Codebook
        By modality.
    kept : mapping of pairs of str to ndarray, optional
        Which patterns of two modalities are entries; without, all.
    """

    codebooks: Mapping[str, Codebook]
    kept: Mapping[tuple[str, str], NDArray[np.int64]] | None

    def __call__(self, split: Split) -> NDArray[np.float64]:
        """Return the entries of each sample, ``(n, entries)``."""
        parts = [
            _shares(words, len(self.codebooks[name].centers))
            for name, words in self._words(split).items()
        ]
        shares = np.concatenate([*parts, *self.patterns(split).values()], axis=1)
        return np.asarray(np.sqrt(shares))

    def patterns(self, split: Split) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Return the share of each joint pattern by pair of modalities, ``(n, patterns)``."""
        words = self._words(split)
        found = {}
        for first, second in combinations(self.codebooks, 2):
            size = len(self.codebooks[second].centers)
            both = (words[first] != NO_WORD) & (words[second] != NO_WORD)
            joint = np.where(both, words[first] * size + words[second], NO_WORD)
            shares = _shares(joint, len(self.codebooks[first].centers) * size)
            found[first, second] = (
                shares if self.kept is None else shares[:, self.kept[first, second]]
            )
        return found

    def _words(self, split: Split) -> dict[str, NDArray[np.int64]]:
        return {name: book.words(split.modalities[name]) for name, book in self.codebooks.items()}


def _shares(words: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return the share of each word among a sample's, ``(n, size)``; zero of none."""
    there = words != NO_WORD
    row = np.broadcast_to(np.arange(len(words))[:, None], words.shape)[there]
    counts = np.bincount(row * size + words[there], minlength=len(words) * size)
    shares = counts.reshape(len(words), size) / np.maximum(there.sum(axis=1), 1)[:, None]
    return np.asarray(shares)
