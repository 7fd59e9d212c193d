"""The predictor that looks at no modality: what every model has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data import Targets


def trivial_prediction(train: Targets, n: int) -> NDArray[Any]:
    """Predict the median (regression) or the most frequent class of train.

    Parameters
    ----------
    train : Targets
        Of the training split.
    n : int
        Samples to predict.

    Returns
    -------
    ndarray
        ``(n, k)`` values or labels, or ``(n,)`` class indices.
    """
    constant: NDArray[Any] = train.typical.astype(np.float32)
    if train.task == "multiclass":
        constant = np.array(train.typical.argmax())
    elif train.task == "multilabel":
        constant = (train.typical > 0.5).astype(np.float32)
    return np.repeat(constant[None], n, axis=0)
