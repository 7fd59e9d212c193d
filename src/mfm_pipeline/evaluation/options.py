"""Parameters of evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mfm_pipeline.options import Options


class SentimentOptions(Options):
    """How a regressed sentiment is read as classes.

    Parameters
    ----------
    levels : (int, int), optional
        Lowest and highest level that predictions are rounded and clipped to,
        for the multi-class accuracy; none reported without.
    neutral : float
        The score that is neither positive nor negative.
    neutral_is_positive : bool
        Whether the paper's two classes are "below neutral" and "neutral and
        above" (CMU-MOSI), or "neutral and below" and "above" (ICT-MMMO).
    """

    levels: tuple[int, int] | None = None
    neutral: float = Field(0.0, allow_inf_nan=False)
    neutral_is_positive: bool = True

    @model_validator(mode="after")
    def _levels_rise(self) -> SentimentOptions:
        if self.levels and self.levels[0] >= self.levels[1]:
            raise ValueError(f"levels {self.levels} do not rise; expected lowest, highest")
        return self

    def positive(self, scores: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which scores are on the positive side of the two."""
        side = np.greater_equal if self.neutral_is_positive else np.greater
        return np.asarray(side(scores, self.neutral))


class EvaluationOptions(Options):
    """Parameters of evaluation.

    Parameters
    ----------
    sentiment : SentimentOptions, optional
        Adds the accuracies and F1 of sentiment to a regression on one target, and to no other.
    batch_size : int
        Samples evaluated at once.
    """

    sentiment: SentimentOptions | None = None
    batch_size: int = Field(256, ge=1)
