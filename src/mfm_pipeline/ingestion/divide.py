"""Which videos are in which split, and that no group is in two."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable

import numpy as np

from mfm_pipeline.data import SPLIT_NAMES
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.features.splits import Groups, check_straddling, draw_splits
from mfm_pipeline.ingestion.choose import describe_globs, find_file
from mfm_pipeline.ingestion.labels import Labels
from mfm_pipeline.ingestion.options import IngestionOptions, SplitSource
from mfm_pipeline.ingestion.plan import some
from mfm_pipeline.ingestion.tally import Tally

logger = logging.getLogger(__name__)

Splits = dict[str, list[str]]


def divide(labels: Labels, raw: RawFolder, options: IngestionOptions, tally: Tally) -> Splits:
    """Return the labelled videos of each split, by the first source that there is.

    Raises
    ------
    DataError
        If a group is in two splits, or a split has no labelled video.
    ParameterError
        If there is no source.
    """
    found = next(filter(None, (_from(by, labels, raw, options) for by in options.splits.by)), None)
    if found is None:
        raise ParameterError(
            f"ingestion.splits.by is {', '.join(options.splits.by)}, of which {raw.path} has "
            f"none; expected ingestion.folds, a file {describe_globs(options.splits.file)}, a "
            "column 'split' of the labels, or 'drawn'"
        )
    by, named = found
    logger.info("%s: splits are %s", options.corpus, _TOLD[by])
    labelled = _labelled(named, labels, tally)
    groups = _groups(labelled, _group_of(labels, options))
    check_straddling(groups)
    if options.splits.pattern is not None or options.splits.group != "video":
        total = len(np.unique(np.concatenate(list(groups.values()))))
        tally.add("groups in more than one split", 0, of=total)
    elif labels.speakers is not None:
        _tell_of_speakers(_groups(labelled, labels.speakers.__getitem__), labels, tally)
    return labelled


def _groups(videos: Splits, group: Callable[[str], str]) -> dict[str, Groups]:
    return {split: np.array([group(video) for video in found]) for split, found in videos.items()}


def _tell_of_speakers(speakers: dict[str, Groups], labels: Labels, tally: Tally) -> None:
    """Warn of speakers in two splits, where videos alone were to be kept together."""
    splits_of = Counter(name for found in speakers.values() for name in set(found.tolist()))
    several = sorted(name for name, count in splits_of.items() if count > 1)
    told = "speakers in more than one split"
    tally.add(told, len(several), of=len(splits_of), loss=False)
    if several:
        logger.warning(
            "%s: %d of %d speakers are in more than one split (%s): "
            "ingestion.splits.group=speaker keeps them together",
            labels.path.name, len(several), len(splits_of), some(several),
        )  # fmt: skip


_TOLD: dict[SplitSource, str] = {
    "listed": "those listed in ingestion.folds",
    "file": "those of a file in its folder",
    "column": "those of the labels' column 'split'",
    "drawn": "drawn by group, as no file gives them",
}


def _from(
    by: SplitSource, labels: Labels, raw: RawFolder, options: IngestionOptions
) -> tuple[SplitSource, Splits] | None:
    named: Splits | None = None
    if by == "listed" and options.folds is not None:
        named = {split: list(videos) for split, videos in options.folds.items()}
    elif by == "file" and (file := find_file(raw, options.splits.file, "splits")):
        named = {split: list(videos) for split, videos in raw.read_splits(file).items()}
    elif by == "column" and labels.splits is not None:
        of = labels.splits
        named = {split: [v for v in of if of[v] == split] for split in SPLIT_NAMES}
    elif by == "drawn":
        named = _draw(labels, options)
    return None if named is None else (by, named)


def _draw(labels: Labels, options: IngestionOptions) -> Splits:
    group = _group_of(labels, options)
    videos = sorted(labels.videos)
    found = [labels.read(video).targets for video in videos]
    groups = np.repeat([group(video) for video in videos], [len(t.values) for t in found])
    columns = 1 if options.targets.task == "multiclass" else len(options.targets.names)
    values = np.concatenate([targets.values.reshape(-1, columns) for targets in found])
    chosen = options.splits
    drawn = draw_splits(
        groups, values.astype(np.float64), task=options.targets.task,
        valid=_size(chosen.valid), test=_size(chosen.test), seed=chosen.seed,
    )  # fmt: skip
    members = {split: set(names.tolist()) for split, names in drawn.items()}
    return {split: [v for v in videos if group(v) in members[split]] for split in SPLIT_NAMES}


def _size(value: float) -> float | int:
    return value if value < 1 else int(value)


def _group_of(labels: Labels, options: IngestionOptions) -> Callable[[str], str]:
    """Return what gives the group of a video."""
    pattern, speakers = options.splits.pattern, labels.speakers

    def by_pattern(video: str) -> str:
        match = re.search(str(pattern), video)
        if match is None or not match.groups():
            raise DataError(
                f"{labels.path}: video {video!r}: found no group by ingestion.splits.pattern "
                f"'{pattern}'; expected it to match, and to have one group"
            )
        return match[1]

    if pattern is not None:
        return by_pattern
    if options.splits.group == "video":
        return str
    if speakers is None:
        raise DataError(
            f"{labels.path}: found no column 'speaker'; "
            "expected one, as ingestion.splits.group is 'speaker'"
        )
    return speakers.__getitem__


def _labelled(named: Splits, labels: Labels, tally: Tally) -> Splits:
    """Keep the videos that have labels; count the others."""
    kept: Splits = {}
    for split, videos in named.items():
        kept[split] = [video for video in videos if video in labels.videos]
        if missing := sorted(set(videos) - set(kept[split])):
            tally.add("videos of the folds without labels", len(missing), split=split)
            logger.warning(
                "%s: %d of %d videos of split '%s' have no labels: %s",
                labels.path.name, len(missing), len(videos), split, some(missing),
            )  # fmt: skip
        if not kept[split]:
            raise DataError(
                f"{labels.path}: split '{split}' is empty: of its {len(videos)} videos "
                f"({some(videos)}), 0 have labels; expected at least one"
            )
    return kept
