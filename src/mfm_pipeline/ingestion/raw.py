"""From the raw form to splits: streams of frames, words with their times, labels."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.datasets.stream import Stream
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.targets import check_varied
from mfm_pipeline.ingestion.alignment import (
    Aligner,
    BySplit,
    Plans,
)
from mfm_pipeline.ingestion.assemble import assemble_corpus, leave_out
from mfm_pipeline.ingestion.choose import describe_globs
from mfm_pipeline.ingestion.divide import divide
from mfm_pipeline.ingestion.embed import WordStatistics, embed_videos, looked_up, read_vectors
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.ingestion.parts import Parts
from mfm_pipeline.ingestion.plan import (
    Planner,
    Spoken,
    Timelines,
    join_targets,
    join_words,
)
from mfm_pipeline.ingestion.sources import Sources, open_sources, open_stream
from mfm_pipeline.ingestion.tally import Tally
from mfm_pipeline.ingestion.work import ReadIntervals

logger = logging.getLogger(__name__)

NEW = "new"
"""Split of new data."""

WORDS = "words"
"""Key of `WordStatistics` in the preparation of a corpus."""


class Ingested(NamedTuple):
    """A corpus, and what became of everything that was read.

    Parameters
    ----------
    corpus : Corpus
    samples : DataFrame
        A row a labelled segment, the dropped ones too.
    counts : DataFrame
        See `Tally.table`.
    """

    corpus: Corpus
    samples: pd.DataFrame
    counts: pd.DataFrame


def ingest_raw(
    raw: RawFolder, vectors: pd.DataFrame, parts: Parts, options: IngestionOptions
) -> Ingested:
    """Align frames to words and gather the words into labelled segments.

    Structures, splits, labels and words are read and checked first; only then the frames,
    one video at a time.

    Parameters
    ----------
    raw : RawFolder
    vectors : DataFrame
        Word vectors, a row a word; empty if words are not looked up.
    parts : Parts
    options : IngestionOptions

    Raises
    ------
    DataError
        If a file is missing, damaged or does not fit the others.
    ParameterError
        If nothing says which video is in which split.
    """
    tally = Tally()
    with open_sources(raw, options) as sources:
        named = divide(sources.labels, raw, options, tally)
        planner, plans, timelines = _plan(named, sources, parts, options, tally)
        targets = {split: join_targets(found) for split, found in plans.items()}
        check_varied(targets["train"], f"{sources.labels.path}, split 'train'")
        aligner = Aligner(plans, parts, options, tally, timelines.unit, timelines.ends)
        modalities = {
            name: aligner.align_stream(name, stream) for name, stream in sources.modalities.items()
        }
        embedded, words = embed_videos(aligner, timelines.words, vectors, raw, options)
        modalities |= embedded
        modalities = {name: modalities[name] for name in options.wanted if name in modalities}
    parts.prune()
    kept, left_out = leave_out(modalities, sources.reasons, options)
    corpus = assemble_corpus(
        options,
        {split: _assemble_split(split, plans, kept) for split in plans},
        left_out,
        tally.summary(),
        {name: stream.names for name, stream in sources.modalities.items() if stream.names},
        {} if words is None else {WORDS: words._asdict()},
    )
    return Ingested(corpus, _with_presence(planner.samples, corpus), tally.table())


def ingest_new(
    raw: RawFolder,
    vectors: pd.DataFrame,
    parts: Parts,
    options: IngestionOptions,
    widths: Mapping[str, int],
    preparation: Mapping[str, Any],
) -> Ingested:
    """Align new raw files as `ingest_raw` does, for a model that is trained already.

    Nothing is fitted. There need be no labels, nor every modality: one without files is
    absent from every sample, and one that the model does not know is left out.

    Parameters
    ----------
    raw : RawFolder
    vectors : DataFrame
    parts : Parts
    options : IngestionOptions
        Those that the training data was aligned by.
    widths : mapping of str to int
        Features of each modality of the model, as aligned.
    preparation : mapping of str to any
        Of the training data, see `Corpus`.

    Returns
    -------
    Ingested
        Of one split, `NEW`.

    Raises
    ------
    DataError
        If a file is damaged or does not fit the others, or no modality is there.
    """
    tally = Tally()
    with open_sources(raw, options, labelled=False) as sources:
        named = {NEW: list(sources.labels.videos)}
        planner, plans, timelines = _plan(named, sources, parts, options, tally)
        aligner = Aligner(plans, parts, options, tally, timelines.unit, timelines.ends)
        found = {
            name: aligner.align_stream(name, stream)
            for name, stream in sources.modalities.items()
            if name in widths
        }
        known = WordStatistics(**preparation[WORDS]) if WORDS in preparation else None
        embedded, _ = embed_videos(aligner, timelines.words, vectors, raw, options, known)
        found |= {name: by_split for name, by_split in embedded.items() if name in widths}
    parts.prune()
    if not found:
        raise DataError(
            f"{raw.path}: found files of none of the modalities {', '.join(widths)}; "
            "expected those of one at least"
        )
    if absent := [name for name in widths if name not in found]:
        logger.warning("%s: found no files of %s", raw.path, ", ".join(absent))
    modalities = {
        name: found[name] if name in found else aligner.place(name, width, ())
        for name, width in widths.items()
    }
    corpus = assemble_corpus(
        options,
        {NEW: _assemble_split(NEW, plans, modalities)},
        (),
        tally.summary(),
        {name: stream.names for name, stream in sources.modalities.items() if stream.names},
        {},
    )
    return Ingested(corpus, _with_presence(planner.samples, corpus), tally.table())


def _plan(
    named: Mapping[str, list[str]],
    sources: Sources,
    parts: Parts,
    options: IngestionOptions,
    tally: Tally,
) -> tuple[Planner, Plans, Timelines]:
    """Decide which words make up which sample of the videos of each split."""
    videos = [video for found in named.values() for video in found]
    timelines = _read_timelines(videos, sources, parts, options)
    planner = Planner(sources.labels, timelines, options, tally)
    plans = {split: planner.plan_split(split, found) for split, found in named.items()}
    planner.pass_over(sorted(set(sources.labels.videos) - set(videos)))
    return planner, plans, timelines


def read_words(
    videos: Collection[str], stream: Stream, parts: Parts, label: str = "Reading words"
) -> dict[str, Spoken]:
    """Read the intervals and words of those videos that a stream has."""
    works = {video: ReadIntervals() for video in videos if video in stream.videos}
    return {
        video: Spoken(part["intervals"], part.get("tokens"))
        for video, part in parts.results(stream, works, label)
    }


def vectors_of_words(
    raw: RawFolder, folders: tuple[RawFolder, ...], parts: Parts, options: IngestionOptions
) -> pd.DataFrame:
    """Read the vectors of a folder's words, where language comes from words.

    Parameters
    ----------
    raw : RawFolder
    folders : tuple of RawFolder
        Where word vectors are looked for.
    parts : Parts
    options : IngestionOptions

    Returns
    -------
    DataFrame
        See `read_vectors`; empty where words are not looked up.
    """
    name = looked_up(raw, options)
    words = None if name is None else open_stream(raw, options.words, "words", "words")
    if name is None or words is None:
        return pd.DataFrame()
    with closing(words):
        spoken = read_words(words.videos, words, parts)
    tokens = {
        token
        for found in spoken.values()
        if found.tokens is not None
        for token in found.tokens.tolist()
    }
    return read_vectors(name, tokens - set(options.pauses), folders, options)


def _read_timelines(
    videos: list[str], sources: Sources, parts: Parts, options: IngestionOptions
) -> Timelines:
    words = {} if sources.words is None else read_words(videos, sources.words, parts)
    sentences = None
    if sources.sentences is not None:
        sentences = read_words(videos, sources.sentences, parts, "Reading sentences")
    if options.granularity == "window":
        extents = _read_extents(videos, sources, parts, words)
        return Timelines(extents, words, sentences, "frames", "windows")
    name, anchor = _choose_anchor(sources, options)
    if anchor is sources.words:
        return Timelines(words, words, sentences, anchor.path.name)
    steps = read_words(videos, anchor, parts, f"Reading times of {name}")
    return Timelines(steps, words, sentences, anchor.path.name, f"intervals of {name}")


def _read_extents(
    videos: list[str], sources: Sources, parts: Parts, words: Mapping[str, Spoken]
) -> dict[str, Spoken]:
    """Read when videos begin and end, unless labels have times: of the first stream with them."""
    if sources.labels.timed:
        return {}
    extents = dict(words)
    for name, stream in sources.modalities.items():
        missing = [video for video in videos if video not in extents]
        extents |= read_words(missing, stream, parts, f"Reading times of {name}")
    return extents


def _choose_anchor(sources: Sources, options: IngestionOptions) -> tuple[str, Stream]:
    there: Mapping[str, Stream | None] = {"words": sources.words, **sources.modalities}
    for name in options.anchor:
        if (stream := there.get(name)) is not None:
            return name, stream
    wanted = [describe_globs(options.words.csd), *(c.glob for c in options.words.files)]
    told = " nor ".join(f"'{name}'" for name in options.anchor if name != "words")
    # Without labels, the folder itself stands for them.
    place = sources.labels.path
    folder = place if place.is_dir() else place.parent
    raise DataError(
        f"{folder}: found neither words nor {told}; expected one of "
        f"{' or '.join(wanted)}, or the modality, to give the steps "
        "(or ingestion.granularity=window)"
    )


def _assemble_split(split: str, plans: Plans, modalities: Mapping[str, BySplit]) -> Split:
    found = plans[split]
    return Split(
        modalities={name: by_split[split] for name, by_split in modalities.items()},
        targets=join_targets(found),
        ids=np.concatenate([plan.ids for plan in found]),
        words=join_words(found),
    )


def _with_presence(samples: list[dict[str, object]], corpus: Corpus) -> pd.DataFrame:
    """Add to each kept sample which modalities it has."""
    table = pd.DataFrame(samples)
    present = pd.concat(
        pd.DataFrame({"id": split.ids, **{n: m.present for n, m in split.modalities.items()}})
        for split in corpus.splits.values()
    )
    return table.merge(present, on="id", how="left", validate="one_to_one")
