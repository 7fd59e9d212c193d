"""Which files of a raw folder are used, and for what."""

from __future__ import annotations

import logging
from typing import Literal

from mfm_pipeline.data import SPLIT_NAMES
from mfm_pipeline.datasets.prepared import SIDE_BY_SIDE, array_names, find_array
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.errors import DataError
from mfm_pipeline.ingestion.options import Globs, IngestionOptions, StreamOptions

logger = logging.getLogger(__name__)

Form = Literal["raw", "prepared"]
_TOLD: dict[Form, str] = {
    "raw": "the raw form (labels, words and frames with their times)",
    "prepared": "the prepared form (arrays that are aligned already)",
}


def choose_form(raw: RawFolder, options: IngestionOptions) -> Form:
    """Say which form is read: the one whose labels are there, the raw one first.

    Raises
    ------
    DataError
        If neither is there.
    """
    there = find_form(raw, options)
    usable = [form for form in there if there[form] and options.form in ("auto", form)]
    if not usable:
        raise DataError(
            f"{raw.path}: found no labels of either form among {len(raw.files)} file(s); "
            f"expected {_wanted_files(options)}"
        )
    return usable[0]


def tell_form(raw: RawFolder, options: IngestionOptions, form: Form) -> None:
    """Log which form is read, and that the other lies there too."""
    other: Form = "prepared" if form == "raw" else "raw"
    unused = find_form(raw, options)[other]
    note = f"; {_TOLD[other]} lies there too and is not used" if unused else ""
    logger.info("%s: reading %s%s", raw.path, _TOLD[form], note)


def find_form(raw: RawFolder, options: IngestionOptions) -> dict[Form, bool]:
    """Say which forms a folder holds labels of."""
    bundled = any(raw.matching(pattern) for pattern in each(options.bundle))
    return {
        "raw": has_labels(raw, options),
        "prepared": _has_arrays(raw, options) or bundled,
    }


def has_labels(raw: RawFolder, options: IngestionOptions) -> bool:
    """Say whether a folder holds labels of the raw form."""
    globs = (options.labels.csd, options.labels.table)
    return any(find_file(raw, choice, "labels") is not None for choice in globs)


def _has_arrays(raw: RawFolder, options: IngestionOptions) -> bool:
    stems = each(options.labels.prepared)
    return any(find_array(raw.files, stem, split) for stem in stems for split in SPLIT_NAMES)


def find_file(raw: RawFolder, globs: Globs | None, use: str) -> str | None:
    """Return the one file that a glob (or the first of several that matches any) matches.

    Raises
    ------
    DataError
        If it matches more than one.
    """
    for pattern in each(globs):
        found = raw.matching(pattern)
        if len(found) > 1:
            raise DataError(
                f"{raw.path}: {use}: found {len(found)} files that match '{pattern}' "
                f"({', '.join(found[:3])}); expected one"
            )
        if found:
            return found[0]
    return None


def describe_globs(globs: Globs | None) -> str:
    """Write globs for a message."""
    return " or ".join(each(globs)) or "nothing (no glob is set)"


def each(globs: Globs | None) -> tuple[str, ...]:
    """Return one glob, several or none as a tuple."""
    if globs is None:
        return ()
    return (globs,) if isinstance(globs, str) else globs


def _wanted_files(options: IngestionOptions) -> str:
    streams: list[StreamOptions] = [options.words, *options.wanted.values()]
    sequences = [options.labels.csd, *(stream.csd for stream in streams)]
    files = [choice.glob for stream in streams for choice in stream.files[:1]]
    stems = [stem for m in options.wanted.values() for stem in each(m.prepared)[:1]]
    sides = [SIDE_BY_SIDE] if any(m.columns for m in options.wanted.values()) else []
    labels = each(options.labels.prepared)[:1]
    arrays = [array_names(stem, "train")[1] for stem in [*labels, *stems, *sides]]
    wanted = [
        "sequences " + ", ".join(describe_globs(globs) for globs in sequences if globs),
        f"files {', '.join([describe_globs(options.labels.table), *files])}",
        "arrays " + ", ".join(arrays) + " (and the same for valid and test)",
        f"one file {describe_globs(options.bundle)}",
    ]
    chosen = {"auto": wanted, "raw": wanted[:2], "prepared": wanted[2:]}[options.form]
    return "; or ".join(chosen)
