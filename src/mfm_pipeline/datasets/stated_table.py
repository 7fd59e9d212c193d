"""Tables as CSV, each with a file beside it that says what it is of."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from kedro_datasets.pandas import CSVDataset

from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.errors import DataError

log = logging.getLogger(__name__)

Statement = dict[Hashable | None, Any]

_STATEMENT = ".json"
_DIGEST = "sha256"
"""Of the table's file: which table a statement is of."""


class StatedTableDataset(CSVDataset):  # type: ignore[misc]
    """Kedro's dataset of a local CSV file, with ``DataFrame.attrs`` as JSON beside it.

    Both files appear whole or not at all, and both go to the active MLflow run, if there
    is one. ``<name>.json`` also holds the digest of ``<name>.csv``, so that a statement is
    never taken for that of another table.

    Parameters
    ----------
    filepath : str
    load_args, save_args : dict, optional
        As pandas takes them; rows are saved without their index.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    DEFAULT_SAVE_ARGS = {"index": False}  # noqa: RUF012 (as Kedro declares it)

    def load(self) -> pd.DataFrame:
        """Return the table; ``attrs`` is what it states, empty if that is not known."""
        table: pd.DataFrame = super().load()
        table.attrs = self._statement()
        return table

    def save(self, data: pd.DataFrame) -> None:
        """Write the table and its statement.

        Raises
        ------
        DataError
            If the table states nothing.
        """
        path = Path(self._get_save_path())
        if not data.attrs:
            raise DataError(f"{path}: found a table without attrs; expected what it is of")
        # All that can fail comes before any file is touched.
        content = str(data.to_csv(**self._save_args)).encode()
        statement = {**data.attrs, _DIGEST: hashlib.sha256(content).hexdigest()}
        text = json.dumps(statement, indent=2) + "\n"
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        with replacing(path.with_suffix(_STATEMENT)) as temporary:
            temporary.write_text(text)
        self._invalidate_cache()
        if mlflow.active_run():
            for file in (path, path.with_suffix(_STATEMENT)):
                mlflow.log_artifact(str(file))

    def _statement(self) -> Statement:
        path = Path(self._get_load_path())
        try:
            statement: Statement = json.loads(path.with_suffix(_STATEMENT).read_text())
        except (OSError, ValueError):
            return {}
        if statement.pop(_DIGEST, None) != hashlib.sha256(path.read_bytes()).hexdigest():
            log.warning("%s: has changed since it was written; nothing is known of it", path)
            return {}
        return statement
