"""Where something lies, handed to a node that may not need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from mfm_pipeline.errors import DataError


class PathDataset(AbstractDataset[None, Path]):
    """Kedro dataset of a path, there or not: which of several is read, a node decides.

    Parameters
    ----------
    path : str
        Of a file or a folder.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Path:
        """Return the path."""
        return self._path

    def save(self, data: None) -> None:
        """Refuse: another dataset writes there."""
        raise DataError(f"{self._path}: is read only, never written")

    def _exists(self) -> bool:
        return self._path.exists()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
