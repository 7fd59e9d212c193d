"""Metrics as a JSON file, and in the active MLflow run."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.errors import DataError

_LONGEST_KEY = 250


def mlflow_keys(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics by keys that MLflow takes: targets may have any name."""
    return {
        posixpath.normpath(re.sub(r"[^/\w.\- :]|\.\.", "_", key))[:_LONGEST_KEY]: value
        for key, value in metrics.items()
    }


class MetricsDataset(AbstractDataset[Mapping[str, float], dict[str, float]]):
    """Kedro dataset of final metrics, by their exact keys.

    A file as well as MLflow: Kedro can then tell that they are there, and
    leave their node out when a broken run is continued.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, float]:
        """Return the metrics."""
        try:
            metrics: dict[str, float] = json.loads(self._filepath.read_text())
        except (OSError, ValueError) as error:
            raise DataError(f"{self._filepath}: cannot be read as metrics: {error}") from error
        return metrics

    def save(self, data: Mapping[str, float]) -> None:
        """Write the metrics and log them to the active MLflow run, if there is one."""
        with replacing(self._filepath) as path:
            path.write_text(json.dumps(dict(data), indent=2) + "\n")
        if data and mlflow.active_run():
            mlflow.log_metrics(mlflow_keys(data))

    def preview(self) -> JSONPreview:
        """Return what Kedro-Viz shows."""
        rounded = {key: round(value, 4) for key, value in self.load().items()}
        return JSONPreview(json.dumps(rounded))

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
