"""A folder that a node works in, handed to it as a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from mfm_pipeline.errors import DataError


class FolderDataset(AbstractDataset[None, Path]):
    """Kedro dataset of a folder, such as that of checkpoints.

    Parameters
    ----------
    path : str
        Created when it is first loaded.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Path:
        """Return the folder, which exists."""
        self._path.mkdir(parents=True, exist_ok=True)
        return self._path

    def save(self, data: None) -> None:
        """Refuse: nodes write into the folder themselves."""
        raise DataError(f"{self._path}: a folder is not saved as a whole")

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
