"""What takes the place of missing modalities: zeros, the train mean, or neighbours' data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mfm_pipeline.data import Split
from mfm_pipeline.evaluation.predict import mean_image
from mfm_pipeline.models import Inputs

Fill = Callable[[Inputs], dict[str, Tensor]]
"""From a batch to values of every modality, sequences ``(n, T, d)`` or images
``(n, C, H, W)``; read only where a sample lacks the modality."""


def fill_in(inputs: Inputs, values: Mapping[str, Tensor]) -> Inputs:
    """Return a batch in which what is missing is data like any other.

    A modality that is filled is present, and every step that the sample has is one of
    its steps. A sample without any modality stays as it is.

    Parameters
    ----------
    inputs : Inputs
    values : mapping of str to Tensor
        Of the modalities to fill, as a `Fill` returns them.
    """
    inputs = inputs.gather()
    filled, steps, present = dict(inputs.values), dict(inputs.steps), dict(inputs.present)
    anything = torch.stack(list(inputs.present.values())).any(dim=0)
    for name, value in values.items():
        missing = anything & ~inputs.present[name]
        present[name] = inputs.present[name] | missing
        where = missing
        if name in steps:
            within = torch.arange(value.shape[1]) < inputs.lengths[:, None]
            where = missing[:, None] & within
            steps[name] = steps[name] | where
        filled[name] = torch.where(over(where, value), value, inputs.values[name])
    return replace(inputs, values=filled, steps=steps, present=present)


def zeros(inputs: Inputs) -> dict[str, Tensor]:
    """Fill with zeros: what a model without presence would read."""
    return {name: torch.zeros_like(value) for name, value in inputs.gather().values.items()}


class MeanFill:
    """Fill with the mean of each feature over the observed steps of train; the mean image.

    Parameters
    ----------
    train : Split
    """

    def __init__(self, train: Split) -> None:
        self.means: dict[str, Tensor] = {}
        for name, modality in train.modalities.items():
            if modality.steps is None:
                self.means[name] = mean_image(modality)
                continue
            observed = modality.values[modality.steps]
            mean = observed.sum(axis=0, dtype=np.float64) / max(len(observed), 1)
            self.means[name] = torch.from_numpy(mean.astype(np.float32))

    def __call__(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return the means, once for each sample and step of a batch."""
        return {
            name: self.means[name].to(value.dtype).expand_as(value)
            for name, value in inputs.gather().values.items()
        }


def over(mask: Tensor, values: Tensor) -> Tensor:
    """Return a mask over the leading dimensions of values, shaped to broadcast to them."""
    return mask.reshape(mask.shape + (1,) * (values.dim() - mask.dim()))
