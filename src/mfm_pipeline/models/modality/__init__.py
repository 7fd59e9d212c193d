"""Modality kinds: how each is encoded and decoded.

Adding one is a new file with its encoders and decoder, and one line here.
"""

from __future__ import annotations

from mfm_pipeline.models.modality.base import Decoder, ModalityKind
from mfm_pipeline.models.modality.sequence import SequenceKind

KINDS: dict[str, ModalityKind] = {
    "sequence": SequenceKind(),
}

__all__ = ["KINDS", "Decoder", "ModalityKind"]
