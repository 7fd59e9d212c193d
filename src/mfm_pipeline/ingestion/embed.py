"""Language from words: each word's vector, looked up in a table."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.datasets.track import Track
from mfm_pipeline.datasets.word_vectors import read_word_vectors
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.words import fill_unknown, look_up, wanted_tokens
from mfm_pipeline.ingestion.alignment import Aligner, BySplit
from mfm_pipeline.ingestion.choose import find_file
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.ingestion.plan import Spoken, VideoPlan
from mfm_pipeline.ingestion.sources import is_there
from mfm_pipeline.ingestion.work import AlignFrames, Arrays

logger = logging.getLogger(__name__)

UNKNOWN = "words that the {modality} vectors lack"
UNKNOWN_TYPES = "different words that the {modality} vectors lack"


def looked_up(raw: RawFolder, options: IngestionOptions) -> str | None:
    """Return the modality that words are looked up for: one with vectors, and no files."""
    names = (name for name, m in options.wanted.items() if m.vectors and not is_there(raw, m, name))
    return next(names, None)


def read_vectors(
    name: str, tokens: set[str], folders: tuple[RawFolder, ...], options: IngestionOptions
) -> pd.DataFrame:
    """Read the vectors of those words that are wanted, from the first folder that has a file.

    Returns
    -------
    DataFrame
        A row a word, float32; empty if there is no word, or no file of word vectors.
    """
    if not tokens:
        return pd.DataFrame()
    for folder in folders:
        file = find_file(folder, options.wanted[name].vectors, f"vectors of {name}")
        if file is None:
            continue
        path = folder.path / file
        wanted = wanted_tokens(tokens | {token.lower() for token in tokens})
        member = options.wanted[name].vectors_member
        found = read_word_vectors(path, wanted, member=member, progress=True)
        logger.info(
            "%s: %d words of %d numbers for %d words of the corpus",
            path, len(found.words), found.vectors.shape[1], len(tokens),
        )  # fmt: skip
        if not found.words:
            raise DataError(
                f"{path}: found none of the corpus's {len(tokens)} words; "
                "expected vectors in its language"
            )
        columns = [str(column) for column in range(found.vectors.shape[1])]
        return pd.DataFrame(found.vectors, index=list(found.words), columns=columns)
    return pd.DataFrame()


def embed_videos(
    aligner: Aligner,
    spoken: Mapping[str, Spoken],
    vectors: pd.DataFrame,
    raw: RawFolder,
    options: IngestionOptions,
    known: WordStatistics | None = None,
) -> tuple[dict[str, BySplit], WordStatistics | None]:
    """Make a modality of the words' vectors, as if a file had held them.

    Parameters
    ----------
    aligner : Aligner
    spoken : mapping of str to Spoken
    vectors : DataFrame
    raw : RawFolder
    options : IngestionOptions
    known : WordStatistics, optional
        Of train, for new data; else they are measured.

    Returns
    -------
    dict of str to BySplit
        Empty if no modality is looked up, or there are no vectors.
    WordStatistics or None
        Those that were used, if any.
    """
    name = looked_up(raw, options)
    if name is None or vectors.empty or not spoken:
        return {}, known
    if known is None:
        known = WordStatistics.of(_words_of(aligner, spoken, "train", options), vectors)
    lookup = _LookUp.build(vectors, known, options)
    for split, plans in aligner.plans.items():
        seen = (
            _without_pauses(spoken[plan.video], options)[1]
            for plan in plans
            if plan.video in spoken
        )
        _tell_unknown(aligner, name, split, _join(seen), lookup)
    results = (
        (plan.video, _embed_video(plan, spoken[plan.video], lookup, options))
        for plans in aligner.plans.values()
        for plan in plans
        if plan.video in spoken
    )
    return {name: aligner.place(name, vectors.shape[1], results)}, known


def _embed_video(
    plan: VideoPlan, spoken: Spoken, lookup: _LookUp, options: IngestionOptions
) -> Arrays:
    """Look up the words that steps are made of; for windows, average the words in them."""
    if plan.steps.tokens is None:
        intervals, tokens = _without_pauses(spoken, options)
        values, observed = lookup(tokens)
        track = Track(intervals[observed], values[observed])
        return AlignFrames(plan.steps.words, plan.end, options.min_overlap, "skip")(track)
    values, observed = lookup(plan.steps.tokens)
    values[~observed] = 0.0
    return {"means": values, "observed": observed}


class WordStatistics(NamedTuple):
    """What is known of words from train alone, and stands for those that have no vector.

    Attributes
    ----------
    mean : list of float
        Of the vectors of train's words.
    scale : float
        Their spread.
    in_capitals : bool
        Whether all is written in capitals, which a cased table would take for other words:
        forced aligners do.
    """

    mean: list[float]
    scale: float
    in_capitals: bool

    @classmethod
    def of(cls, train: NDArray[np.str_], vectors: pd.DataFrame) -> WordStatistics:
        """Measure the words of train."""
        in_capitals = not any(token != token.upper() for token in train.tolist())
        if in_capitals:
            train = np.char.lower(train)
        values = vectors.to_numpy(dtype=np.float32)
        known, found = look_up(train, _index_of(vectors), values)
        seen = known[found].astype(np.float64)
        if not len(seen):
            seen = values.astype(np.float64)
        mean: list[float] = seen.mean(axis=0).astype(np.float32).tolist()
        return cls(mean, float(seen.std()), in_capitals)


def _index_of(vectors: pd.DataFrame) -> dict[str, int]:
    return {word: row for row, word in enumerate(vectors.index)}


@dataclass(frozen=True, eq=False)
class _LookUp:
    """Vectors by word; what stands for unknown words is known from train alone."""

    index: Mapping[str, int]
    vectors: NDArray[np.float32]
    mean: NDArray[np.float32]
    scale: float
    in_capitals: bool
    options: IngestionOptions

    @classmethod
    def build(
        cls, vectors: pd.DataFrame, known: WordStatistics, options: IngestionOptions
    ) -> _LookUp:
        values = vectors.to_numpy(dtype=np.float32)
        mean = np.array(known.mean, dtype=np.float32)
        return cls(_index_of(vectors), values, mean, known.scale, known.in_capitals, options)

    def __call__(self, tokens: NDArray[np.str_]) -> tuple[NDArray[np.float32], BoolArray]:
        tokens = self._as_spoken(tokens)
        values, found = look_up(tokens, self.index, self.vectors)
        how = self.options.unknown_words
        return fill_unknown(values, found, tokens, how, self.mean, self.scale)

    def knows(self, tokens: NDArray[np.str_]) -> BoolArray:
        return look_up(self._as_spoken(tokens), self.index, self.vectors)[1]

    def _as_spoken(self, tokens: NDArray[np.str_]) -> NDArray[np.str_]:
        return np.char.lower(tokens) if self.in_capitals else tokens


def _words_of(
    aligner: Aligner, spoken: Mapping[str, Spoken], split: str, options: IngestionOptions
) -> NDArray[np.str_]:
    return _join(
        _without_pauses(spoken[plan.video], options)[1]
        for plan in aligner.plans[split]
        if plan.video in spoken
    )


def _join(tokens: Iterable[NDArray[np.str_]]) -> NDArray[np.str_]:
    return np.concatenate([np.zeros(0, dtype=np.str_), *tokens])


def _without_pauses(
    spoken: Spoken, options: IngestionOptions
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    assert spoken.tokens is not None
    kept = ~np.isin(spoken.tokens, options.pauses)
    return spoken.intervals[kept], spoken.tokens[kept]


def _tell_unknown(
    aligner: Aligner, name: str, split: str, tokens: NDArray[np.str_], lookup: _LookUp
) -> None:
    types = np.unique(tokens)
    for quantity, words in ((UNKNOWN, tokens), (UNKNOWN_TYPES, types)):
        unknown = int((~lookup.knows(words)).sum())
        aligner.tally.add(
            quantity, unknown, of=len(words), split=split, modality=name,
            loss=quantity == UNKNOWN,
        )  # fmt: skip
