"""What is inferred of samples that may lack modalities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

FULL, SURROGATE, UNSEEN, NOTHING = "model", "surrogate", "unseen pattern", "trivial"


class Completed(NamedTuple):
    """Latents, label and every modality of samples, whatever they lack.

    Attributes
    ----------
    latents : dict of str to Tensor, each (n, z)
        Zy under `mfm.DISCRIMINATIVE`, Zai under the name of its modality.
    heads : Tensor, shape (n, heads, outputs)
        Ŷ of each head, raw.
    prediction : Tensor, shape (n, outputs)
        In target units, or probabilities.
    reconstructions : dict of str to Tensor
        X̂i of every modality that the model generates, missing or not, as in
        `MfmOutput`.
    inferred_by : ndarray of str, shape (n,)
        `FULL` where everything is there, `SURROGATE`, `UNSEEN` where the full model
        had to do because no surrogate knows the pattern, `NOTHING` without any modality.
    """

    latents: dict[str, Tensor]
    heads: Tensor
    prediction: Tensor
    reconstructions: dict[str, Tensor]
    inferred_by: NDArray[np.str_]
