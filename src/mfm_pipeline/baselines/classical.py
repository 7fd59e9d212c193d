"""Trivial and classical models, on scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.baselines.base import BaselineOptions, Family, Session
from mfm_pipeline.data import Corpus, Split


class MajorityOptions(BaselineOptions):
    """The median of each target, or how frequent each class or label is in training."""

    label: ClassVar[str] = "Majority"
    family: ClassVar[Family] = "trivial"

    def fit(self, corpus: Corpus, session: Session) -> Typical:
        """Measure the training targets."""
        return Typical(corpus.train.targets.typical)


@dataclass(frozen=True, eq=False)
class Typical:
    """The same prediction of every sample.

    Parameters
    ----------
    values : ndarray, shape (outputs,)
    """

    values: NDArray[np.float64]

    @property
    def parameters(self) -> int:
        """How many numbers were measured."""
        return self.values.size

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return the same row for every sample."""
        return np.tile(self.values, (len(split), 1))
