"""What a table of results is of: its corpus, seeds and settings, and the run it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import mlflow
import pandas as pd

from mfm_pipeline import __version__
from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets.stated_table import Statement
from mfm_pipeline.errors import DataError
from mfm_pipeline.options import flatten
from mfm_pipeline.pipelines.states import State
from mfm_pipeline.pipelines.trials import fingerprint, fingerprint_of_weights

DIGITS_KEPT = 16
"""Of the digests of data and models: enough to tell them apart."""


def stated(
    table: pd.DataFrame,
    corpus: Corpus,
    *,
    seeds: Iterable[int],
    settings: Mapping[str, Any],
    protocol: str | None = None,
    model: State | None = None,
) -> pd.DataFrame:
    """Return a table that says, in its ``attrs``, what it is of.

    Parameters
    ----------
    table : DataFrame
    corpus : Corpus
        That its numbers are of.
    seeds : iterable of int
        Of all trainings, or draws, that went into it.
    settings : mapping of str to Options or any
        Parameters that shaped it, by the names of their blocks.
    protocol : str, optional
        Where it has one: how the data was used.
    model : dict, optional
        State of the trained model that it is of.

    Returns
    -------
    DataFrame
        The same rows, with ``corpus``, ``synthetic``, ``data`` (a digest of the corpus),
        ``seeds``, ``settings`` (one entry a leaf, ``training.epochs``), ``protocol``,
        ``model`` (a digest of the state), ``run`` (of MLflow), ``date`` (UTC) and
        ``version`` in ``attrs``; what it does not have is None.
    """
    statement: Statement = {
        **_of_corpus(corpus),
        "seeds": [int(seed) for seed in seeds],
        "settings": _flat(settings),
        "protocol": protocol,
        "model": None if model is None else fingerprint_of_weights(model)[:DIGITS_KEPT],
        **_of_now(),
    }
    result = table.copy()
    result.attrs = _as_read(statement)
    return result


def stated_like(
    table: pd.DataFrame,
    corpus: Corpus | None,
    source: pd.DataFrame,
    settings: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return a table that states the seeds and settings of the one it was made from.

    Parameters
    ----------
    table : DataFrame
    corpus : Corpus or None
        That its numbers are of; None for that of the source.
    source : DataFrame
        As `stated` returned it, or read from its file.
    settings : mapping of str to Options or any, optional
        Parameters that shaped this table beside those that shaped the source.

    Raises
    ------
    DataError
        If the source states nothing.
    """
    if not source.attrs:
        raise DataError(
            f"a table with columns {', '.join(map(str, source.columns[:4]))}, ...: found no "
            "statement of what it is of; expected one in its .json: make it again"
        )
    result = table.copy()
    result.attrs = {**source.attrs, **_of_now()}
    if corpus is not None:
        result.attrs |= _of_corpus(corpus)
    if settings is not None:
        result.attrs["settings"] = {**source.attrs["settings"], **_flat(settings)}
    return result


def check_same_data(source: pd.DataFrame, corpus: Corpus) -> None:
    """Refuse a table that was made from other data than there is now.

    Parameters
    ----------
    source : DataFrame
        As `stated` returned it, or read from its file.
    corpus : Corpus

    Raises
    ------
    DataError
        If the corpus was ingested anew since, to something else.
    """
    expected, found = source.attrs.get("data"), _of_corpus(corpus)["data"]
    if expected != found:
        raise DataError(
            f"corpus {corpus.name}: found the digest {found}; expected {expected}, of which "
            f"the table with columns {', '.join(map(str, source.columns[:4]))}, ... is: make "
            "that again"
        )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that had a part, one entry a leaf."""
    flat = {key: leaf for name, block in settings.items() for key, leaf in flatten(name, block)}
    kept: dict[str, Any] = _as_read({k: v for k, v in flat.items() if _matters(k, flat)})
    return kept


def _as_read(statement: Statement) -> Any:
    """Return it as it will be read again."""
    return json.loads(json.dumps(statement))


def _of_corpus(corpus: Corpus) -> Statement:
    return {
        "corpus": corpus.name,
        "synthetic": corpus.synthetic,
        "data": fingerprint(corpus)[:DIGITS_KEPT],
    }


def _of_now() -> Statement:
    run = mlflow.active_run()
    return {
        "run": run.info.run_id if run else None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
    }


def _matters(key: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a setting had a part: those of fusion encoders not chosen had none."""
    block, found, option = key.partition(".fusion_options.")
    if found:
        return option.split(".")[0] == settings.get(f"{block}.fusion")
    return not key.endswith(".resume")
