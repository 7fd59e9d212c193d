"""What a modality kind has to offer: encoders by name, and a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

from torch import Tensor, nn
from torch.func import jvp, vmap

from mfm_pipeline.errors import ParameterError
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

    def entry_weight(self) -> Tensor | None:
        """Return the weight of the linear map by which [Fy, Fai] enters, ``(m, fy + fa)``.

        All that is generated depends on the factors through it. None where they enter
        otherwise.
        """
        return None

    def squared_derivatives(
        self, discriminative: Tensor, generative: Tensor, steps: int, directions: Tensor
    ) -> Tensor:
        """Return the squared length of what each step changes by, summed over directions.

        Parameters
        ----------
        discriminative : Tensor, shape (n, fy)
        generative : Tensor, shape (n, fa)
        steps : int
        directions : Tensor, shape (r, fy)
            Along which Fy is changed.

        Returns
        -------
        Tensor, shape (n, T), or (n, 1) of images
            Equation 13, where the directions are an orthonormal basis.
        """

        def generate(factor: Tensor) -> Tensor:
            return self.forward(factor, generative, steps)

        def change(direction: Tensor) -> Tensor:
            tangent: Tensor
            tangent = jvp(generate, (discriminative,), (direction.expand_as(discriminative),))[1]
            # Squared here, so that no Jacobian is held.
            inner = tangent.flatten(2) if tangent.dim() == 3 else tangent.flatten(1)[:, None]
            return inner.square().sum(dim=2)

        squares: Tensor = vmap(change)(directions)
        return squares.sum(dim=0)

    @classmethod
    def together(
        cls,
        decoders: Mapping[str, Self],
        discriminative: Tensor,
        generative: Mapping[str, Tensor],
        steps: int,
        present: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Reconstruct by several decoders of this class.

        A class whose decoders are faster side by side says here how. `present` are the
        samples ``(n,)`` that count in statistics of a batch, by modality; without, all do.
        """
        return {
            name: decoder(discriminative, generative[name], steps)
            for name, decoder in decoders.items()
        }


class ModalityKind(ABC):
    """A kind of modality, for instance sequences."""

    encoders: tuple[str, ...]
    """Names of the encoders Q(Zai | Xi) of this kind; the first is the default."""

    @abstractmethod
    def encoder(
        self,
        name: str,
        *,
        modality: str,
        shape: tuple[int, ...],
        hidden: int,
        channels: Sequence[int] = (),
    ) -> Encoder:
        """Return an encoder.

        Parameters
        ----------
        name : str
            One of `encoders`.
        modality : str
            Name of the modality that it reads.
        shape : tuple of int
            Of one step or image, as in `ModalitySpec`.
        hidden : int
            Size of its state.
        channels : sequence of int
            Of an image's convolutions; sequences have none.

        Raises
        ------
        ParameterError
            If this kind has no such encoder, or the shape does not allow it.
        """

    @abstractmethod
    def decoder(
        self,
        *,
        modality: str,
        factors: int,
        shape: tuple[int, ...],
        hidden: int | None = None,
        channels: Sequence[int] = (),
    ) -> Decoder:
        """Return a decoder from `factors` features, Fy and Fai together.

        It is of size `hidden`, or by default as large as the factors; an image's
        mirrors the encoder of the same `channels`.
        """

    def check_encoder(self, name: str, modality: str) -> None:
        """Raise ParameterError unless this kind has the encoder called `name`."""
        if name not in self.encoders:
            raise ParameterError(
                f"encoder is '{name}' for modality '{modality}'; of its kind there "
                f"is {', '.join(self.encoders)}"
            )
