"""Modality kinds: how each is encoded and decoded.

Adding one is a new file with its encoders and decoder, and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

from mfm_pipeline.models.modality.base import Decoder, ModalityKind
from mfm_pipeline.models.modality.image import ImageKind
from mfm_pipeline.models.modality.sequence import SequenceKind
from mfm_pipeline.models.per_modality import NamePerModality, value_for

KINDS: dict[str, ModalityKind] = {
    "sequence": SequenceKind(),
    "image": ImageKind(),
}


def _known_encoders(names: Mapping[str, str]) -> Mapping[str, str]:
    allowed = sorted({name for kind in KINDS.values() for name in kind.encoders})
    for name in names.values():
        if name not in allowed:
            raise ValueError(f"unknown encoder '{name}'; expected one of {', '.join(allowed)}")
    return names


EncoderPerModality = Annotated[NamePerModality, AfterValidator(_known_encoders)]
"""Name of an encoder, or one a modality."""


def encoder_name(
    modality: str, kind: str, setting: Mapping[str, str] | None, parameter: str
) -> str:
    """Return the encoder that `setting` names for a modality; without, its kind's first.

    Raises
    ------
    ParameterError
        If it has neither the modality nor ``default``.
    """
    if setting is None:
        return KINDS[kind].encoders[0]
    return value_for(modality, setting, parameter)


__all__ = ["KINDS", "Decoder", "EncoderPerModality", "ModalityKind", "encoder_name"]
