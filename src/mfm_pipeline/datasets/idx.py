"""IDX, the format of MNIST: a magic number, the shape, and bytes; packed by gzip or not.

The magic number, big-endian like the shape, is 0x0000_08_0d for unsigned bytes in d
dimensions: 0x00000803 for images (count, rows, columns), 0x00000801 for labels (count).
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.datasets.digest import check_digest
from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.datasets.unpacking import unpacked
from mfm_pipeline.errors import DataError

IMAGES, LABELS = 0x0803, 0x0801

_EXPECTED = "an intact IDX file"
_KINDS = {IMAGES: "images", LABELS: "labels"}
_CLASSES = 10
_PIECE = 2**20


def read_idx(path: Path, magic: int, digest: str | None = None) -> NDArray[np.uint8]:
    """Read a file of images or of labels.

    Parameters
    ----------
    path : Path
    magic : int
        `IMAGES` or `LABELS`.
    digest : str, optional
        ``md5:`` or ``sha256:`` and hexadecimal digits, of the file unpacked.

    Returns
    -------
    ndarray of uint8, shape (N, rows, columns) or (N,)

    Raises
    ------
    DataError
        If the file is missing, damaged, of another format or digest, or does not hold as
        many bytes as it says.
    """
    check_file(path, _EXPECTED)
    with reading(path, _KINDS[magic], _EXPECTED), unpacked(path) as source:
        head, shape = _read_head(source.file, magic, path)
        size = math.prod(shape)
        content = _read_up_to(source.file, size + 1)
    if len(content) != size:
        more = "more than " if len(content) > size else ""
        raise DataError(
            f"{path}: {_KINDS[magic]}: found {more}{min(len(content), size)} bytes; expected "
            f"{size}, as the shape is {shape}"
        )
    check_digest((head, content), digest, f"{path}: unpacked")
    with reading(path, _KINDS[magic], _EXPECTED):
        # Of no images an array may still be too wide for numpy.
        return np.frombuffer(content, np.uint8).reshape(shape)


def read_labelled_images(
    images: Path,
    labels: Path,
    images_digest: str | None = None,
    labels_digest: str | None = None,
) -> LabelledImages:
    """Read images and their labels, which are digits.

    Parameters
    ----------
    images, labels : Path
    images_digest, labels_digest : str, optional
        See `read_idx`.

    Returns
    -------
    LabelledImages
        Of one channel.

    Raises
    ------
    DataError
        See `read_idx`; or there are not as many labels as images, or one is not 0 .. 9.
    """
    pixels = read_idx(images, IMAGES, images_digest)
    classes = read_idx(labels, LABELS, labels_digest)
    if len(classes) != len(pixels):
        raise DataError(
            f"{labels}: found {len(classes)} labels; expected {len(pixels)}, as there are images "
            f"in {images.name}"
        )
    if len(wrong := np.flatnonzero(classes >= _CLASSES)):
        raise DataError(
            f"{labels}: row {wrong[0]}: found label {classes[wrong[0]]}; expected 0 .. 9"
        )
    return LabelledImages(pixels[:, None], classes.astype(np.int64))


class IdxDataset(AbstractDataset[None, LabelledImages]):
    """Kedro dataset of images and labels in IDX files, packed by gzip or not; read only.

    Parameters
    ----------
    filepath, labels : str
        The file of images, and that of their labels.
    digest, labels_digest : str, optional
        ``md5:`` or ``sha256:`` and hexadecimal digits, of the files unpacked.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(
        self,
        *,
        filepath: str,
        labels: str,
        digest: str | None = None,
        labels_digest: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._images, self._labels = Path(filepath), Path(labels)
        self._digests = digest, labels_digest
        self.metadata = metadata

    def load(self) -> LabelledImages:
        """Read both files; see `read_labelled_images` for the errors."""
        return read_labelled_images(self._images, self._labels, *self._digests)

    def save(self, data: None) -> None:
        """Refuse: raw files are not written."""
        raise DataError(f"{self._images}: raw files are not written")

    def _exists(self) -> bool:
        return self._images.is_file() and self._labels.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._images), "labels": str(self._labels)}


def _read_head(file: IO[bytes], magic: int, path: Path) -> tuple[bytes, tuple[int, ...]]:
    """Read the magic number and the shape, and the bytes they are in."""
    dimensions = magic & 0xFF
    head = file.read(4 + 4 * dimensions)
    found = int.from_bytes(head[:4], "big")
    if len(head) >= 4 and found != magic:
        of = f", that of {_KINDS[found]}" if found in _KINDS else ""
        raise DataError(
            f"{path}: found magic number 0x{found:08x}{of}; expected 0x{magic:08x}, that of "
            f"{_KINDS[magic]}"
        )
    return head, struct.unpack_from(f">{dimensions}I", head, 4)


def _read_up_to(file: IO[bytes], size: int) -> bytearray:
    """Read `size` bytes or what there is, however much is claimed."""
    content = bytearray()
    while piece := file.read(min(_PIECE, size - len(content))):
        content += piece
    return content
