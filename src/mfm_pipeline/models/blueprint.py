"""What a model is built from: all that has to lie beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mfm_pipeline.data import Split, Task
from mfm_pipeline.errors import DataError
from mfm_pipeline.models.mfm import MFM
from mfm_pipeline.models.options import ModelOptions
from mfm_pipeline.models.spec import ModalitySpec
from mfm_pipeline.options import Options


class Blueprint(Options):
    """Everything that `MFM.build` needs, as JSON can hold it.

    Parameters
    ----------
    options : ModelOptions
    modalities : dict of str to ModalitySpec
    targets : tuple of str
        Names of targets, labels or classes.
    task : {"regression", "multiclass", "multilabel"}
    steps : int
        Steps T of the corpus; 0 without sequences.
    typical : tuple of float, optional
        Of the training targets, see `Targets.typical`; None in models of before it was kept.
    preparation : dict, optional
        Of the corpus: what data has to go through before the model sees it. None where
        that is not known.
    data : str, optional
        Digest of the corpus that the model was trained on; None where that is not known.
    """

    options: ModelOptions
    modalities: dict[str, ModalitySpec]
    targets: tuple[str, ...]
    task: Task
    steps: int
    typical: tuple[float, ...] | None = None
    preparation: dict[str, Any] | None = None
    data: str | None = None

    @classmethod
    def of(
        cls, train: Split, options: ModelOptions, preparation: Mapping[str, Any] | None = None
    ) -> Blueprint:
        """Describe the model that fits a training split, and how that was prepared."""
        mask = train.step_mask
        return cls(
            options=options,
            modalities=ModalitySpec.of(train),
            targets=train.targets.names,
            task=train.targets.task,
            steps=0 if mask is None else mask.shape[1],
            typical=tuple(train.targets.typical.tolist()),
            preparation=None if preparation is None else dict(preparation),
        )

    def build(self) -> MFM:
        """Return the model, newly initialised."""
        return MFM.build(
            self.options,
            self.modalities,
            outputs=len(self.targets),
            steps=self.steps,
            task=self.task,
        )

    def to_state(self, model: MFM) -> dict[str, Any]:
        """Return description and weights, plain enough for any file."""
        return {"description": self.model_dump(mode="json"), "weights": model.state_dict()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> tuple[Blueprint, MFM]:
        """Rebuild a model, in evaluation mode, from what `to_state` returned."""
        blueprint = cls.model_validate(state["description"])
        model = blueprint.build()
        model.load_state_dict(state["weights"])
        return blueprint, model.eval()

    def check_split(self, split: Split) -> None:
        """Check that a split has what the model was trained on.

        Raises
        ------
        DataError
            That names what was found and what is expected.
        """
        found = {name: spec.shape for name, spec in ModalitySpec.of(split).items()}
        expected = {name: spec.shape for name, spec in self.modalities.items()}
        if found != expected:
            raise DataError(f"modalities are {found}; the model was trained on {expected}")
