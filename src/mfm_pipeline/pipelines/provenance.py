"""What a table of results is of: its corpus, seeds and settings, and the run it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from mfm_pipeline import __version__
from mfm_pipeline.data import Corpus
from mfm_pipeline.errors import DataError
from mfm_pipeline.options import flatten
from mfm_pipeline.pipelines.trials import fingerprint


def stated(
    table: pd.DataFrame,
    corpus: Corpus,
    *,
    seeds: Iterable[int],
    settings: Mapping[str, Any],
    protocol: str | None = None,
    model: Mapping[str, Any] | None = None,
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
    model : mapping, optional
        State of the trained model that it is of.

    Returns
    -------
    DataFrame
        The same rows, with ``corpus``, ``synthetic``, ``data`` (a digest of the corpus),
        ``seeds``, ``settings`` (one entry a leaf, ``training.epochs``), ``protocol``,
        ``model`` (a digest of the state), ``run`` (of MLflow), ``date`` (UTC) and
        ``version`` in ``attrs``; what it does not have is None.
    """
    run = mlflow.active_run()
    flat = {key: leaf for name, block in settings.items() for key, leaf in flatten(name, block)}
    statement = {
        "corpus": corpus.name,
        "synthetic": corpus.synthetic,
        "data": fingerprint(corpus)[:16],
        "seeds": [int(seed) for seed in seeds],
        "settings": {key: value for key, value in flat.items() if _matters(key, flat)},
        "protocol": protocol,
        "model": None if model is None else model_digest(model),
        "run": run.info.run_id if run else None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
    }
    result = table.copy()
    # As it will be read again.
    result.attrs = json.loads(json.dumps(statement))
    return result


def stated_like(table: pd.DataFrame, corpus: Corpus, source: pd.DataFrame) -> pd.DataFrame:
    """Return a table that states the seeds and settings of the one it was made from.

    Parameters
    ----------
    table : DataFrame
    corpus : Corpus
        That its numbers are of.
    source : DataFrame
        As `stated` returned it, or read from its file.

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
    result = stated(table, corpus, seeds=source.attrs["seeds"], settings={})
    result.attrs |= {name: source.attrs[name] for name in ("settings", "protocol", "model")}
    return result


def _matters(key: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a setting had a part: those of fusion encoders not chosen had none."""
    block, found, option = key.partition(".fusion_options.")
    return not found or option.split(".")[0] == settings.get(f"{block}.fusion")


def model_digest(state: Mapping[str, Any]) -> str:
    """Return a digest of a model: of its description and all its weights."""
    digest = hashlib.sha256(json.dumps(state["description"], sort_keys=True).encode())
    for name, weights in sorted(state["weights"].items()):
        array = weights.detach().cpu().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
