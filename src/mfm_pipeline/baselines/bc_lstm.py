"""BC-LSTM: a segment among the others of its video (Poria et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.preprocessing import StandardScaler

from mfm_pipeline.baselines.base import Family, Session, Space
from mfm_pipeline.baselines.deep import LEARNING, SIZES
from mfm_pipeline.baselines.statistics import check_sequences, statistics_of
from mfm_pipeline.baselines.trained import TrainedOptions, train_predictor
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.features.context import PLACE, in_context
from mfm_pipeline.models.contextual import ContextualLSTM
from mfm_pipeline.models.per_modality import Probability, Size
from mfm_pipeline.training import TrainedPredictor


class ContextualOptions(TrainedOptions):
    """BC-LSTM: LSTMs in both directions over the segments of a video, by modality, then fused.

    A segment enters as the statistics of its modalities over steps; as published it is what
    networks of each modality learned apart. Segments of a video are told by the ids of
    samples, ``video[3]``; of videos of one segment there is no context.
    """

    label: ClassVar[str] = "BC-LSTM"
    family: ClassVar[Family] = "deep"
    space: ClassVar[Space] = {**LEARNING, "hidden": SIZES}

    dropout: Probability = Field(0.2, description="Between layers.")
    hidden: Size = Field(64, description="Size of each direction of each LSTM.")
    window: Size = Field(8, description="Segments on each side, at most; it bounds memory.")

    def fit(self, corpus: Corpus, session: Session) -> Contextual:
        """Train on each sample with those around it."""
        check_sequences(corpus)
        scalers = {
            name: StandardScaler().fit(statistics_of(modality)[modality.present])
            for name, modality in corpus.train.modalities.items()
            if modality.present.any()
        }
        splits = {
            name: in_context(split, _features(split, scalers), self.window)
            for name, split in corpus.splits.items()
            if name != "test"
        }
        # A corpus has one; this stands for it.
        splits["test"] = splits["valid"]
        shapes = {name: m.shape[0] for name, m in splits["train"].modalities.items()}
        shapes.pop(PLACE)
        trained = train_predictor(
            replace(corpus, splits=splits, features={}),
            lambda: ContextualLSTM(
                features=shapes,
                place=PLACE,
                hidden=self.hidden,
                outputs=len(corpus.train.targets.names),
                dropout=self.dropout,
            ),
            self.changed(session),
            name=self.label,
        )
        return Contextual(trained, scalers, self.window)


@dataclass(frozen=True, eq=False)
class Contextual:
    """A trained network, and how segments become what it reads.

    Parameters
    ----------
    trained : TrainedPredictor
    scalers : mapping of str to StandardScaler
        Of the statistics of each modality.
    window : int
    """

    trained: TrainedPredictor
    scalers: Mapping[str, Any]
    window: int

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.trained.parameters

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return values, or probabilities of classes or labels, of each sample in its video."""
        return self.trained.predict(in_context(split, _features(split, self.scalers), self.window))


def _features(split: Split, scalers: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    return {
        name: scaler.transform(statistics_of(split.modalities[name])).astype(np.float32)
        for name, scaler in scalers.items()
    }
