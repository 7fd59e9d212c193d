"""Select-additive learning: a network that does not rely on who is speaking."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from mfm_pipeline.baselines.base import Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.statistics import check_sequences
from mfm_pipeline.baselines.trained import TrainedOptions, train_predictor
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.datasets.track import video_of
from mfm_pipeline.models import Inputs, ModalitySpec
from mfm_pipeline.models.convolution.select_additive import SelectAdditive
from mfm_pipeline.models.per_modality import Probability, Size
from mfm_pipeline.training import TrainedPredictor


class SelectAdditiveOptions(TrainedOptions):
    """SAL-CNN: select-additive learning (Wang et al. 2017).

    A convolutional network g(X; theta), f(.; phi) is trained on the label. *Selection*: the
    part of g(X; theta) that follows from the speaker alone, the video of a segment's id, is
    found by sparse regression (`confounded`). *Addition*: phi is learned anew with Gaussian
    noise on each element of g, as large as its confounded part, while theta stays.

    The noise has one size an element, for all samples. Where no video has two training
    segments, a speaker cannot be told from a sample: nothing is selected and the first
    network stays.
    """

    label: ClassVar[str] = "SAL-CNN"
    family: ClassVar[Family] = "kernels"
    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.001, high=0.02, log=True),
        "channels": Choice(of=(32, 64, 128)),
        "width": Choice(of=(2, 3, 5)),
        "dropout": Choice(of=(0.0, 0.2, 0.5, 0.7)),
        "noise": Range(low=0.3, high=10.0, log=True),
        "penalty": Choice(of=(1.0, 2.0, 3.0)),
    }

    channels: Size = Field(64, description="Of the convolutions of each modality.")
    width: Size = Field(3, description="Steps that a filter covers.")
    dropout: Probability = Field(0.2, description="Between the two layers to the label.")
    noise: float = Field(1.0, ge=0, description="In sizes of the confounded part.")
    penalty: float = Field(2.0, ge=0, description="Of selection, in standard errors.")

    def fit(self, corpus: Corpus, session: Session) -> TrainedPredictor:
        """Train, select, and train what reads the representation with noise."""
        check_sequences(corpus)
        session = self.changed(session)
        features = {name: one.features for name, one in ModalitySpec.of(corpus.train).items()}

        def build() -> nn.Module:
            return SelectAdditive(
                features=features,
                outputs=len(corpus.train.targets.names),
                channels=self.channels,
                width=self.width,
                dropout=self.dropout,
            )

        first = train_predictor(
            corpus,
            build,
            session.part("label"),
            name=self.label,
        )
        network = cast("SelectAdditive", first.network)
        noise = self.noise * select(network, corpus.train, self.penalty)
        if not noise.any():
            return first

        def noisy() -> nn.Module:
            second = deepcopy(network).train()
            second.relearn(torch.from_numpy(noise))
            return second

        return train_predictor(
            corpus,
            noisy,
            session.part("noise"),
            name=f"{self.label}, with noise",
        )


def select(network: SelectAdditive, train: Split, penalty: float) -> NDArray[np.float32]:
    """Return how much of each element of the representation follows from the video.

    Parameters
    ----------
    network : SelectAdditive
    train : Split
        A sample counts for the elements of those modalities that it has.
    penalty : float
        See `confounded`.

    Returns
    -------
    ndarray of float32, shape (M channels,)
    """
    videos = [video_of(str(name)) for name in train.ids]
    identities = np.unique(videos, return_inverse=True)[1]
    inputs = Inputs.from_split(train)
    with torch.inference_mode():
        states = [encoder(inputs).numpy() for encoder in network.encoders]
    parts = [
        confounded(state[modality.present], identities[modality.present], penalty)
        for state, modality in zip(states, train.modalities.values(), strict=True)
    ]
    return np.concatenate(parts).astype(np.float32)


def confounded(
    states: NDArray[np.floating[Any]], identities: Sequence[int] | NDArray[Any], penalty: float
) -> NDArray[np.float64]:
    """Return the size of the part of each element that an identity predicts.

    Of standardised states h the weights w of the identities z minimise

        sum_i |h_i - w[z_i]|^2 / 2 + penalty sum_k sqrt(n_k) |w_k|_1

    (Wang et al. 2017, with n_k, the samples of identity k, in the penalty, so that it counts
    in standard errors). Since each sample has one identity, w_k is the mean of its samples
    drawn towards zero by ``penalty / sqrt(n_k)``. An identity of one sample has none.

    Parameters
    ----------
    states : ndarray, shape (n, h)
    identities : sequence of int, length n
    penalty : float

    Returns
    -------
    ndarray, shape (h,)
        Root mean square over the samples, in the units of the states.
    """
    if not len(states):
        return np.zeros(states.shape[1])
    spread = states.std(axis=0, dtype=np.float64)
    center = states.mean(axis=0, dtype=np.float64)
    standard = (states - center) / np.where(spread > 0, spread, 1)
    _, group, counts = np.unique(identities, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), states.shape[1]))
    np.add.at(means, group, standard)
    means /= counts[:, None]
    weights = np.maximum(np.abs(means) - penalty / np.sqrt(counts)[:, None], 0)
    weights[counts < 2] = 0
    squares = (counts[:, None] * weights**2).sum(axis=0) / counts.sum()
    return np.asarray(np.sqrt(squares) * spread)
