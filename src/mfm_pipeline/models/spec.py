"""What a model has to know of a modality before it has seen any data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mfm_pipeline.data import Split


class ModalitySpec(BaseModel):
    """Kind and shape of one modality; small enough to lie beside the weights.

    Parameters
    ----------
    kind : str
        Name of the modality kind in `mfm_pipeline.models.modality.KINDS`.
    shape : tuple of int
        Shape of one step (``(d,)``) or of one image (``(C, H, W)``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    shape: tuple[int, ...]

    @property
    def features(self) -> int:
        """Number of features of one step; sequences only."""
        (features,) = self.shape
        return features

    @classmethod
    def of(cls, split: Split) -> dict[str, ModalitySpec]:
        """Return the specification of every modality of `split`, in its order."""
        return {
            name: cls(kind=modality.kind, shape=tuple(modality.shape))
            for name, modality in split.modalities.items()
        }
