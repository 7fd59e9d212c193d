"""From latents to factors, and from the discriminative factor to the label."""

from __future__ import annotations

from torch import Tensor, nn

from mfm_pipeline.models.grouped import linear


class Factor(nn.Sequential):
    """Factor network Gy or Gai of Equation 2: from a latent to its factor.

    Linear, ReLU, dropout, linear, ReLU; from ``(n, latent_size)`` to
    ``(n, size)``, in `groups` networks side by side.
    """

    def __init__(
        self, *, latent_size: int, size: int, dropout: float = 0.0, groups: int = 1
    ) -> None:
        super().__init__(
            linear(latent_size, size, groups),
            nn.ReLU(),
            nn.Dropout(dropout),
            linear(size, size, groups),
            nn.ReLU(),
        )


class Head(nn.Sequential):
    """Head D of Equation 2: from the discriminative factor Fy to the label.

    Linear, ReLU, dropout, linear; from ``(n, factor_size)`` to raw predictions
    ``(n, heads, outputs)``. Of several heads each reads its own part of the
    factor, and their mean is the model's prediction.
    """

    def __init__(
        self, *, factor_size: int, outputs: int, dropout: float = 0.0, heads: int = 1
    ) -> None:
        super().__init__(
            linear(factor_size, factor_size, heads),
            nn.ReLU(),
            nn.Dropout(dropout),
            linear(factor_size, heads * outputs, heads),
        )
        self.heads = heads

    def forward(self, factor: Tensor) -> Tensor:
        """Map a factor to the prediction of each head."""
        predictions: Tensor = factor
        for layer in self:
            predictions = layer(predictions)
        return predictions.reshape(*predictions.shape[:-1], self.heads, -1)
