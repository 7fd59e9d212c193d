"""The frames of every video, averaged over its steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mfm_pipeline.data import Modality
from mfm_pipeline.datasets.stream import Stream
from mfm_pipeline.features.segment import fill_steps
from mfm_pipeline.features.steps import average_words
from mfm_pipeline.ingestion.cover import Row, cover_of, looks_wrong
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.ingestion.parts import Parts
from mfm_pipeline.ingestion.plan import VideoPlan
from mfm_pipeline.ingestion.tally import Tally
from mfm_pipeline.ingestion.work import AlignFrames, Arrays, Work

logger = logging.getLogger(__name__)

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
    unit, ends : str
        See `Timelines`.
    """

    plans: Plans
    parts: Parts
    options: IngestionOptions
    tally: Tally
    unit: str
    ends: str

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
        cover: list[Row] = []
        results = self.parts.results(stream, works, f"Aligning {name}")
        modality = self.place(name, stream.width, results, cover)
        logger.info(
            "%s: aligned %s of %d videos (%d anew) in %.1f s",
            self.options.corpus, name, len(works), self.parts.done, time.perf_counter() - began,
        )  # fmt: skip
        self._tell(name, cover)
        return modality

    def place(
        self,
        name: str,
        width: int,
        results: Iterable[tuple[str, Arrays]],
        cover: list[Row] | None = None,
    ) -> BySplit:
        """Put means and which of them are observed at the steps of the samples.

        Parameters
        ----------
        name : str
            Of the modality.
        width : int
            Its features.
        results : iterable of (str, dict of str to ndarray)
            ``means`` and ``observed`` by video; for `cover`, all that `AlignFrames` gives.
        cover : list of dict, optional
            Takes a row a video, see `cover_of`.
        """
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
            if cover is not None:
                cover.append(cover_of(split, part, plan.end))
            _put(filled[split], rows, plan, part)
        for split, modality in filled.items():
            absent = int((~modality.present).sum())
            self.tally.add(
                "segments without {modality}", absent, of=len(modality.present),
                split=split, modality=name,
            )  # fmt: skip
        return filled

    def _tell(self, name: str, cover: list[Row]) -> None:
        """Count what is not covered; say so if the frame rate is the likely reason."""
        if not cover:
            return
        table = pd.DataFrame(cover)
        last = f"the last {self.ends}"
        for split, found in table.groupby("split", sort=False):
            sums = found.drop(columns="split").sum()
            for quantity, count, of in (
                ("{modality} frames with NaN or infinity", sums["bad"], sums["frames"]),
                (f"{{modality}} frames after {last}", sums["late"], sums["frames"]),
                (f"{self.unit} without {{modality}} frames", sums["without"], sums["spans"]),
            ):
                self.tally.add(quantity, int(count), of=int(of), split=str(split), modality=name)
            self.tally.add(
                f"seconds of {{modality}}, of those up to {last}", round(sums["end"], 3),
                of=round(sums["until"], 3), split=str(split), modality=name, loss=False,
            )  # fmt: skip
        if not looks_wrong(table):
            return
        total = table.drop(columns="split").sum()
        logger.warning(
            "%s: %s: %.0f %% of %s have no frames, %.0f %% of frames lie after %s, and "
            "frames last %.2f times as long as the %ss: is the frame rate right?",
            self.options.corpus, name, 100 * total["without"] / max(total["spans"], 1), self.unit,
            100 * total["late"] / max(total["frames"], 1), last,
            total["end"] / max(total["until"], 1e-9), self.ends,
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
