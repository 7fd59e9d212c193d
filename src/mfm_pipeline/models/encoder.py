"""The one interface of everything that reads inputs: fusion and modality encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from torch import Tensor, nn

from mfm_pipeline.models.inputs import Inputs


class Encoder(nn.Module):
    """Turns inputs into one state a sample, from which a latent is one layer.

    A subclass sets `size`. It reads only what `Inputs` marks as observed;
    absent modalities and padding never change its output.
    """

    size: int

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the state of every sample, ``(n, size)``."""
        raise NotImplementedError

    @classmethod
    def together(cls, encoders: Mapping[str, Self], inputs: Inputs) -> dict[str, Tensor]:
        """Return the states of several encoders of this class.

        A class whose encoders are faster side by side says here how.
        """
        return {name: encoder(inputs) for name, encoder in encoders.items()}
