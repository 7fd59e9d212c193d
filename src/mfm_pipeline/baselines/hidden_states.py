"""Models with hidden states: hidden Markov models and conditional random fields."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from mfm_pipeline.baselines.base import (
    CLASSES,
    BaselineOptions,
    Choice,
    Family,
    Range,
    Session,
    Space,
)
from mfm_pipeline.baselines.statistics import check_sequences
from mfm_pipeline.data import Corpus, Split, Task
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.hidden_states.hcrf import HCRF
from mfm_pipeline.models.hidden_states.hsshcrf import HSSHCRF
from mfm_pipeline.models.hidden_states.joint import Edges
from mfm_pipeline.models.hidden_states.ldhcrf import LDHCRF
from mfm_pipeline.models.hidden_states.thmm import THMM
from mfm_pipeline.models.hidden_states.views import Views
from mfm_pipeline.training import TrainedPredictor, fit_predictor


class HiddenStatesOptions(BaselineOptions):
    """What all models with hidden states have in common."""

    family: ClassVar[Family] = "hidden states"
    tasks: ClassVar[frozenset[Task]] = CLASSES


class ThmmOptions(HiddenStatesOptions):
    """A hidden Markov model a class, with a Gaussian stream a modality; see `THMM`."""

    label: ClassVar[str] = "THMM"
    space: ClassVar[Space] = {
        "states": Range(low=1, high=8),
        "variance_floor": Range(low=0.01, high=1.0, log=True),
    }

    states: int = Field(default=4, ge=1, le=64)
    restarts: int = Field(default=4, ge=1)
    iterations: int = Field(default=30, ge=1)
    tolerance: float = Field(default=1e-4, ge=0)
    variance_floor: float = Field(default=0.1, gt=0)

    def fit(self, corpus: Corpus, session: Session) -> FittedThmm:
        """Fit by Baum and Welch."""
        check_sequences(corpus)
        targets = corpus.train.targets
        model = THMM(
            Inputs.from_split(corpus.train),
            torch.from_numpy(targets.values),
            classes=len(targets.names),
            seed=session.seed,
            **self.model_dump(),
        )
        return FittedThmm(model)


@dataclass(frozen=True, eq=False)
class FittedThmm:
    """A fitted THMM, as a model of the comparison.

    Parameters
    ----------
    model : THMM
    """

    model: THMM

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""
        return self.model.parameters

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return the probability of each class, ``(n, classes)``."""
        probability: NDArray[np.float64] = self.model.predict(Inputs.from_split(split)).numpy()
        return probability


class ConditionalField(Protocol):
    """A conditional random field, as a network that is trained."""

    def cost(self, inputs: Inputs, labels: Tensor) -> Tensor:
        """Return what is minimised."""


class FieldOptions(HiddenStatesOptions):
    """What conditional random fields have in common: they are trained by gradient."""

    early_fusion: ClassVar[bool] = False
    edges: ClassVar[Edges] = "linked"

    states: int = Field(default=3, ge=1, description="Hidden states of each view.")
    window: int = Field(default=0, ge=0, description="Steps around one observed with it.")
    learning_rate: float = Field(default=0.01, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0, le=1)

    @abstractmethod
    def build(self, views: Views, classes: int) -> nn.Module:
        """Return the field."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, session: Session) -> TrainedPredictor:
        """Train on the training split, keeping the best validation epoch."""
        check_sequences(corpus)
        features = {name: m.shape[0] for name, m in corpus.train.modalities.items()}
        views = (Views.fused if self.early_fusion else Views.apart)(features, self.window)
        rates = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        return fit_predictor(
            corpus,
            lambda: self.build(views, len(corpus.train.targets.names)),
            session.training.model_copy(update=rates),
            session.folder,
            name=self.label,
            cost=_cost,
            after_epoch=session.after_epoch,
            progress=False,
        )


def _cost(network: nn.Module, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
    return {"task": cast("ConditionalField", network).cost(inputs, labels)}


_RATES: Space = {
    "window": Choice(of=(0, 1, 2)),
    "learning_rate": Range(low=1e-3, high=5e-2, log=True),
    "weight_decay": Range(low=1e-4, high=1.0, log=True),
}


class EfHcrfOptions(FieldOptions):
    """One chain of hidden states a class, over early-fused features; see `HCRF`."""

    label: ClassVar[str] = "EF-HCRF"
    space: ClassVar[Space] = {"states": Range(low=2, high=10), **_RATES}
    early_fusion: ClassVar[bool] = True

    states: int = Field(default=4, ge=1, description="Hidden states.")

    def build(self, views: Views, classes: int) -> HCRF:
        """Return the field."""
        return HCRF(views=views, states=self.states, classes=classes, edges=self.edges)


class MvHcrfOptions(EfHcrfOptions):
    """A chain a class and modality, linked at each step; see `HCRF`."""

    label: ClassVar[str] = "MV-HCRF"
    space: ClassVar[Space] = {"states": Range(low=2, high=4), **_RATES}
    early_fusion: ClassVar[bool] = False

    states: int = Field(default=3, ge=1, description="Hidden states of each modality.")


class CmvHcrfOptions(MvHcrfOptions):
    """A chain a class and modality, coupled from each step to the next; see `HCRF`."""

    label: ClassVar[str] = "CMV-HCRF"
    edges: ClassVar[Edges] = "coupled"


class EfLdhcrfOptions(FieldOptions):
    """Hidden states that belong to one class each, over early-fused features; see `LDHCRF`."""

    label: ClassVar[str] = "EF-LDHCRF"
    space: ClassVar[Space] = {"states": Range(low=1, high=6), **_RATES}
    early_fusion: ClassVar[bool] = True

    states: int = Field(default=3, ge=1, description="Hidden states of each class.")

    def build(self, views: Views, classes: int) -> LDHCRF:
        """Return the field."""
        return LDHCRF(views=views, states=self.states, classes=classes, edges=self.edges)


class MvLdhcrfOptions(EfLdhcrfOptions):
    """A chain of such states a modality, linked at each step; see `LDHCRF`."""

    label: ClassVar[str] = "MV-LDHCRF"
    space: ClassVar[Space] = {"states": Range(low=1, high=3), **_RATES}
    early_fusion: ClassVar[bool] = False

    states: int = Field(default=2, ge=1, description="Of each class and modality.")


class CmvLdhcrfOptions(MvLdhcrfOptions):
    """A chain of such states a modality, coupled from each step to the next; see `LDHCRF`."""

    label: ClassVar[str] = "CMV-LDHCRF"
    edges: ClassVar[Edges] = "coupled"


class EfHsshcrfOptions(FieldOptions):
    """Layers of HCRFs over summaries, of early-fused features; see `HSSHCRF`."""

    label: ClassVar[str] = "EF-HSSHCRF"
    space: ClassVar[Space] = {
        "states": Range(low=2, high=8),
        "gates": Choice(of=(4, 8, 16, 32)),
        "layers": Range(low=2, high=4),
        "threshold": Range(low=0.01, high=1.0, log=True),
        **_RATES,
    }
    early_fusion: ClassVar[bool] = True

    states: int = Field(default=4, ge=1, description="Hidden states in each layer.")
    gates: int = Field(default=16, ge=1)
    layers: int = Field(default=3, ge=1)
    threshold: float = Field(default=0.1, ge=0)

    def build(self, views: Views, classes: int) -> HSSHCRF:
        """Return the layers."""
        return HSSHCRF(
            views=views,
            states=self.states,
            gates=self.gates,
            layers=self.layers,
            threshold=self.threshold,
            classes=classes,
        )


class MvHsshcrfOptions(EfHsshcrfOptions):
    """Layers of HCRFs over summaries, of a chain a modality; see `HSSHCRF`."""

    label: ClassVar[str] = "MV-HSSHCRF"
    space: ClassVar[Space] = {**EfHsshcrfOptions.space, "states": Range(low=2, high=4)}
    early_fusion: ClassVar[bool] = False

    states: int = Field(default=3, ge=1, description="Of each modality, in each layer.")
