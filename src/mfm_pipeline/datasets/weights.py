"""Weights as safetensors, and beside them what the model is built from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.errors import DataError

WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"


def read_state(path: Path) -> dict[str, Any]:
    """Read a model from its folder: ``description``, a dict, and ``weights``, tensors by name.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    """
    if not (path / DESCRIPTION).exists():
        raise DataError(f"{path}: found no model; expected one that a training left")
    try:
        description = json.loads((path / DESCRIPTION).read_text())
        weights = load_file(path / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read as a model: {error}") from error
    return {"description": description, "weights": weights}


class WeightsDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """Kedro dataset of a model: a folder with its weights and its description.

    No pickle is written or read.

    Parameters
    ----------
    path : str
        The folder.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        """Read the folder; see `read_state` for its errors."""
        return read_state(self._path)

    def save(self, data: dict[str, Any]) -> None:
        """Write ``description`` and ``weights``."""
        with replacing(self._path / WEIGHTS) as path:
            save_file({k: v.contiguous() for k, v in data["weights"].items()}, path)
        with replacing(self._path / DESCRIPTION) as path:
            path.write_text(json.dumps(data["description"], indent=2) + "\n")

    def _exists(self) -> bool:
        return (self._path / DESCRIPTION).exists() and (self._path / WEIGHTS).exists()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
