"""Which words make up which sample: all that is decided before features are read."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import Targets
from mfm_pipeline.datasets.csd import SequenceReader
from mfm_pipeline.datasets.track import Track
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.overlap import Intervals, Positions
from mfm_pipeline.features.segment import assign_words, fill_steps, find_dropped, last_steps
from mfm_pipeline.features.targets import make_targets
from mfm_pipeline.pipelines.ingest_features.options import IngestionOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class VideoPlan:
    """The samples of one video.

    Parameters
    ----------
    video : str
    ids : ndarray of str, shape (S,)
    targets : Targets
        Of S samples.
    words : ndarray, shape (M, 2)
        Intervals of the words in use.
    tokens : ndarray of str, shape (M,), or None
    slots : ndarray of int, shape (S, steps)
        The word at each step, -1 for none.
    """

    video: str
    ids: NDArray[np.str_]
    targets: Targets
    words: Intervals
    tokens: NDArray[np.str_] | None
    slots: Positions


def plan_split(
    split: str,
    videos: Iterable[str],
    labels: SequenceReader,
    anchor: SequenceReader,
    options: IngestionOptions,
    counts: Counter[str],
) -> list[VideoPlan]:
    """Gather the words of a split's videos into their labelled segments.

    Parameters
    ----------
    split : str
    videos : iterable of str
    labels : SequenceReader
    anchor : SequenceReader
        Words, or the modality whose intervals are the steps.
    options : IngestionOptions
    counts : Counter
        Takes what is dropped or shortened.

    Raises
    ------
    DataError
        If a label is not usable, or no sample is left.
    """
    named = list(videos)
    labelled = [video for video in named if video in labels.videos]
    if missing := sorted(set(named) - set(labelled)):
        counts["videos of the folds without labels"] += len(missing)
        logger.warning(
            "%s: %d of %d videos of split '%s' have no labels: %s",
            labels.path.name, len(missing), len(named), split, _some(missing),
        )  # fmt: skip
    plans = [_plan_video(video, labels, anchor, options, counts) for video in labelled]
    filled = [plan for plan in plans if plan is not None]
    if not filled:
        raise DataError(
            f"{labels.path}: split '{split}' is empty: of its {len(named)} videos "
            f"({_some(named)}), {len(labelled)} have labels and none of them a segment with "
            f"words in {anchor.path.name}; expected at least one"
        )
    return filled


def join_targets(plans: Iterable[VideoPlan]) -> Targets:
    """Put the targets of several videos behind each other."""
    found = [plan.targets for plan in plans]
    values = np.concatenate([targets.values for targets in found])
    return Targets(values, found[0].names, found[0].task)


def join_words(plans: list[VideoPlan]) -> NDArray[np.str_] | None:
    """Put the words of several videos at their steps, shape (n, steps); None without words."""
    found = [fill_steps(p.slots, p.tokens) for p in plans if p.tokens is not None]
    return np.concatenate(found) if found else None


def _plan_video(
    video: str,
    labels: SequenceReader,
    anchor: SequenceReader,
    options: IngestionOptions,
    counts: Counter[str],
) -> VideoPlan | None:
    ids, segments, targets = _read_segments(video, labels, options)
    if video not in anchor.videos:
        counts["labelled videos without words"] += 1
        counts["segments without words"] += len(ids)
        return None
    words, tokens = _read_words(anchor.read_video(video), options, counts)
    members = assign_words(segments, words, options.min_overlap)
    sizes = np.bincount(members.segments, minlength=len(ids))
    kept = sizes > 0
    counts["words outside every segment"] += len(words) - len(np.unique(members.words))
    counts["segments without words"] += int((~kept).sum())
    counts[f"segments shortened to {options.steps} steps"] += int((sizes > options.steps).sum())
    if not kept.any():
        return None
    slots, used = _renumber(last_steps(members, len(ids), options.steps)[kept])
    return VideoPlan(
        video=video,
        ids=ids[kept],
        targets=targets.select(kept),
        words=words[used],
        tokens=None if tokens is None else tokens[used],
        slots=slots,
    )


def _read_segments(
    video: str, labels: SequenceReader, options: IngestionOptions
) -> tuple[NDArray[np.str_], Intervals, Targets]:
    ids: list[str] = []
    for key in labels.videos[video]:
        rows = labels.lengths[key]
        own_id = key != video and rows == 1
        ids += [key] if own_id else [f"{key}[{row}]" for row in range(rows)]
    if len(set(ids)) != len(ids):
        raise DataError(f"{labels.path}: video {video!r}: found segment ids twice; expected once")
    track = labels.read_video(video)
    targets = make_targets(
        track.features,
        task=options.targets.task,
        names=options.targets.names,
        columns=options.targets.columns,
        source=f"{labels.path}: video {video!r}",
    )
    return np.array(ids), track.intervals, targets


def _read_words(
    track: Track, options: IngestionOptions, counts: Counter[str]
) -> tuple[Intervals, NDArray[np.str_] | None]:
    tokens = track.features if track.features.dtype.kind == "U" else None
    short, pause = find_dropped(track.intervals, tokens, options.pauses, options.min_overlap)
    counts[f"words dropped (shorter than {options.min_overlap:g} s)"] += int(short.sum())
    counts["words dropped (pauses)"] += int(pause.sum())
    kept = ~(short | pause)
    return track.intervals[kept], None if tokens is None else tokens[kept]


def _renumber(slots: Positions) -> tuple[Positions, Positions]:
    """Renumber the words in use from 0, so that no other word is aligned."""
    used, inverse = np.unique(slots, return_inverse=True)
    padding = int(used[0] == -1)
    return inverse.reshape(slots.shape) - padding, used[padding:]


def _some(videos: list[str]) -> str:
    return ", ".join(videos[:5]) + (", ..." if len(videos) > 5 else "")
