"""From prepared arrays to splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mfm_pipeline.data import SPLIT_NAMES, Corpus, Modality, Split, Targets
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.clean import zero_bad_values
from mfm_pipeline.features.segment import fit_steps
from mfm_pipeline.features.splits import check_straddling
from mfm_pipeline.features.targets import check_varied, make_targets, with_known_values
from mfm_pipeline.features.unaligned import align_by_share, justify_right
from mfm_pipeline.ingestion.assemble import assemble_corpus, leave_out
from mfm_pipeline.ingestion.choose import each
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.ingestion.prepared_sources import (
    BundleFile,
    Found,
    PreparedSource,
    open_prepared,
)
from mfm_pipeline.ingestion.tally import Tally

Values = dict[str, NDArray[np.float32]]


def ingest_prepared(
    raw: RawFolder, options: IngestionOptions
) -> tuple[Corpus, pd.DataFrame, pd.DataFrame]:
    """Read prepared arrays of all splits.

    They give the split. Arrays of one length are aligned already; where lengths differ
    (MMSA's unaligned release), each frame goes to the word at its share of the time. A
    sample whose array is all zero lacks that modality; a row that is all zero is a step
    without frames.

    Returns
    -------
    corpus : Corpus
    samples, counts : DataFrame
        As `ingest_raw` gives them.

    Raises
    ------
    DataError
        If a file is missing, damaged or of another shape than the others, or a video is
        in two splits.
    """
    source = open_prepared(raw, options)
    tally = Tally()
    labels = {split: _read_labels(source, options, split) for split in SPLIT_NAMES}
    check_varied(labels["train"][0], f"{source.path}, split 'train'")
    _check_groups(source)
    found = _find_modalities(source, options, {s: len(k) for s, (_, k) in labels.items()})
    modalities: dict[str, dict[str, Modality]] = {name: {} for name in found}
    steps_found: dict[str, NDArray[np.intp]] = {}
    for split, (_, kept) in labels.items():
        values = _read_values(found, split, len(kept), isinstance(source, BundleFile), options)
        steps_found[split] = _count_steps(values)
        for name, array in values.items():
            modalities[name][split] = _make_modality(array[kept], name, split, options, tally)
    reasons = {name: "no training array" for name in options.wanted if name not in modalities}
    modalities, left_out = leave_out(modalities, reasons, options)
    splits = {
        split: Split(
            modalities={name: by_split[split] for name, by_split in modalities.items()},
            targets=targets,
            ids=_ids(source, split, len(kept))[kept],
        )
        for split, (targets, kept) in labels.items()
    }
    corpus = assemble_corpus(options, splits, left_out, tally.summary(), {}, {})
    return corpus, _tell_samples(corpus, source, labels, steps_found), tally.table()


def _read_labels(
    source: PreparedSource, options: IngestionOptions, split: str
) -> tuple[Targets, NDArray[np.bool_]]:
    """Return the targets of a split, and which of its samples they are."""
    found = source.labels(split)
    if found is None:
        wanted = " or ".join(each(options.labels.prepared))
        raise DataError(
            f"{source.path}: labels of split '{split}' missing; expected {wanted}_{split}.h5, "
            f"or {wanted} in the bundle"
        )
    if len(found.shape) not in (1, 2, 3) or int(np.prod(found.shape[2:])) != 1:
        raise DataError(
            f"{found.where}: found shape {found.shape}; expected (n,), (n, 1) or (n, targets)"
        )
    if found.shape[0] == 0:
        raise DataError(f"{found.where}: found no samples; expected split '{split}' not empty")
    labels = np.asarray(found.read(), dtype=np.float64).reshape(found.shape[0], -1)
    kept = np.ones(len(labels), dtype=np.bool_)
    chosen, columns = options.targets, options.targets.columns
    if chosen.values is not None:
        labels, kept = with_known_values(labels, chosen.values, columns, found.where)
        columns = None
    targets = make_targets(
        labels[kept], task=chosen.task, names=chosen.names, columns=columns, source=found.where
    )
    return targets, kept


def _check_groups(source: PreparedSource) -> None:
    groups = {split: source.groups(split) for split in SPLIT_NAMES}
    known = {split: found for split, found in groups.items() if found is not None}
    if len(known) == len(SPLIT_NAMES):
        check_straddling(known)


def _find_modalities(
    source: PreparedSource, options: IngestionOptions, sizes: Mapping[str, int]
) -> dict[str, dict[str, Found]]:
    """Find each modality's arrays by split and compare their shapes, reading none of them."""
    modalities: dict[str, dict[str, Found]] = {}
    for name, wanted in options.wanted.items():
        by_split: dict[str, Found] = {}
        for split in SPLIT_NAMES:
            found = source.modality(name, wanted, split)
            if found is None:
                continue
            _check_shape(found, split, sizes[split], next(iter(by_split.values()), found))
            by_split[split] = found
        if "train" in by_split:
            modalities[name] = by_split
    return modalities


def _check_shape(found: Found, split: str, samples: int, first: Found) -> None:
    if len(found.shape) != 3 or 0 in found.shape[1:]:
        raise DataError(
            f"{found.where}: found shape {found.shape}; expected (samples, steps, features)"
        )
    if found.shape[0] != samples:
        raise DataError(
            f"{found.where}: found {found.shape[0]} samples; "
            f"expected {samples}, as many as labels of '{split}'"
        )
    if found.shape[2] != first.shape[2]:
        raise DataError(
            f"{found.where}: found {found.shape[2]} features; "
            f"expected {first.shape[2]}, as in {first.where}"
        )


def _read_values(
    found: Mapping[str, Mapping[str, Found]],
    split: str,
    samples: int,
    bundled: bool,
    options: IngestionOptions,
) -> Values:
    """Read a split's modalities, aligned with each other; those that it lacks are zero."""
    arrays = {name: by_split[split] for name, by_split in found.items() if split in by_split}
    values = {name: _as_float32(array) for name, array in arrays.items()}
    if bundled and len({array.shape[1] for array in values.values()}) > 1:
        lengths = {name: array.lengths for name, array in arrays.items()}
        values = align_by_share(values, lengths)
    if bundled:
        values = justify_right(values)
    for name in found.keys() - arrays.keys():
        width = found[name]["train"].shape[2]
        values[name] = np.zeros((samples, options.steps, width), dtype=np.float32)
    return {name: values[name] for name in found}


def _count_steps(values: Values) -> NDArray[np.intp]:
    """Count the steps of each sample, from the first that any modality has to the last."""
    length = max(array.shape[1] for array in values.values())
    used = [fit_steps((array != 0).any(axis=2)[..., None], length) for array in values.values()]
    any_used = np.logical_or.reduce(used)[..., 0]
    return np.where(any_used.any(axis=1), length - any_used.argmax(axis=1), 0)


def _as_float32(found: Found) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return found.read().astype(np.float32)


def _make_modality(
    values: NDArray[np.float32], name: str, split: str, options: IngestionOptions, tally: Tally
) -> Modality:
    values, bad = zero_bad_values(values)
    excess = values[:, : max(values.shape[1] - options.steps, 0)]
    longer = (excess != 0).any(axis=(1, 2))
    values = np.ascontiguousarray(fit_steps(values, options.steps))
    steps = (values != 0).any(axis=2)
    present = steps.any(axis=1)
    for quantity, count, of in (
        ("{modality} steps with NaN or infinity", bad.sum(), bad.size),
        (f"{{modality}} samples shortened to {options.steps} steps", longer.sum(), len(longer)),
        ("samples without {modality}", (~present).sum(), len(present)),
    ):
        tally.add(quantity, int(count), of=of, split=split, modality=name)
    return Modality(values, present=present, steps=steps)


def _ids(source: PreparedSource, split: str, samples: int) -> NDArray[np.str_]:
    ids = source.ids(split)
    if ids is None:
        return np.array([f"{split}[{i}]" for i in range(samples)])
    if len(ids) != samples:
        raise DataError(
            f"{source.path}: {split}: id: found {len(ids)} ids; expected {samples}, one a label"
        )
    return ids


def _tell_samples(
    corpus: Corpus,
    source: PreparedSource,
    labels: Mapping[str, tuple[Targets, NDArray[np.bool_]]],
    steps_found: Mapping[str, NDArray[np.intp]],
) -> pd.DataFrame:
    """Write a row a sample, the dropped ones too, as the raw form does."""
    tables = []
    for name, split in corpus.splits.items():
        kept = labels[name][1]
        used: NDArray[Any] | None = split.step_mask
        groups = source.groups(name)
        table = pd.DataFrame({"id": _ids(source, name, len(kept))})
        table["video"] = "" if groups is None else groups
        table["split"] = name
        table["steps"] = 0
        table.loc[kept, "steps"] = 0 if used is None else used.sum(axis=1)
        table["steps_found"] = steps_found[name]
        table["fate"] = np.where(kept, "kept", "dropped")
        table["reason"] = np.where(kept, "", "its label is of no class")
        longer = kept & (table["steps_found"] > table["steps"]).to_numpy()
        table.loc[longer, "fate"] = "shortened"
        table.loc[longer, "reason"] = [
            f"the last {steps} of {found} steps are kept"
            for steps, found in table.loc[longer, ["steps", "steps_found"]].to_numpy()
        ]
        for modality, found in split.modalities.items():
            table.loc[kept, modality] = found.present
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
