"""Images with their classes, before they are paired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.errors import DataError


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """A set of images, each with its class: what image pairs are drawn from.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, H, W)
    labels : ndarray of int64, shape (N,)
        Index of the class of each image, from 0.

    Raises
    ------
    DataError
        If shapes or dtypes are others, or a label is negative.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise DataError(
                f"images are {self.images.dtype} of shape {self.images.shape}; "
                "expected uint8 of shape (N, C, H, W)"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"labels are {self.labels.dtype} of shape {self.labels.shape}; "
                f"expected int64 of shape ({len(self.images)},)"
            )
        if (self.labels < 0).any():
            raise DataError(f"a label is {self.labels.min()}; expected 0 or more")

    def __len__(self) -> int:
        return len(self.labels)
