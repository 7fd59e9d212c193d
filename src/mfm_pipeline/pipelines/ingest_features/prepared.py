"""From prepared arrays to splits."""

from __future__ import annotations

import logging
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import SPLIT_NAMES, Corpus, Modality, Split, Targets
from mfm_pipeline.datasets.prepared import SIDE_BY_SIDE, TARGETS, PreparedArray, find_array
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.clean import zero_bad_values
from mfm_pipeline.features.segment import fit_steps
from mfm_pipeline.features.targets import check_varied, make_targets
from mfm_pipeline.pipelines.ingest_features.assemble import assemble_corpus, leave_out
from mfm_pipeline.pipelines.ingest_features.options import IngestionOptions, ModalityOptions

logger = logging.getLogger(__name__)


class Source(NamedTuple):
    """The array of one modality and split, and its columns there."""

    array: PreparedArray
    columns: slice
    width: int


def ingest_prepared(raw: RawFolder, options: IngestionOptions) -> Corpus:
    """Read prepared arrays of all splits.

    They are aligned and padded already, and give the split. A sample whose array is all
    zero lacks that modality; a row that is all zero is a step without frames.

    Raises
    ------
    DataError
        If a file is missing, damaged or of another shape than the others.
    """
    targets = {split: _read_targets(raw, options, split) for split in SPLIT_NAMES}
    check_varied(targets["train"], f"{raw.path}, split 'train'")
    sizes = {split: len(found.values) for split, found in targets.items()}
    found = {
        name: _find_sources(raw, name, modality, sizes) for name, modality in options.wanted.items()
    }
    counts = Counter[str]()
    modalities = {
        name: {
            split: _read_modality(sources.get(split), sizes[split], name, sources, options, counts)
            for split in SPLIT_NAMES
        }
        for name, sources in found.items()
        if "train" in sources
    }
    reasons = {name: "no training file" for name in found if name not in modalities}
    modalities, left_out = leave_out(modalities, reasons, options)
    splits = {
        split: Split(
            modalities={name: by_split[split] for name, by_split in modalities.items()},
            targets=targets[split],
            ids=np.array([f"{split}[{i}]" for i in range(sizes[split])]),
        )
        for split in SPLIT_NAMES
    }
    return assemble_corpus(options, splits, left_out, counts)


def _read_targets(raw: RawFolder, options: IngestionOptions, split: str) -> Targets:
    file = find_array(raw.files, TARGETS, split)
    if file is None:
        raise DataError(f"{raw.path}: labels of split '{split}' missing; expected y_{split}.h5")
    array = raw.open_array(file)
    if len(array.shape) not in (1, 2):
        raise DataError(
            f"{array.path}: d1: found shape {array.shape}; expected (n,), (n, 1) or (n, targets)"
        )
    if array.shape[0] == 0:
        raise DataError(f"{array.path}: d1: found no samples; expected split '{split}' not empty")
    labels = array.read().reshape(array.shape[0], -1)
    chosen = options.targets
    return make_targets(
        labels,
        task=chosen.task,
        names=chosen.names,
        columns=chosen.columns,
        source=f"{array.path}: d1",
    )


def _find_sources(
    raw: RawFolder, name: str, modality: ModalityOptions, sizes: dict[str, int]
) -> dict[str, Source]:
    """Find a modality's arrays by split and compare their shapes, reading none of them."""
    sources: dict[str, Source] = {}
    for split in SPLIT_NAMES:
        source = _find_source(raw, name, modality, split)
        if source is None:
            continue
        path, samples = source.array.path, source.array.shape[0]
        if samples != sizes[split]:
            raise DataError(
                f"{path}: d1: found {samples} samples; "
                f"expected {sizes[split]}, as many as labels of '{split}'"
            )
        first = next(iter(sources.values()), source)
        if source.width != first.width:
            raise DataError(
                f"{path}: d1: found {source.width} features; "
                f"expected {first.width}, as in {first.array.path.name}"
            )
        sources[split] = source
    return sources


def _find_source(raw: RawFolder, name: str, modality: ModalityOptions, split: str) -> Source | None:
    own = find_array(raw.files, modality.prepared, split) if modality.prepared else None
    shared = find_array(raw.files, SIDE_BY_SIDE, split) if modality.columns else None
    file = own or shared
    if file is None:
        return None
    array = raw.open_array(file)
    if len(array.shape) != 3 or 0 in array.shape[1:]:
        raise DataError(
            f"{array.path}: d1: found shape {array.shape}; expected (samples, steps, features)"
        )
    if own or modality.columns is None:
        return Source(array, slice(None), array.shape[2])
    begin, end = modality.columns
    if end > array.shape[2]:
        raise DataError(
            f"{array.path}: d1: found {array.shape[2]} features; expected at least {end}, "
            f"as ingestion.modalities.{name}.columns says"
        )
    return Source(array, slice(begin, end), end - begin)


def _read_modality(
    source: Source | None,
    samples: int,
    name: str,
    sources: dict[str, Source],
    options: IngestionOptions,
    counts: Counter[str],
) -> Modality:
    if source is None:
        values = np.zeros((samples, options.steps, sources["train"].width), dtype=np.float32)
    else:
        values = _clean_values(source, name, counts)
        counts[f"{name} samples shortened to {options.steps} steps"] += _longer(values, options)
        values = np.ascontiguousarray(fit_steps(values, options.steps))
    steps = (values != 0).any(axis=2)
    return Modality(values, present=steps.any(axis=1), steps=steps)


def _clean_values(source: Source, name: str, counts: Counter[str]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        values = source.array.read()[:, :, source.columns].astype(np.float32)
    values, bad = zero_bad_values(values)
    counts[f"{name} steps with NaN or infinity"] += int(bad.sum())
    return values


def _longer(values: NDArray[np.float32], options: IngestionOptions) -> int:
    """Count the samples that hold something before the steps that are kept."""
    excess = values[:, : max(values.shape[1] - options.steps, 0)]
    return int((excess != 0).any(axis=(1, 2)).sum())
