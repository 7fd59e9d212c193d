"""SVHN's cropped digits: one MATLAB 5 file with images ``X`` and labels ``y``.

``X`` is uint8 of shape (32, 32, 3, N): rows, columns, channels, images; ``y`` is (N, 1), and
the digit 0 is labelled 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.datasets.arrays import KINDS
from mfm_pipeline.datasets.digest import check_digest
from mfm_pipeline.datasets.mat5 import find_array
from mfm_pipeline.errors import DataError

_SHAPE = (32, 32, 3)
#: The label of the digit 0.
_ZERO = 10
_BLOCK = 1024
_PIECE = 2**20


def read_svhn(path: Path, digest: str | None = None) -> LabelledImages:
    """Read a file of cropped digits.

    Parameters
    ----------
    path : Path
    digest : str, optional
        ``md5:`` or ``sha256:`` and hexadecimal digits.

    Returns
    -------
    LabelledImages
        Images of shape (N, 3, 32, 32); the digit 0 has label 0.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another format or digest, there are not as many
        labels as images, or a label is not 1 .. 10.
    """
    images, labels = _read_images(path), _read_labels(path)
    if len(labels) != len(images):
        raise DataError(
            f"{path}: y: found {len(labels)} labels; expected {len(images)}, as there are images"
        )
    check_digest(_pieces(path), digest, str(path))
    return LabelledImages(images, labels)


class SvhnDataset(AbstractDataset[None, LabelledImages]):
    """Kedro dataset of one of SVHN's files of cropped digits; read only.

    Parameters
    ----------
    filepath : str
    digest : str, optional
        ``md5:`` or ``sha256:`` and hexadecimal digits.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(
        self, *, filepath: str, digest: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._path = Path(filepath)
        self._digest = digest
        self.metadata = metadata

    def load(self) -> LabelledImages:
        """Read the file; see `read_svhn` for the errors."""
        return read_svhn(self._path, self._digest)

    def save(self, data: None) -> None:
        """Refuse: raw files are not written."""
        raise DataError(f"{self._path}: raw files are not written")

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


def _read_images(path: Path) -> NDArray[np.uint8]:
    found = find_array(path, "X")
    # MATLAB drops the last dimension of a single image.
    count = found.shape[3:] or (1,)
    if found.shape[:3] != _SHAPE or len(count) != 1 or found.kind != "i":
        raise DataError(
            f"{path}: X: found {KINDS[found.kind]} of shape {found.shape}; expected whole numbers "
            "of shape (32, 32, 3, N)"
        )
    pixels = found.read()
    if pixels.dtype != np.uint8:
        raise DataError(f"{path}: X: found numbers stored as {pixels.dtype}; expected uint8")
    images: NDArray[np.uint8] = pixels.reshape((*_SHAPE, *count), order="F").T
    # Columns and rows change places, block by block: there is no second copy of all.
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK]
        block[...] = block.swapaxes(2, 3).copy()
    return images


def _read_labels(path: Path) -> NDArray[np.int64]:
    found = find_array(path, "y")
    if len(found.shape) != 2 or 1 not in found.shape or found.kind not in "fi":
        raise DataError(
            f"{path}: y: found {KINDS[found.kind]} of shape {found.shape}; expected numbers of "
            "shape (N, 1)"
        )
    labels = found.read().reshape(-1)
    right = (labels >= 1) & (labels <= _ZERO) & (labels == np.floor(labels))
    if len(wrong := np.flatnonzero(~right)):
        raise DataError(
            f"{path}: y: row {wrong[0]}: found label {labels[wrong[0]]:g}; expected 1 .. 10, of "
            "which 10 is the digit 0"
        )
    return labels.astype(np.int64) % _ZERO


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
