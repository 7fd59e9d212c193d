"""What is inferred of samples that may lack modalities."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.mfm import MFM

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


Complete = Callable[[Inputs], Completed]
"""What infers all that samples lack."""


def complete(model: MFM, inputs: Inputs) -> Completed:
    """Infer by the full model alone, whose encoders are told what is absent."""
    output = model(inputs)
    known = torch.stack([inputs.present[name] for name in model.reads]).any(dim=0)
    return Completed(
        latents={name: latent.sample for name, latent in output.latents.items()},
        heads=output.heads,
        prediction=model.to_target_units(output.prediction),
        reconstructions=output.reconstructions,
        inferred_by=np.where(known.cpu().numpy(), FULL, NOTHING),
    )
