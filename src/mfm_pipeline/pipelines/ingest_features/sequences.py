"""From computational sequences to splits."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

from mfm_pipeline.data import Corpus, Modality, Split
from mfm_pipeline.datasets.csd import SequenceReader
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.features.align import align
from mfm_pipeline.features.clean import bad_rows
from mfm_pipeline.features.segment import fill_steps
from mfm_pipeline.features.targets import check_varied
from mfm_pipeline.pipelines.ingest_features.assemble import BySplit, assemble_corpus, leave_out
from mfm_pipeline.pipelines.ingest_features.choose import describe_globs, find_sequence
from mfm_pipeline.pipelines.ingest_features.options import Globs, IngestionOptions
from mfm_pipeline.pipelines.ingest_features.plan import (
    VideoPlan,
    join_targets,
    join_words,
    plan_split,
)

logger = logging.getLogger(__name__)

Plans = dict[str, list[VideoPlan]]


@dataclass(frozen=True)
class Sources:
    """The open files of a corpus, their structure checked.

    Parameters
    ----------
    labels : SequenceReader
    anchor : SequenceReader
        Words, or the modality whose intervals are the steps.
    modalities : dict of str to SequenceReader
    reasons : dict of str to str
        Why a modality that was asked for is not among them.
    """

    labels: SequenceReader
    anchor: SequenceReader
    modalities: dict[str, SequenceReader]
    reasons: dict[str, str]


def ingest_sequences(raw: RawFolder, options: IngestionOptions) -> Corpus:
    """Align frames to words and gather the words into labelled segments.

    Structures, folds, labels and words are read and checked first; only then the frames,
    one video at a time.

    Raises
    ------
    DataError
        If a file is missing, damaged or does not fit the others.
    ParameterError
        If no folds are given: sequences do not say which video is in which split.
    """
    if options.folds is None:
        raise ParameterError(
            "ingestion.folds: found null; expected video ids for train, valid and test, "
            f"as {raw.path} holds computational sequences, which do not give the split"
        )
    counts = Counter[str]()
    with _open_sources(raw, options) as sources:
        in_folds = {video for _, videos in options.folds.items() for video in videos}
        counts["labelled videos in no fold"] += len(set(sources.labels.videos) - in_folds)
        plans = {
            split: plan_split(split, videos, sources.labels, sources.anchor, options, counts)
            for split, videos in options.folds.items()
        }
        targets = {split: join_targets(found) for split, found in plans.items()}
        check_varied(targets["train"], f"{sources.labels.path}, split 'train'")
        modalities = _align_modalities(plans, sources, options, counts)
    modalities, left_out = leave_out(modalities, sources.reasons, options)
    splits = {
        split: Split(
            modalities={name: by_split[split] for name, by_split in modalities.items()},
            targets=targets[split],
            ids=np.concatenate([plan.ids for plan in found]),
            words=join_words(found),
        )
        for split, found in plans.items()
    }
    return assemble_corpus(options, splits, left_out, counts)


@contextmanager
def _open_sources(raw: RawFolder, options: IngestionOptions) -> Iterator[Sources]:
    with ExitStack() as stack:

        def open_one(globs: Globs | None, use: str, kind: str) -> SequenceReader | None:
            file = find_sequence(raw, globs, use)
            if file is None:
                return None
            reader = stack.enter_context(raw.open_sequence(file))
            if reader.kind != kind:
                raise DataError(f"{reader.path}: {use}: found {reader.kind}; expected {kind}")
            return reader

        labels = open_one(options.labels, "labels", "numbers")
        words = open_one(options.words, "words", "words")
        found = {
            name: open_one(modality.csd, name, "numbers")
            for name, modality in options.wanted.items()
        }
        modalities = {name: reader for name, reader in found.items() if reader is not None}
        reasons = {
            name: f"no file matches {describe_globs(modality.csd)}"
            for name, modality in options.wanted.items()
            if name not in modalities
        }
        anchor = words or modalities.get(options.anchor)
        if labels is None or anchor is None:
            raise DataError(
                f"{raw.path}: found neither words nor '{options.anchor}'; expected one of "
                f"{describe_globs(options.words)}, or the modality, to give the steps"
            )
        for reader in [anchor, *modalities.values()]:
            _check_common(labels, reader)
        yield Sources(labels, anchor, modalities, reasons)


def _check_common(labels: SequenceReader, reader: SequenceReader) -> None:
    if set(labels.videos) & set(reader.videos):
        return
    raise DataError(
        f"{reader.path}: found no video in common with {labels.path.name} "
        f"({next(iter(reader.videos))!r}, ... against {next(iter(labels.videos))!r}, ...); "
        "expected the same ids"
    )


def _align_modalities(
    plans: Plans, sources: Sources, options: IngestionOptions, counts: Counter[str]
) -> dict[str, BySplit]:
    began = time.perf_counter()
    modalities = {
        name: {split: _nothing(found, reader.width, options) for split, found in plans.items()}
        for name, reader in sources.modalities.items()
    }
    videos = [(split, *item) for split, found in plans.items() for item in _with_rows(found)]
    # Silent where there is no terminal; elsewhere one line, redrawn.
    for split, plan, rows in tqdm(videos, desc="Aligning", unit="video", ncols=80, disable=None):
        for name, reader in sources.modalities.items():
            if plan.video in reader.videos:
                _align_video(plan, rows, name, reader, modalities[name][split], options, counts)
    for name, by_split in modalities.items():
        absent = sum(int((~modality.present).sum()) for modality in by_split.values())
        counts[f"segments without {name}"] += absent
    logger.info(
        "%s: aligned %d videos in %.1f s", options.corpus, len(videos), time.perf_counter() - began
    )
    return modalities


def _nothing(plans: list[VideoPlan], width: int, options: IngestionOptions) -> Modality:
    samples = sum(len(plan.ids) for plan in plans)
    return Modality(
        values=np.zeros((samples, options.steps, width), dtype=np.float32),
        present=np.zeros(samples, dtype=np.bool_),
        steps=np.zeros((samples, options.steps), dtype=np.bool_),
    )


def _with_rows(plans: list[VideoPlan]) -> Iterator[tuple[VideoPlan, slice]]:
    begin = 0
    for plan in plans:
        yield plan, slice(begin, begin + len(plan.ids))
        begin += len(plan.ids)


def _align_video(
    plan: VideoPlan,
    rows: slice,
    name: str,
    reader: SequenceReader,
    modality: Modality,
    options: IngestionOptions,
    counts: Counter[str],
) -> None:
    track = reader.read_video(plan.video)
    counts[f"{name} frames with NaN or infinity"] += int(bad_rows(track.features).sum())
    means, observed = align(
        plan.words,
        track.intervals,
        track.features,
        min_overlap=options.min_overlap,
        bad_frames=options.bad_frames,
    )
    assert modality.steps is not None
    modality.values[rows] = fill_steps(plan.slots, means)
    modality.steps[rows] = fill_steps(plan.slots, observed)
    modality.present[rows] = modality.steps[rows].any(axis=1)
