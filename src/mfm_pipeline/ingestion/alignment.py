"""The frames of every video, averaged over its steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mfm_pipeline.data import Modality
from mfm_pipeline.datasets.stream import Stream
from mfm_pipeline.features.segment import fill_steps
from mfm_pipeline.features.steps import average_words
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.ingestion.parts import Parts
from mfm_pipeline.ingestion.plan import VideoPlan
from mfm_pipeline.ingestion.tally import Tally
from mfm_pipeline.ingestion.work import AlignFrames, Arrays, Work

logger = logging.getLogger(__name__)

BAD = "{modality} frames with NaN or infinity"
LATE = "{modality} frames after the last word"
WITHOUT = "words without {modality} frames"
SECONDS = "seconds of {modality}, of those with words"
#: Shares beyond which a wrong sampling rate is the likely reason.
MOST_WITHOUT, MOST_LATE = 0.2, 0.3

Plans = dict[str, list[VideoPlan]]
BySplit = dict[str, Modality]


@dataclass(frozen=True, eq=False)
class Aligner:
    """Puts the means of a modality at the steps of the samples.

    Parameters
    ----------
    plans : dict of str to list of VideoPlan
        By split.
    parts : Parts
    options : IngestionOptions
    tally : Tally
    """

    plans: Plans
    parts: Parts
    options: IngestionOptions
    tally: Tally

    def align_stream(self, name: str, stream: Stream) -> BySplit:
        """Align a stream of files; a video that it lacks is absent."""
        began = time.perf_counter()
        works: dict[str, Work] = {
            plan.video: AlignFrames(
                plan.steps.words, plan.end, self.options.min_overlap, self.options.bad_frames
            )
            for found in self.plans.values()
            for plan in found
            if plan.video in stream.videos
        }
        results = self.parts.results(stream, works, f"Aligning {name}")
        modality = self.place(name, stream.width, results)
        self._warn_of_rate(name)
        logger.info(
            "%s: aligned %s of %d videos in %.1f s",
            self.options.corpus, name, len(works), time.perf_counter() - began,
        )  # fmt: skip
        return modality

    def place(self, name: str, width: int, results: Iterable[tuple[str, Arrays]]) -> BySplit:
        """Put what `AlignFrames` gives of each video at the steps of its samples."""
        filled = {
            split: _nothing(found, width, self.options) for split, found in self.plans.items()
        }
        places = {
            plan.video: (split, rows, plan)
            for split, found in self.plans.items()
            for plan, rows in _with_rows(found)
        }
        for video, part in results:
            split, rows, plan = places[video]
            self._tell(name, split, part, plan.end)
            _put(filled[split], rows, plan, part)
        for split, modality in filled.items():
            absent = int((~modality.present).sum())
            self.tally.add(
                "segments without {modality}", absent, of=len(modality.present),
                split=split, modality=name,
            )  # fmt: skip
        return filled

    def _tell(self, name: str, split: str, part: Arrays, end: float) -> None:
        frames, words = int(part["frames"]), len(part["observed"])
        for quantity, count, of in (
            (BAD, int(part["bad"]), frames),
            (LATE, int(part["late"]), frames),
            (WITHOUT, words - int(part["observed"].sum()), words),
            (SECONDS, round(float(part["end"]), 3), round(end, 3)),
        ):
            self.tally.add(quantity, count, of=of, split=split, modality=name)

    def _warn_of_rate(self, name: str) -> None:
        """Say so if frames and words do not cover the same time."""
        without, late = self.tally.share(WITHOUT, name), self.tally.share(LATE, name)
        unit = "windows" if self.options.granularity == "window" else "words"
        if without > MOST_WITHOUT or late > MOST_LATE:
            logger.warning(
                "%s: %s: %.0f %% of %s have no frames, %.0f %% of frames lie after the last of "
                "them, and frames last %.2f times as long as they: is the frame rate right?",
                self.options.corpus, name, 100 * without, unit, 100 * late,
                self.tally.share(SECONDS, name),
            )  # fmt: skip


def _put(modality: Modality, rows: slice, plan: VideoPlan, part: Arrays) -> None:
    means, observed = part["means"], part["observed"]
    steps = plan.steps
    count = int(steps.slots.max(initial=-1)) + 1
    if not np.array_equal(steps.step, np.arange(count)):
        means, observed = average_words(means, observed, steps.step, count)
    assert modality.steps is not None
    modality.values[rows] = fill_steps(steps.slots, means)
    modality.steps[rows] = fill_steps(steps.slots, observed)
    modality.present[rows] = modality.steps[rows].any(axis=1)


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
