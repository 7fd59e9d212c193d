"""A network a modality, each of which predicts by itself: features for kernels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mfm_pipeline.models.convolution.encoder import Convolution
from mfm_pipeline.models.dropout import Dropout
from mfm_pipeline.models.inputs import Inputs


class UnimodalConvolutions(nn.Module):
    """Convolutions, a hidden layer and a prediction, of each modality by itself.

    They share nothing: trained together by the mean of their costs (`heads`), they learn
    what they would learn alone.

    Parameters
    ----------
    features : mapping of str to int
        Features of a step, by modality.
    outputs : int
    channels, width : int
        Of the convolutions, see `Convolution`.
    hidden : int
        Size of the hidden layer, whose activations are the modality's features.
    dropout : float
        On that layer.
    """

    def __init__(
        self,
        *,
        features: Mapping[str, int],
        outputs: int,
        channels: int,
        width: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        # Lists, since any name of a modality may be an attribute of a dictionary of modules.
        self.modalities = tuple(features)
        self.layers = nn.ModuleList(
            nn.Sequential(
                Convolution(modality=name, features=size, channels=channels, width=width),
                nn.Linear(channels, hidden),
                nn.ReLU(),
            )
            for name, size in features.items()
        )
        self.dropout = Dropout(dropout)
        self.outputs = nn.ModuleList(nn.Linear(hidden, outputs) for _ in features)

    def states(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return the activations of the hidden layers, each ``(n, hidden)``."""
        return {
            name: layer(inputs) for name, layer in zip(self.modalities, self.layers, strict=True)
        }

    def heads(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return raw predictions by modality ``(n, M, outputs)``, and which count ``(n, M)``."""
        states = self.states(inputs).values()
        predictions = [
            output(self.dropout(state)) for output, state in zip(self.outputs, states, strict=True)
        ]
        present = [inputs.present[name] for name in self.modalities]
        return torch.stack(predictions, dim=1), torch.stack(present, dim=1)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the mean raw prediction of the modalities that are present, ``(n, outputs)``."""
        predictions, present = self.heads(inputs)
        weight = present.to(predictions.dtype)[:, :, None]
        return (predictions * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
