"""A trained model with all that has to happen to features before it sees them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd

from mfm_pipeline.data import Modality, Split
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation.fill import fill_split
from mfm_pipeline.evaluation.predict import Outcome, predict_split
from mfm_pipeline.features.preparation import Preparation
from mfm_pipeline.features.segment import fit_steps
from mfm_pipeline.models import MFM, Blueprint
from mfm_pipeline.models.completed import Complete, complete
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint

log = logging.getLogger(__name__)

State = dict[str, Any]
Names = Mapping[str, tuple[str, ...]]


def is_surrogate(state: Mapping[str, Any]) -> bool:
    """Whether a state is of surrogate inference, rather than of the full model alone."""
    return "model" in state["description"]


def says_preparation(state: Mapping[str, Any]) -> bool:
    """Whether a state says what features went through before the model saw them."""
    full = state["description"]["model"] if is_surrogate(state) else state["description"]
    return full.get("preparation") is not None


@dataclass(frozen=True, eq=False)
class Predictor:
    """Predicts from aligned features, as ingestion leaves them before selection and scaling.

    Parameters
    ----------
    blueprint : Blueprint
    model : MFM
    infer : callable
        What infers all that samples lack: the model itself, or its surrogates.
    preparation : Preparation, optional
        Selection and scaling of its training data; None where there was neither.
    """

    blueprint: Blueprint
    model: MFM
    infer: Complete
    preparation: Preparation | None

    @classmethod
    def from_state(cls, state: State) -> Predictor:
        """Rebuild what a training left.

        Raises
        ------
        DataError
            If it does not say how its features were scaled: it is of an older version.
        """
        if not says_preparation(state):
            raise DataError(
                "the model does not say how its features were chosen and scaled: it is of "
                "before that was kept; expected one of train_mfm (train it again)"
            )
        infer: Complete
        if is_surrogate(state):
            surrogates, inference = SurrogateBlueprint.from_state(state)
            blueprint, model, infer = surrogates.model, inference.full, inference.complete
        else:
            blueprint, model = Blueprint.from_state(state)
            infer = partial(complete, model)
        preparation = Preparation.load(blueprint.preparation or {})
        return cls(blueprint, model, infer, preparation)

    @property
    def outcome(self) -> Outcome:
        """What is predicted."""
        return Outcome(self.blueprint.targets, self.blueprint.task, self.blueprint.typical)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one step, or of one image, of each modality before selection."""
        return {
            name: (self.preparation.selection.modalities[name].features,)
            if self.preparation is not None and spec.kind != "image"
            else spec.shape
            for name, spec in self.blueprint.modalities.items()
        }

    def check(self, split: Split, features: Names) -> None:
        """Check that data has the features that the model was trained on.

        A modality that the data lacks altogether is one that every sample lacks.

        Raises
        ------
        DataError
            That names what was found and what is expected.
        """
        found = {name: modality.shape for name, modality in split.modalities.items()}
        expected = self.shapes
        if any(found[name] != expected.get(name) for name in found):
            raise DataError(
                f"modalities are {_told(found)}; the model was trained on {_told(expected)}"
            )
        trained_on = {} if self.preparation is None else self.preparation.features
        for name in features.keys() & trained_on.keys():
            pairs = zip(features[name], trained_on[name], strict=True)
            for column, (new, old) in enumerate(pairs):
                if new != old:
                    raise DataError(
                        f"modality '{name}': feature {column} is '{new}'; "
                        f"the model was trained on '{old}' there"
                    )
        targets = split.targets
        if targets.names and (targets.names, targets.task) != self.outcome[:2]:
            raise DataError(
                f"targets are {', '.join(targets.names)} ({targets.task}); the model predicts "
                f"{', '.join(self.blueprint.targets)} ({self.blueprint.task})"
            )

    def prepare(self, split: Split) -> Split:
        """Bring checked samples to what the model sees: its modalities, steps and scales.

        Of longer samples the last steps are kept.
        """
        modalities = {
            name: self._fitted(split.modalities[name])
            if name in split.modalities
            else Modality.absent(len(split), shape, self.blueprint.steps)
            for name, shape in self.shapes.items()
        }
        words = split.words
        if words is not None and self.blueprint.steps:
            words = fit_steps(words, self.blueprint.steps)
        whole = Split(modalities, split.targets, split.ids, words)
        return whole if self.preparation is None else self.preparation.apply(whole)

    def predict(self, split: Split, batch_size: int) -> pd.DataFrame:
        """Predict prepared samples; see `mfm_pipeline.evaluation.predict.predict_split`."""
        return predict_split(self.model, self.infer, split, self.outcome, batch_size)

    def fill(self, split: Split, batch_size: int) -> Split:
        """Put generated modalities where prepared samples lack them; see `fill_split`."""
        return fill_split(self.infer, split, batch_size)

    def _fitted(self, modality: Modality) -> Modality:
        """Bring a sequence to the steps of the corpus that the model was trained on."""
        if modality.steps is None or modality.values.shape[1] == self.blueprint.steps:
            return modality
        steps = fit_steps(modality.steps, self.blueprint.steps)
        return replace(
            modality,
            values=fit_steps(modality.values, self.blueprint.steps),
            present=modality.present & steps.any(axis=1),
            steps=steps,
        )


def _told(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} ({' × '.join(map(str, shape))})" for name, shape in shapes.items())
