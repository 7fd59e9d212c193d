"""The one interface of every model of the comparison: fit and predict on the data contract."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mfm_pipeline.data import Corpus, Split, Task
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.options import Options
from mfm_pipeline.training import TrainingOptions

Family = Literal["trivial", "classical", "kernels", "hidden states", "deep", "factorized"]

ALL_TASKS: frozenset[Task] = frozenset({"regression", "multiclass", "multilabel"})
CLASSES: frozenset[Task] = frozenset({"multiclass"})


class Range(Options):
    """Numbers that a search draws from; integers if both ends are.

    Parameters
    ----------
    low, high : int or float
        Both included.
    log : bool
        Draw evenly in the logarithm.
    """

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _rises(self) -> Range:
        if self.high < self.low:
            raise ValueError(f"high is {self.high}; expected at least low, {self.low}")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}; expected above 0 with log")
        return self


class Choice(Options):
    """Values that a search chooses from.

    Parameters
    ----------
    of : tuple
        Of numbers, words, true, false or null.
    """

    of: tuple[bool | int | float | str | None, ...] = Field(min_length=1)


Distribution = Range | Choice
Space = Mapping[str, Distribution]
"""What is searched, by the name of a field of a model's options."""


@dataclass(frozen=True)
class Session:
    """What a model is given to fit by, beside the data.

    Parameters
    ----------
    training : TrainingOptions
        Seed, epochs, schedule and engine. Of what is not trained by gradient the seed counts.
    folder : Path
        For the states of this fit alone.
    model : ModelOptions
        Of MFM; other models take from it what they share with it, if anything.
    after_epoch : callable, optional
        Told the costs of every epoch (``valid/task`` among them), or nothing where that is
        one of several trainings; what it raises stops the fit.
    """

    training: TrainingOptions
    folder: Path
    model: ModelOptions = field(default_factory=ModelOptions)
    after_epoch: Callable[[Mapping[str, float]], None] | None = None

    @property
    def seed(self) -> int:
        """Of whatever is drawn."""
        return self.training.seed

    def part(self, name: str) -> Session:
        """Return the session of one of several trainings, by whose costs no fit is stopped."""
        tell = self.after_epoch
        return replace(
            self,
            folder=self.folder / name,
            after_epoch=None if tell is None else lambda _: tell({}),
        )


class Fitted(Protocol):
    """A model that can predict."""

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return predictions, ``(n, outputs)``.

        In the units of the targets, or the probability of each class, or of each label;
        of a sample that has nothing, anything.
        """


class BaselineOptions(Options):
    """Options of one model of the comparison, and how to fit it.

    Fields have defaults: the published setting, or the usual one. `fit` sees the training
    split, chooses epochs on valid, and never looks at test.
    """

    label: ClassVar[str]
    """As the paper writes it."""
    family: ClassVar[Family]
    tasks: ClassVar[frozenset[Task]] = ALL_TASKS
    """What it can learn itself. What only classifies is given a sentiment score as its
    levels, and several labels one by one; see `adapt`."""
    space: ClassVar[Space] = {}
    """What is searched by default."""

    @abstractmethod
    def fit(self, corpus: Corpus, session: Session) -> Fitted:
        """Fit to the training split.

        Parameters
        ----------
        corpus : Corpus
            Of a task among `tasks`.
        session : Session
        """
        raise NotImplementedError
