"""NaN and infinities, as real extractors leave them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import BoolArray


def bad_rows(features: NDArray[np.float32]) -> BoolArray:
    """Rows (all axes but the last) that hold at least one NaN or infinity."""
    return np.asarray(~np.isfinite(features).all(axis=-1))


def zero_bad_values(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], BoolArray]:
    """Replace NaN and infinities by 0.

    Parameters
    ----------
    features : ndarray of float32, shape (..., D)

    Returns
    -------
    cleaned : ndarray of float32, shape (..., D)
        `features` itself if there is nothing to do.
    bad : ndarray of bool, shape (...)
        Rows that held a bad value.
    """
    bad = bad_rows(features)
    if not bad.any():
        return features, bad
    return np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0), bad
