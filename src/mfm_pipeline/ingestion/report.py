"""The data report: one table, a pure function a section."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mfm_pipeline.data import SPLIT_NAMES, Corpus, Modality, Targets
from mfm_pipeline.features.scale import Scaling
from mfm_pipeline.ingestion.options import IngestionOptions

#: In place of a split.
ALL = "all"
COLUMNS = ("section", "split", "modality", "quantity", "value", "of", "share")
PRESENT = "samples with it"
UNKNOWN_VIDEOS = " (not known: the arrays name no videos)"

Row = dict[str, Any]
Rows = list[Row]


def make_report(
    corpus: Corpus,
    samples: pd.DataFrame,
    counts: pd.DataFrame,
    scaling: Scaling,
    ingestion: IngestionOptions,
) -> pd.DataFrame:
    """Make the table of all that is known of a corpus's data."""
    return tabulate(
        [
            *count_samples(samples),
            *check_videos(samples),
            *compare_sizes(samples, ingestion.stated),
            *describe_steps(corpus, samples),
            *count_presence(corpus),
            *describe_labels(corpus),
            *repeat_counts(counts),
            *count_clipped(corpus, scaling.clip),
        ]
    )


def tabulate(rows: Iterable[Row]) -> pd.DataFrame:
    """Make a table of rows; where there is a whole, the share is that of the value."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    table[["value", "of"]] = table[["value", "of"]].astype(np.float64).round(6)
    table["share"] = (table["value"] / table["of"].where(table["of"] > 0)).round(6)
    return table


def count_samples(samples: pd.DataFrame) -> Rows:
    """Count labelled segments and videos, and the dropped and shortened ones by reason."""
    rows: Rows = []
    for split, found in by_split(samples):
        kept, total = found[found["fate"] != "dropped"], len(found)
        videos = _videos(kept), _videos(found)
        rows += [
            _row("samples", "samples", len(kept), split=split, of=total),
            _row("samples", "samples shortened", (found["fate"] == "shortened").sum(),
                 split=split, of=total),
            _row("samples", "samples dropped", total - len(kept), split=split, of=total),
        ]  # fmt: skip
        reasons = found.loc[found["fate"] == "dropped", "reason"].value_counts()
        rows += [
            _row("samples", f"samples dropped: {reason}", count, split=split, of=total)
            for reason, count in reasons.items()
        ]
        if names_videos(samples):
            rows += [
                _row("samples", "videos", videos[0], split=split, of=videos[1]),
                _row("samples", "videos dropped", videos[1] - videos[0],
                     split=split, of=videos[1]),
            ]  # fmt: skip
        else:
            rows.append(_row("samples", "videos" + UNKNOWN_VIDEOS, np.nan, split=split))
    return rows


def check_videos(samples: pd.DataFrame) -> Rows:
    """Count the videos with segments in more than one split; there should be none."""
    quantity = "videos in more than one split"
    if not names_videos(samples):
        return [_row("splits", quantity + UNKNOWN_VIDEOS, np.nan)]
    splits = samples.groupby("video")["split"].nunique()
    return [_row("splits", quantity, (splits > 1).sum(), of=len(splits))]


def describe_steps(corpus: Corpus, samples: pd.DataFrame) -> Rows:
    """Summarise how many steps the samples have, and had before they were shortened."""
    rows: Rows = []
    masks = {name: split.step_mask for name, split in corpus.splits.items()}
    used = {name: mask.sum(axis=1) for name, mask in masks.items() if mask is not None}
    if not used:
        return rows
    found = dict(by_split(samples[samples["fate"] != "dropped"]))
    for split, steps in {ALL: np.concatenate(list(used.values())), **used}.items():
        before = found[split]["steps_found"]
        rows += [
            _row("steps", "steps a sample, mean", steps.mean(), split=split),
            _row("steps", "steps a sample, median", np.median(steps), split=split),
            _row("steps", "steps a sample, most", steps.max(), split=split),
            _row("steps", "steps found in a sample, mean", before.mean(), split=split),
            _row("steps", "steps found in a sample, most", before.max(), split=split),
        ]
    return rows


def count_presence(corpus: Corpus) -> Rows:
    """Count samples that have a modality, and its steps that have frames."""
    rows: Rows = []
    for name in corpus.train.modalities:
        by_name = {split: found.modalities[name] for split, found in corpus.splits.items()}
        present = {split: m.present for split, m in by_name.items()}
        rows += [
            _row("presence", PRESENT, mask.sum(), split=split, modality=name,
                 of=len(mask))
            for split, mask in _with_all(present)
        ]  # fmt: skip
        for split, modality in by_name.items():
            used = corpus.splits[split].step_mask
            if modality.steps is not None and used is not None:
                of = used[modality.present].sum()
                rows.append(
                    _row("presence", "steps without frames, of samples with it",
                         of - modality.steps.sum(), split=split, modality=name, of=of)
                )  # fmt: skip
    nothing = {split: ~found.has_any_modality for split, found in corpus.splits.items()}
    rows += [
        _row("presence", "samples without any modality", mask.sum(), split=split, of=len(mask))
        for split, mask in _with_all(nothing)
    ]
    rows += [
        _row("presence", "left out: no training sample has it", 1, modality=name)
        for name in corpus.left_out
    ]
    return rows


def compare_sizes(samples: pd.DataFrame, stated: Mapping[str, int]) -> Rows:
    """Set the sizes found beside those that the corpus's paper states, with the difference.

    Parameters
    ----------
    samples : DataFrame
    stated : mapping of str to int
        By ``videos``, ``segments``, or a split's name, before either or alone (segments).
        Another key is told beside nothing.
    """
    kept = dict(by_split(samples[samples["fate"] != "dropped"]))
    rows: Rows = []
    for key, size in stated.items():
        words = key.split()
        split = next((word for word in words if word in SPLIT_NAMES), ALL)
        unit = " ".join(word for word in words if word != split) or "segments"
        value = np.nan
        if unit == "segments":
            value = len(kept[split])
        elif unit == "videos" and names_videos(samples):
            value = _videos(kept[split])
        elif unit == "videos":
            unit += UNKNOWN_VIDEOS
        rows += [
            _row("stated", unit, value, split=split, of=size),
            _row("stated", f"{unit}: difference from the paper", value - size, split=split),
        ]
    return rows


def repeat_counts(counts: pd.DataFrame) -> Rows:
    """Repeat what ingestion counted: dropped, repaired, unknown words, cover of the words."""
    return [
        _row("ingestion", quantity, count, split=split or ALL, modality=modality,
             of=of if of else np.nan)
        for split, modality, quantity, count, of in counts[
            ["split", "modality", "quantity", "count", "of"]
        ].itertuples(index=False)
    ]  # fmt: skip


def count_clipped(corpus: Corpus, clip: float) -> Rows:
    """Count observed values that lie at the limit, by modality and split."""
    return [
        _row("scaling", f"values clipped to {clip:g}", _at_limit(modality, clip), split=name,
             modality=key, of=modality.steps.sum() * modality.values.shape[2])
        for name, split in corpus.splits.items()
        for key, modality in split.modalities.items()
        if modality.steps is not None
    ]  # fmt: skip


def _at_limit(modality: Modality, clip: float) -> int:
    """Count sample by sample, for a mask of all values is large; what is not observed is 0."""
    limit = np.float32(clip)
    return sum(int((np.abs(sample) >= limit).sum()) for sample in modality.values)


def describe_labels(corpus: Corpus) -> Rows:
    """Summarise the labels by split, as befits the task."""
    return [
        {**row, "split": name}
        for name, split in corpus.splits.items()
        for row in _describe_targets(split.targets)
    ]


def _describe_targets(targets: Targets) -> Rows:
    n = len(targets.values)
    if targets.task == "multiclass":
        counts = np.bincount(targets.values, minlength=len(targets.names))
        return [
            _row("labels", f"class {name}", count, of=n)
            for name, count in zip(targets.names, counts, strict=True)
        ]
    if targets.task == "multilabel":
        return [
            _row("labels", f"{name}: yes", count, of=n)
            for name, count in zip(targets.names, targets.values.sum(axis=0), strict=True)
        ]
    return [
        _row("labels", f"{name}: {quantity}", value)
        for name, column in zip(targets.names, targets.values.T.astype(np.float64), strict=True)
        for quantity, value in _summarise(column).items()
    ]


def _summarise(column: NDArray[np.float64]) -> dict[str, float]:
    low, first, median, third, high = np.quantile(column, [0, 0.25, 0.5, 0.75, 1])
    return {
        "mean": column.mean(), "standard deviation": column.std(), "least": low,
        "first quartile": first, "median": median, "third quartile": third, "most": high,
    }  # fmt: skip


def names_videos(samples: pd.DataFrame) -> bool:
    """Say whether the videos are known; prepared arrays may not name them."""
    return bool((samples["video"] != "").any())


def by_split(samples: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return all samples, then those of each split."""
    return [(ALL, samples)] + [(name, samples[samples["split"] == name]) for name in SPLIT_NAMES]


def _videos(samples: pd.DataFrame) -> int:
    return int(samples["video"].nunique())


def _with_all(masks: Mapping[str, NDArray[np.bool_]]) -> list[tuple[str, NDArray[np.bool_]]]:
    return [(ALL, np.concatenate(list(masks.values()))), *masks.items()]


def _row(
    section: str,
    quantity: str,
    value: float,
    *,
    split: str = ALL,
    modality: str = "",
    of: float = np.nan,
) -> Row:
    return {
        "section": section, "split": split, "modality": modality, "quantity": quantity,
        "value": value, "of": of,
    }  # fmt: skip
