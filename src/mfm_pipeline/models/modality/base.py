"""What a modality kind has to offer: encoders by name, and a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from torch import Tensor, nn

from mfm_pipeline.models.encoder import Encoder


class Decoder(nn.Module):
    """Decoder Fi of Equation 2: from factors to a reconstruction of one modality.

    It is differentiable by `torch.func` with respect to both factors.
    """

    def forward(self, discriminative: Tensor, generative: Tensor, steps: int) -> Tensor:
        """Reconstruct one modality.

        Parameters
        ----------
        discriminative : Tensor, shape (n, fy)
        generative : Tensor, shape (n, fa)
        steps : int
            Steps T to produce; an image decoder ignores it.

        Returns
        -------
        Tensor, shape (n, T, d) or (n, C, H, W)
        """
        raise NotImplementedError

    @classmethod
    def together(
        cls,
        decoders: Mapping[str, Self],
        discriminative: Tensor,
        generative: Mapping[str, Tensor],
        steps: int,
    ) -> dict[str, Tensor]:
        """Reconstruct by several decoders of this class.

        A class whose decoders are faster side by side says here how.
        """
        return {
            name: decoder(discriminative, generative[name], steps)
            for name, decoder in decoders.items()
        }


class ModalityKind(ABC):
    """A kind of modality, for instance sequences."""

    encoders: tuple[str, ...]
    """Names of the encoders Q(Zai | Xi) of this kind."""

    @abstractmethod
    def encoder(self, name: str, *, modality: str, shape: tuple[int, ...], hidden: int) -> Encoder:
        """Return the encoder called `name` for the modality called `modality`.

        Raises
        ------
        ParameterError
            If this kind has no such encoder.
        """

    @abstractmethod
    def decoder(
        self, *, factors: int, shape: tuple[int, ...], hidden: int | None = None
    ) -> Decoder:
        """Return a decoder from `factors` features, Fy and Fai together.

        It is of size `hidden`, or by default as large as the factors.
        """
