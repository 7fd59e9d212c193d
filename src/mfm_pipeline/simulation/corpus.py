"""A whole synthetic corpus: every sequence of every video, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.simulation.generative import (
    FACTOR_SIZE,
    LABEL_WEIGHTS,
    Factors,
    FrameModel,
    draw_factors,
    draw_labels,
    draw_words,
    expressed,
    verdict_places,
)
from mfm_pipeline.simulation.options import SampleOptions
from mfm_pipeline.simulation.timeline import Timeline, draw_timeline
from mfm_pipeline.simulation.traps import Entry, lacking, shuffled, with_bad_frames, with_gaps
from mfm_pipeline.simulation.vocabulary import PAUSE, Vocabulary, build_vocabulary

WORDS = "TimestampedWords"
VECTORS = "TimestampedWordVectors"
ACOUSTIC = "COVAREP"
VISUAL = "Facet_42"
LABELS = "Opinion_Labels"
PLANTED = "Planted_Factors"
SEQUENCES = (WORDS, VECTORS, ACOUSTIC, VISUAL, LABELS, PLANTED)

RATES = {ACOUSTIC: 100.0, VISUAL: 30.0}
"""Frames a second."""
_MODALITY = {VECTORS: "language", ACOUSTIC: "acoustic", VISUAL: "visual"}


def simulate(options: SampleOptions) -> dict[str, dict[str, Entry]]:
    """Draw a corpus from the paper's graphical model (Figure 1(a), Equation 1).

    Planted are a shared factor, of which the label hears three dimensions; a style a
    modality; and where a segment shows the factor: at the places of its verdict, which
    differ by construction (`verdict_places`), its words carry sentiment and its frames
    follow it, elsewhere neither do.

    Parameters
    ----------
    options : SampleOptions

    Returns
    -------
    dict of str to dict of str to (intervals, features)
        Each of `SEQUENCES`, by video. Intervals are ``(N, 2)`` float64 in
        seconds; features ``(N, d)`` float32, words ``(N,)`` str. The same
        options give the same arrays.
    """
    rng, vocabulary = _begin(options)
    models = {
        ACOUSTIC: FrameModel.draw(options.acoustic_features, options.frame_noise, rng),
        VISUAL: FrameModel.draw(options.visual_features, options.frame_noise, rng),
    }
    width = max(2, len(str(options.videos - 1)))
    names = [f"sample_{index:0{width}}" for index in range(options.videos)]
    absent = lacking(names, tuple(_MODALITY), options.traps.missing_modality, rng)
    corpus: dict[str, dict[str, Entry]] = {sequence: {} for sequence in SEQUENCES}
    for index, name in enumerate(names, start=1):
        video = _draw_video(
            options, vocabulary, models, np.random.default_rng([options.seed, index])
        )
        video = _spoil(video, options, np.random.default_rng([options.seed, index, 1]))
        video.pop(absent.get(name, ""), None)
        for sequence, entry in video.items():
            corpus[sequence][name] = entry
    return corpus


def sentiment_words(options: SampleOptions) -> dict[str, float]:
    """Return the words that carry the planted sentiment, with what each says of the label.

    Parameters
    ----------
    options : SampleOptions
        Those that the corpus was drawn with.

    Returns
    -------
    dict of str to float
        How much the label rises for a unit of the word's own direction; of words that
        carry any of the shared factor, and of no others.
    """
    _, vocabulary = _begin(options)
    told = vocabulary.loadings[:, :FACTOR_SIZE] @ LABEL_WEIGHTS
    return {str(word): float(of) for word, of in zip(vocabulary.words, told, strict=True) if of}


def _begin(options: SampleOptions) -> tuple[np.random.Generator, Vocabulary]:
    """Draw the vocabulary, which comes first; the generator goes on with the rest."""
    rng = np.random.default_rng([options.seed, 0])
    return rng, build_vocabulary(options.word_vector_size, options.vector_noise, rng)


def _draw_video(
    options: SampleOptions,
    vocabulary: Vocabulary,
    models: dict[str, FrameModel],
    rng: np.random.Generator,
) -> dict[str, Entry]:
    """Draw the sequences of one video, all of them sound and sorted."""
    timeline = draw_timeline(options, rng)
    factors = draw_factors(options.segments_per_video, rng)
    labels = draw_labels(factors.shared, options.label_noise, rng)
    place = verdict_places(factors.construction, timeline.counts)
    spoken = draw_words(
        expressed("language", factors, options), timeline.segment_of_word, place, vocabulary, rng
    )
    video = _language(timeline, spoken, vocabulary)
    for sequence, model in models.items():
        video[sequence] = _frames(sequence, model, timeline, place, factors, options, rng)
    video[LABELS] = (timeline.segments, labels)
    video[PLANTED] = (timeline.segments, factors.shared.astype(np.float32))
    return video


def _language(
    timeline: Timeline, spoken: NDArray[np.int64], vocabulary: Vocabulary
) -> dict[str, Entry]:
    """Words and their vectors, with the pauses between them."""
    intervals = np.concatenate([timeline.words, timeline.pauses])
    pauses = len(timeline.pauses)
    words = np.concatenate([vocabulary.words[spoken], np.full(pauses, PAUSE)])
    zeros = np.zeros((pauses, vocabulary.vectors.shape[1]), np.float32)
    vectors = np.concatenate([vocabulary.vectors[spoken], zeros])
    order = np.argsort(intervals[:, 0], kind="stable")
    return {
        WORDS: (intervals[order], words[order]),
        VECTORS: (intervals[order], vectors[order]),
    }


def _frames(
    sequence: str,
    model: FrameModel,
    timeline: Timeline,
    place: NDArray[np.int64],
    factors: Factors,
    options: SampleOptions,
    rng: np.random.Generator,
) -> Entry:
    """Frames of one modality, from the start of the video to its last word."""
    rate = RATES[sequence]
    edges = np.arange(int(np.ceil(timeline.segments[-1, 1] * rate)) + 1) / rate
    intervals = np.column_stack([edges[:-1], edges[1:]])
    word = timeline.word_at(intervals.mean(axis=1))
    gain = rng.uniform(0.5, 1.5, size=len(timeline.words))
    features = model.draw_frames(
        expressed(_MODALITY[sequence], factors, options),
        timeline.segment_of_word[word],
        place[word],
        np.where(word >= 0, gain[word], 0.0),
        rate,
        rng,
    )
    return intervals, features


def _spoil(
    video: dict[str, Entry], options: SampleOptions, rng: np.random.Generator
) -> dict[str, Entry]:
    """Put the traps of real files into the sequences of a video."""
    traps = options.traps
    spoilt = dict(video)
    for sequence in RATES:
        if rng.random() < traps.gaps:
            spoilt[sequence] = with_gaps(spoilt[sequence], rng)
    spoilt[ACOUSTIC] = with_bad_frames(spoilt[ACOUSTIC], traps.bad_frames, rng)
    for sequence in (WORDS, VECTORS, ACOUSTIC, VISUAL):
        if rng.random() < traps.unsorted:
            spoilt[sequence] = shuffled(spoilt[sequence], rng)
    return spoilt
