"""A model that is quick to build, and methods whose answers are known beforehand."""

from __future__ import annotations

import numpy as np
import torch

from mfm_pipeline.data import Corpus
from mfm_pipeline.models import MFM, Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.completed import FULL, NOTHING, Completed

SMALL = {
    "fusion": "statistics",
    "discriminative": {"latent": 6, "factor": 5},
    "generative": {"latent": 3, "factor": 4, "encoder": "statistics"},
}


def model_of(corpus: Corpus) -> MFM:
    """Return a model that was not trained, but sees the corpus in its own units."""
    torch.manual_seed(0)
    model = Blueprint.of(corpus.train, ModelOptions.model_validate(SMALL)).build().eval()
    model.calibrate(Inputs.from_split(corpus.train))
    return model


def counting(inputs: Inputs) -> Completed:
    """Predict how many steps a sample has, and generate the number of each step."""
    inputs = inputs.gather()
    prediction = inputs.lengths[:, None].float()
    made = {}
    for name, value in inputs.values.items():
        made[name] = torch.zeros_like(value)
        if name in inputs.steps:
            made[name] += torch.arange(value.shape[1], dtype=torch.float32)[:, None]
    anything = torch.stack(list(inputs.present.values())).any(dim=0).numpy()
    inferred_by = np.where(anything, FULL, NOTHING)
    return Completed({}, prediction[:, None], prediction, made, inferred_by)
