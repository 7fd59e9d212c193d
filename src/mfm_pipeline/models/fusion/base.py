"""What a fusion encoder has to offer so that it can be chosen by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.spec import ModalitySpec
from mfm_pipeline.options import Options


class FusionOptions(Options):
    """Options of one fusion encoder Q(Zy | X1:M), and how to build it."""

    @abstractmethod
    def build(self, modalities: Mapping[str, ModalitySpec]) -> Encoder:
        """Return the encoder for these modalities."""
        raise NotImplementedError


def sequences_only(modalities: Mapping[str, ModalitySpec], fusion: str) -> dict[str, int]:
    """Return the number of features of each modality.

    Raises
    ------
    ParameterError
        If one of them is not a sequence.
    """
    for name, spec in modalities.items():
        if spec.kind != "sequence":
            raise ParameterError(
                f"parameter 'fusion' is '{fusion}', which reads sequences, "
                f"but modality '{name}' is of kind '{spec.kind}'"
            )
    return {name: spec.features for name, spec in modalities.items()}
