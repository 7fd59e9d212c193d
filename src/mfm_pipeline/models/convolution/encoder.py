"""Convolutions over the observed steps of one modality, pooled to one state a sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.inputs import Inputs


class Convolution(Encoder):
    """Two convolutions over steps, each with a ReLU, and the maximum over observed steps.

    The sentence network of Kim (2014) and Poria et al. (2015, Section 4.1). A step that was
    not observed enters either layer as zero, as steps before the first and after the last
    do, and never is the maximum.

    Parameters
    ----------
    modality : str
        Name of the modality that is read.
    features : int
        Features of one step.
    channels : int
        Of both layers, and the size of the state.
    width : int
        Steps that a filter covers.
    """

    def __init__(self, *, modality: str, features: int, channels: int, width: int) -> None:
        super().__init__()
        self.modality = modality
        self.size = channels
        self.around = ((width - 1) // 2, width // 2)
        self.layers = nn.ModuleList(
            [nn.Conv1d(size, channels, width) for size in (features, channels)]
        )

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the states, ``(n, channels)``; zero where the modality is absent."""
        hidden = ~(inputs.steps[self.modality] & inputs.present[self.modality][:, None])[:, None]
        values = inputs.values[self.modality].transpose(1, 2)
        for layer in self.layers:
            # Nothing after a ReLU is below zero, so zeros do not change a maximum.
            values = torch.relu(layer(functional.pad(values, self.around)))
            values = values.masked_fill(hidden, 0)
        return values.amax(dim=2)
