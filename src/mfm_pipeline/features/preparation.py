"""What aligned features went through before a model was trained, applied to new data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mfm_pipeline.data import Split
from mfm_pipeline.features.scale import Scaling
from mfm_pipeline.features.select import Selection

_SELECTION, _SCALING, _FEATURES = "selection", "scaling", "features"


class Preparation(NamedTuple):
    """Fitted choice and scaling of features; never fitted again.

    Attributes
    ----------
    selection : Selection
    scaling : Scaling
    features : mapping of str to tuple of str
        Names of the columns before the choice, of the modalities whose columns have names.
    """

    selection: Selection
    scaling: Scaling
    features: Mapping[str, tuple[str, ...]]

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Preparation | None:
        """Rebuild from what `to_json` gave, or return None if there is nothing of it.

        Raises
        ------
        DataError
            If it is not of that form.
        """
        if _SCALING not in stored:
            return None
        features = {name: tuple(names) for name, names in stored[_FEATURES].items()}
        return cls(Selection.load(stored[_SELECTION]), Scaling.load(stored[_SCALING]), features)

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            _SELECTION: self.selection.model_dump(),
            _SCALING: self.scaling.model_dump(),
            _FEATURES: {name: list(names) for name, names in self.features.items()},
        }

    def apply(self, split: Split) -> Split:
        """Choose and scale the features of aligned samples.

        Raises
        ------
        DataError
            If a modality was not there when they were fitted, or has another number of
            features.
        """
        return self.scaling.apply(self.selection.apply(split))[0]
