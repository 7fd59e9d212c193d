"""Images that come with scikit-learn: digits, and photographs. No file of ours, no network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_sample_images

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.errors import DataError

_BRIGHTEST = 16


def read_sample_digits() -> LabelledImages:
    """Return scikit-learn's 1,797 digits, shape (1797, 1, 8, 8), from 0 .. 16 to 0 .. 255.

    The test set of UCI's "Optical Recognition of Handwritten Digits".
    """
    found = load_digits()
    images = np.rint(found.images * (255 / _BRIGHTEST)).astype(np.uint8)
    return LabelledImages(images[:, None], found.target.astype(np.int64))


def read_sample_photographs() -> list[NDArray[np.uint8]]:
    """Return scikit-learn's photographs, each of shape (rows, columns, 3).

    Raises
    ------
    DataError
        If they cannot be had: they are JPEG files, which Pillow reads.
    """
    try:
        return [np.asarray(image, dtype=np.uint8) for image in load_sample_images().images]
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"photographs to blend digits with: found no library that has them ({reason}); "
            "expected scikit-learn's sample images, and Pillow: pip install pillow"
        ) from error
