"""From latents to factors, and from the discriminative factor to the label."""

from __future__ import annotations

from torch import Tensor, nn


class Factor(nn.Sequential):
    """Factor network Gy or Gai of Equation 2: from a latent to its factor.

    Linear, ReLU, dropout, linear, ReLU.
    """

    def __init__(self, *, latent_size: int, size: int, dropout: float = 0.0) -> None:
        super().__init__(
            nn.Linear(latent_size, size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(size, size),
            nn.ReLU(),
        )
        self.size = size

    def forward(self, latent: Tensor) -> Tensor:
        """Map a latent ``(n, latent_size)`` to a factor ``(n, size)``."""
        factor: Tensor = super().forward(latent)
        return factor


class Head(nn.Sequential):
    """Head D of Equation 2: from the discriminative factor Fy to the label.

    Linear, ReLU, dropout, linear.
    """

    def __init__(self, *, factor_size: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__(
            nn.Linear(factor_size, factor_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(factor_size, outputs),
        )

    def forward(self, factor: Tensor) -> Tensor:
        """Map a factor ``(n, factor_size)`` to a raw prediction ``(n, outputs)``."""
        prediction: Tensor = super().forward(factor)
        return prediction
