"""Which words make up which sample: all that is decided before features are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.overlap import Intervals, Positions
from mfm_pipeline.features.segment import (
    Members,
    assign_words,
    count_overlapping,
    fill_steps,
    find_dropped,
    last_steps,
)
from mfm_pipeline.features.steps import cut_windows, hull, join_tokens, split_sentences
from mfm_pipeline.ingestion.labels import Labels
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.ingestion.tally import Tally


class Spoken(NamedTuple):
    """Intervals of a video, with their words where there are any.

    Parameters
    ----------
    intervals : ndarray, shape (M, 2)
    tokens : ndarray of str, shape (M,), optional
    """

    intervals: Intervals
    tokens: NDArray[np.str_] | None


@dataclass(frozen=True, eq=False)
class Timelines:
    """What time is made of, by video.

    Parameters
    ----------
    anchor : mapping of str to Spoken
        What steps are made of: words, or the intervals of a modality.
    words : mapping of str to Spoken
        For display.
    sentences : mapping of str to Spoken, optional
    source : str
        Where the anchor lies, for messages.
    unit : str
        What frames are averaged over: ``words``, ``windows``, or the intervals of a modality.
    """

    anchor: Mapping[str, Spoken]
    words: Mapping[str, Spoken]
    sentences: Mapping[str, Spoken] | None
    source: str
    unit: str = "words"

    @property
    def ends(self) -> str:
        """What a video ends with, as far as is known: a ``word``, or a labelled ``segment``."""
        return "word" if self.words else "segment"


class Steps(NamedTuple):
    """The steps of a video's segments.

    Parameters
    ----------
    words : ndarray, shape (M, 2)
        Intervals that frames are averaged over.
    step : ndarray of int, shape (M,)
        The step that each of them is part of.
    texts : ndarray of str, shape (P,), or None
        What is said at each step.
    tokens : ndarray of str, shape (M,), or None
        The words of those intervals, where steps are made of words.
    slots : ndarray of int, shape (S, steps)
        The step at each place of a sample, -1 for none.
    sizes : ndarray of int, shape (S,)
        How many steps each segment has, those left out too.
    """

    words: Intervals
    step: Positions
    texts: NDArray[np.str_] | None
    tokens: NDArray[np.str_] | None
    slots: Positions
    sizes: Positions


@dataclass(frozen=True, eq=False)
class VideoPlan:
    """The samples of one video.

    Parameters
    ----------
    video : str
    ids : ndarray of str, shape (S,)
    targets : Targets
        Of S samples.
    steps : Steps
    end : float
        Seconds at which the last word of the video ends; without words, its last segment.
    """

    video: str
    ids: NDArray[np.str_]
    targets: Targets
    steps: Steps
    end: float


@dataclass(frozen=True, eq=False)
class Planner:
    """Gathers the words of videos into their labelled segments.

    Parameters
    ----------
    labels : Labels
    timelines : Timelines
    options : IngestionOptions
    tally : Tally
        Takes what is dropped or shortened.
    samples : list of dict
        Takes a row a labelled segment, the dropped ones too.
    """

    labels: Labels
    timelines: Timelines
    options: IngestionOptions
    tally: Tally
    samples: list[dict[str, Any]] = field(default_factory=list)

    def plan_split(self, split: str, videos: list[str]) -> list[VideoPlan]:
        """Plan the videos of one split.

        Raises
        ------
        DataError
            If a label is not usable, or no sample is left.
        """
        plans = [self._plan_video(video, split) for video in videos]
        filled = [plan for plan in plans if plan is not None]
        if not filled:
            raise DataError(
                f"{self.labels.path}: split '{split}' is empty: none of its {len(videos)} "
                f"labelled videos ({some(videos)}) has a segment with {self.timelines.unit} in "
                f"{self.timelines.source}; expected at least one"
            )
        return filled

    def pass_over(self, videos: Iterable[str]) -> None:
        """Note the segments of labelled videos that are in no split."""
        for video in videos:
            self.tally.add("labelled videos in no fold", 1)
            self._record_dropped(video, "", self.labels.ids_of(video), "its video is in no split")

    def _plan_video(self, video: str, split: str) -> VideoPlan | None:
        found = self.labels.read(video)
        if len(found.left_out):
            self.tally.add("segments with another label", len(found.left_out), split=split)
            self._record_dropped(video, split, found.left_out, "its label is of no class")
        spoken = self.timelines.anchor.get(video)
        if spoken is None and self.options.granularity == "window":
            spoken = Spoken(np.zeros((0, 2)), None)  # Times of labels are enough.
        if spoken is None:
            unit = self.timelines.unit
            self.tally.add(f"labelled videos without {unit}", 1, split=split)
            self.tally.add(
                f"segments without {unit}", len(found.ids), of=len(found.ids), split=split
            )
            self._record_dropped(video, split, found.ids, f"its video has no {unit}")
            return None
        segments = _whole_videos(found.segments, spoken.intervals)
        steps = self._make_steps(video, split, spoken, segments)
        kept = steps.sizes > 0
        limit = self.options.steps
        self.tally.add(
            "segments that overlap another", count_overlapping(segments), of=len(kept), split=split
        )
        self.tally.add(
            f"segments without {self.timelines.unit}", int((~kept).sum()), of=len(kept), split=split
        )
        self.tally.add(
            f"segments shortened to {limit} steps", int((steps.sizes > limit).sum()),
            of=len(kept), split=split,
        )  # fmt: skip
        self._record(video, split, found.ids, steps.sizes)
        if not kept.any():
            return None
        return VideoPlan(
            video=video,
            ids=found.ids[kept],
            targets=found.targets.select(kept),
            steps=_in_use(steps, kept),
            end=self._end(video, found.segments, spoken),
        )

    def _end(self, video: str, segments: Intervals, spoken: Spoken) -> float:
        if video in self.timelines.words:
            return float(self.timelines.words[video].intervals[:, 1].max(initial=0.0))
        timed = np.isfinite(segments).all() and len(segments)
        return float((segments if timed else spoken.intervals)[:, 1].max(initial=0.0))

    def _make_steps(self, video: str, split: str, spoken: Spoken, segments: Intervals) -> Steps:
        if self.options.granularity == "window":
            windows, slots, counts = cut_windows(segments, self.options.window, self.options.steps)
            texts = self._texts_at(video, windows)
            return Steps(windows, np.arange(len(windows)), texts, None, slots, counts)
        words, tokens = self._clean_words(spoken, split)
        sentence = self._sentence_of_words(video, split, words, tokens)
        members = assign_words(segments, words, self.options.min_overlap)
        self.tally.add(
            f"{self.timelines.unit} outside every segment",
            len(words) - len(np.unique(members.words)), of=len(words), split=split,
        )  # fmt: skip
        members = Members(*(found[sentence[members.words] >= 0] for found in members))
        # A step is what a segment holds of a sentence, in the order of time.
        pairs = np.stack([members.segments, sentence[members.words]], axis=1)
        steps, step = np.unique(pairs, axis=0, return_inverse=True)
        in_segments = Members(steps[:, 0], np.arange(len(steps)))
        words = words[members.words]
        if tokens is None:
            texts = self._texts_at(video, hull(words, step, len(steps)))
        else:
            tokens = tokens[members.words]
            texts = join_tokens(tokens, step, len(steps))
        slots = last_steps(in_segments, len(segments), self.options.steps)
        sizes = np.bincount(in_segments.segments, minlength=len(segments))
        return Steps(words, step, texts, tokens, slots, sizes)

    def _clean_words(self, spoken: Spoken, split: str) -> tuple[Intervals, NDArray[np.str_] | None]:
        """Drop pauses and what is too short; sort by time."""
        options = self.options
        short, pause = find_dropped(
            spoken.intervals, spoken.tokens, options.pauses, options.min_overlap
        )
        total = len(short)
        unit = self.timelines.unit
        too_short = f"{unit} dropped (shorter than {options.min_overlap:g} s)"
        self.tally.add(too_short, int(short.sum()), of=total, split=split)
        if spoken.tokens is not None:
            self.tally.add(f"{unit} dropped (pauses)", int(pause.sum()), of=total, split=split)
        kept = np.flatnonzero(~(short | pause))
        kept = kept[np.lexsort((spoken.intervals[kept, 1], spoken.intervals[kept, 0]))]
        tokens = None if spoken.tokens is None else spoken.tokens[kept]
        return spoken.intervals[kept], tokens

    def _sentence_of_words(
        self, video: str, split: str, words: Intervals, tokens: NDArray[np.str_] | None
    ) -> Positions:
        """Return the sentence of each word in the order of time, -1 for none.

        Where steps are words, each is a sentence of its own.
        """
        if self.options.granularity == "word":
            return np.arange(len(words))
        if self.timelines.sentences is None:
            return split_sentences(words, tokens, self.options.sentence_pause)
        sentence = np.full(len(words), -1, dtype=np.intp)
        if video in self.timelines.sentences:
            sentences = self.timelines.sentences[video].intervals
            sentences = sentences[np.argsort(sentences[:, 0], kind="stable")]
            members = assign_words(sentences, words, self.options.min_overlap)
            sentence[members.words[::-1]] = members.segments[::-1]
        outside = int((sentence < 0).sum())
        told = f"{self.timelines.unit} outside every sentence"
        self.tally.add(told, outside, of=len(words), split=split)
        return sentence

    def _texts_at(self, video: str, intervals: Intervals) -> NDArray[np.str_] | None:
        """Return what is said in each interval, where words are known."""
        if not self.timelines.words:
            return None
        if video not in self.timelines.words:
            return np.full(len(intervals), "", dtype=np.str_)
        words, tokens = self.timelines.words[video]
        assert tokens is not None
        spoken = ~np.isin(tokens, self.options.pauses)
        order = np.flatnonzero(spoken)[np.argsort(words[spoken, 0], kind="stable")]
        members = assign_words(intervals, words[order], self.options.min_overlap)
        return join_tokens(tokens[order][members.words], members.segments, len(intervals))

    def _record_dropped(self, video: str, split: str, ids: NDArray[np.str_], reason: str) -> None:
        for name in ids.tolist():
            self.samples.append(_row(name, video, split, 0, 0, "dropped", reason))

    def _record(
        self, video: str, split: str, ids: NDArray[np.str_], sizes: NDArray[np.integer[Any]]
    ) -> None:
        """Note what became of each segment, and why."""
        limit = self.options.steps
        for name, size in zip(ids.tolist(), sizes.tolist(), strict=True):
            fate, reason = "kept", ""
            if size == 0:
                fate, reason = "dropped", f"no {self.options.granularity}s in the segment"
            elif size > limit:
                fate, reason = "shortened", f"the last {limit} of {size} steps are kept"
            self.samples.append(_row(name, video, split, min(size, limit), size, fate, reason))


def _row(
    name: str, video: str, split: str, steps: int, found: int, fate: str, reason: str
) -> dict[str, Any]:
    return {
        "id": name, "video": video, "split": split, "steps": steps, "steps_found": found,
        "fate": fate, "reason": reason,
    }  # fmt: skip


def join_targets(plans: list[VideoPlan]) -> Targets:
    """Put the targets of several videos behind each other."""
    found = [plan.targets for plan in plans]
    values = np.concatenate([targets.values for targets in found])
    return Targets(values, found[0].names, found[0].task)


def join_words(plans: list[VideoPlan]) -> NDArray[np.str_] | None:
    """Put the words of several videos at their steps, shape (n, steps); None without words."""
    found = [fill_steps(p.steps.slots, p.steps.texts) for p in plans if p.steps.texts is not None]
    return np.concatenate(found) if found else None


def some(names: list[str]) -> str:
    """Write out the first of some names."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _whole_videos(segments: Intervals, intervals: Intervals) -> Intervals:
    """Put first start and last end of a video where a segment has no times."""
    whole = np.isnan(segments).any(axis=1)
    filled = segments.copy()
    filled[whole] = 0.0  # Nothing, where nothing is known of the video.
    if len(intervals):
        filled[whole] = intervals[:, 0].min(), intervals[:, 1].max()
    return filled


def _in_use(steps: Steps, kept: BoolArray) -> Steps:
    """Leave out empty segments, and renumber the steps in use: no other word is aligned."""
    used, inverse = np.unique(steps.slots[kept], return_inverse=True)
    padding = int(used[0] == -1)
    used = used[padding:]
    renumbered = np.full(int(used.max(initial=-1)) + 1, -1, dtype=np.intp)
    renumbered[used] = np.arange(len(used))
    step = np.full(len(steps.step), -1, dtype=np.intp)
    reached = steps.step < len(renumbered)
    step[reached] = renumbered[steps.step[reached]]
    return Steps(
        words=steps.words[step >= 0],
        step=step[step >= 0],
        texts=None if steps.texts is None else steps.texts[used],
        tokens=None if steps.tokens is None else steps.tokens[step >= 0],
        slots=inverse.reshape(steps.slots[kept].shape) - padding,
        sizes=steps.sizes[kept],
    )
