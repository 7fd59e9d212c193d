"""Which files of a raw folder are used, and for what."""

from __future__ import annotations

import logging
from typing import Literal

from mfm_pipeline.data import SPLIT_NAMES
from mfm_pipeline.datasets.prepared import SIDE_BY_SIDE, TARGETS, array_names, find_array
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.errors import DataError
from mfm_pipeline.pipelines.ingest_features.options import Globs, IngestionOptions

logger = logging.getLogger(__name__)

Form = Literal["csd", "prepared"]


def choose_form(raw: RawFolder, options: IngestionOptions) -> Form:
    """Say which raw form is read: the one whose labels are there, sequences before arrays.

    Raises
    ------
    DataError
        If neither is there.
    """
    forms: dict[Form, str] = {
        "csd": "computational sequences (.csd)",
        "prepared": "prepared arrays (.h5)",
    }
    there: dict[Form, bool] = {
        "csd": find_sequence(raw, options.labels, "labels") is not None,
        "prepared": any(find_array(raw.files, TARGETS, split) for split in SPLIT_NAMES),
    }
    usable = [form for form in forms if there[form] and options.form in ("auto", form)]
    if not usable:
        raise DataError(
            f"{raw.path}: found no labels of either raw form among {len(raw.files)} file(s); "
            f"expected {_wanted_files(options)}"
        )
    form = usable[0]
    unused = [forms[other] for other in forms if there[other] and other != form]
    note = f"; {', '.join(unused)} lie there too and are not used" if unused else ""
    logger.info("%s: reading %s%s", raw.path, forms[form], note)
    return form


def find_sequence(raw: RawFolder, globs: Globs | None, use: str) -> str | None:
    """Return the one file that a glob (or the first of several that matches any) matches.

    Raises
    ------
    DataError
        If it matches more than one.
    """
    for pattern in _each(globs):
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
    return " or ".join(_each(globs)) or "nothing (no glob is set)"


def _each(globs: Globs | None) -> tuple[str, ...]:
    if globs is None:
        return ()
    return (globs,) if isinstance(globs, str) else globs


def _wanted_files(options: IngestionOptions) -> str:
    sequences = [options.labels, options.words, *(m.csd for m in options.wanted.values())]
    stems = [m.prepared for m in options.wanted.values() if m.prepared]
    sides = [SIDE_BY_SIDE] if any(m.columns for m in options.wanted.values()) else []
    arrays = [array_names(stem, "train")[1] for stem in [TARGETS, *stems, *sides]]
    wanted = [
        "sequences " + ", ".join(describe_globs(globs) for globs in sequences if globs),
        "arrays " + ", ".join(arrays) + " (and the same for valid and test)",
    ]
    chosen = {"auto": wanted, "csd": wanted[:1], "prepared": wanted[1:]}[options.form]
    return "; or ".join(chosen)
