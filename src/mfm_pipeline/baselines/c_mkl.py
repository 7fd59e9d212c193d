"""Convolutional multiple kernel learning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from torch import Tensor, nn

from mfm_pipeline.baselines.base import Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.classical import (
    ONE_BY_ONE,
    Estimator,
    MarginSVC,
    Problem,
    one_a_target,
)
from mfm_pipeline.baselines.kernels import alignment_weights, combined, modality_kernels
from mfm_pipeline.baselines.statistics import check_sequences, known
from mfm_pipeline.baselines.trained import TrainedOptions, train_predictor
from mfm_pipeline.data import Corpus, Split, Targets, Task
from mfm_pipeline.models import Inputs, ModalitySpec
from mfm_pipeline.models.convolution.unimodal import UnimodalConvolutions
from mfm_pipeline.models.per_modality import Probability, Size
from mfm_pipeline.objectives import heads_cost
from mfm_pipeline.training.predictor import BATCH

ALIGNED = 2000
"""Samples that kernel weights are learned from, at most: they are means over pairs."""


class ConvolutionalKernelOptions(TrainedOptions):
    """C-MKL: convolutional multiple kernel learning (Poria et al. 2015, 2016).

    A convolutional network a modality learns the label; the activations of its hidden layer
    are the modality's features. Gaussian kernels of several widths on each are combined by
    weights that are learned (ALIGNF, see `alignment_weights`), and a support vector machine
    predicts from their sum, one a target.
    """

    label: ClassVar[str] = "C-MKL"
    family: ClassVar[Family] = "kernels"
    tasks: ClassVar[frozenset[Task]] = ONE_BY_ONE
    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.001, high=0.02, log=True),
        "channels": Choice(of=(32, 64, 128)),
        "width": Choice(of=(2, 3, 5)),
        "hidden": Choice(of=(64, 128, 256)),
        "dropout": Choice(of=(0.0, 0.2, 0.5, 0.7)),
        "c": Range(low=0.03, high=10.0, log=True),
        "epsilon": Choice(of=(0.05, 0.1, 0.3)),
    }

    channels: Size = Field(64, description="Of the convolutions of each modality.")
    width: Size = Field(3, description="Steps that a filter covers.")
    hidden: Size = Field(128, description="Features of each modality.")
    dropout: Probability = Field(0.5, description="On these features.")
    widths: tuple[float, ...] = Field(
        (0.5, 1.0, 2.0), min_length=1, description="Of kernels, in root mean square distances."
    )
    c: float = Field(0.1, gt=0, description="Inverse of the machine's penalty.")
    epsilon: float = Field(0.1, ge=0, description="Of a regression: errors that cost nothing.")

    def fit(self, corpus: Corpus, session: Session) -> KernelMachine:
        """Train the networks, weigh their kernels, and fit the machine."""
        check_sequences(corpus)
        network = self._networks(corpus, session)
        train = corpus.train.select(known(corpus.train))
        features = Features.of(network, train)
        some = np.arange(len(train))
        if len(some) > ALIGNED:
            some = np.random.default_rng(session.seed).permutation(some)[:ALIGNED]
        part = features.read(train.select(some))
        weights = alignment_weights(
            part.kernels(part, self.widths), as_numbers(train.targets.select(some))
        )
        reader = KernelReader(features, features.read(train), self.widths, weights)
        targets = train.targets
        problem = Problem(targets.task, len(train), len(targets.names), session.seed)
        values = targets.values
        if targets.task == "regression" and values.shape[1] == 1:
            values = values[:, 0]
        machine = self._machine(problem).fit(reader(train), values)
        return KernelMachine(Estimator(machine, targets.task, len(targets.names), reader), reader)

    def _networks(self, corpus: Corpus, session: Session) -> UnimodalConvolutions:
        train = corpus.train

        def build() -> nn.Module:
            return UnimodalConvolutions(
                features={name: one.features for name, one in ModalitySpec.of(train).items()},
                outputs=len(train.targets.names),
                channels=self.channels,
                width=self.width,
                hidden=self.hidden,
                dropout=self.dropout,
            )

        trained = train_predictor(
            corpus,
            build,
            self.changed(session),
            name=self.label,
            cost=partial(unimodal_cost, task=train.targets.task),
        )
        return cast("UnimodalConvolutions", trained.network)

    def _machine(self, problem: Problem) -> Any:
        if problem.task == "multiclass":
            return MarginSVC(C=self.c, kernel="precomputed")
        machine = TransformedTargetRegressor(
            SVR(C=self.c, kernel="precomputed", epsilon=self.epsilon),
            transformer=StandardScaler(),
        )
        return one_a_target(machine, problem)


def unimodal_cost(
    network: nn.Module, inputs: Inputs, targets: Tensor, task: Task
) -> dict[str, Tensor]:
    """Return c_Y of each modality's own prediction, the mean over those that samples have."""
    predictions, present = cast("UnimodalConvolutions", network).heads(inputs)
    rows, modalities = present.nonzero(as_tuple=True)
    heads = predictions[rows, modalities][:, None]
    return {"task": heads_cost(heads, targets[rows], task)}


def as_numbers(targets: Targets) -> NDArray[np.float64]:
    """Return standardised targets, or classes as ones among zeros, ``(n, k)``."""
    if targets.task == "multiclass":
        return np.asarray(np.eye(len(targets.names))[targets.values])
    scaled: NDArray[np.float64] = StandardScaler().fit_transform(targets.values)
    return scaled


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples as the kernels read them.

    Parameters
    ----------
    values : tuple of ndarray, each of shape (n, hidden)
        Standardised features by modality.
    present : tuple of ndarray of bool, each of shape (n,)
    """

    values: tuple[NDArray[np.float64], ...]
    present: tuple[NDArray[np.bool_], ...]

    def kernels(self, others: Rows, widths: tuple[float, ...]) -> Iterable[NDArray[np.float64]]:
        """Yield the kernels between these samples and others, see `modality_kernels`."""
        return modality_kernels(self.values, others.values, (self.present, others.present), widths)


@dataclass(frozen=True, eq=False)
class Features:
    """Trained networks and the scale of their hidden activations in training.

    Parameters
    ----------
    network : UnimodalConvolutions
    center, spread : mapping of str to ndarray, each of shape (hidden,)
    """

    network: UnimodalConvolutions
    center: Mapping[str, NDArray[np.float64]]
    spread: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, network: UnimodalConvolutions, train: Split) -> Features:
        """Measure the scale by the training samples that have a modality."""
        center, spread = {}, {}
        for name, state in _states(network, train).items():
            own = state[train.modalities[name].present]
            if not len(own):
                own = state
            center[name], deviation = own.mean(axis=0), own.std(axis=0)
            spread[name] = np.where(deviation > 0, deviation, 1)
        return cls(network, center, spread)

    def read(self, split: Split) -> Rows:
        """Return the standardised features of every sample."""
        states = _states(self.network, split).items()
        return Rows(
            tuple((state - self.center[name]) / self.spread[name] for name, state in states),
            tuple(split.modalities[name].present for name, _ in states),
        )


def _states(network: UnimodalConvolutions, split: Split) -> dict[str, NDArray[np.float64]]:
    with torch.inference_mode():
        parts = [network.states(batch) for batch in Inputs.from_split(split).batches(BATCH)]
    return {
        name: torch.cat([part[name] for part in parts]).numpy().astype(np.float64)
        for name in network.modalities
    }


@dataclass(frozen=True, eq=False)
class KernelReader:
    """From a split to the combined kernel between its samples and those of training.

    Parameters
    ----------
    features : Features
    train : Rows
    widths : tuple of float
    weights : ndarray, shape (M widths,)
    """

    features: Features
    train: Rows
    widths: tuple[float, ...]
    weights: NDArray[np.float64]

    def __call__(self, split: Split) -> NDArray[np.float64]:
        """Return the kernel, ``(n, training samples)``."""
        rows = self.features.read(split)
        return combined(rows.kernels(self.train, self.widths), self.weights)


@dataclass(frozen=True, eq=False)
class KernelMachine:
    """Support vectors over a learned kernel.

    Parameters
    ----------
    estimator : Estimator
    reader : KernelReader
    """

    estimator: Estimator
    reader: KernelReader

    @property
    def parameters(self) -> int:
        """Weights of networks, kernels and machine, and the features of training samples."""
        networks = sum(one.numel() for one in self.reader.features.network.parameters())
        rows = sum(values.size for values in self.reader.train.values)
        return networks + rows + self.reader.weights.size + self.estimator.parameters

    def predict(self, split: Split) -> NDArray[np.floating[Any]]:
        """Return values in target units, or probabilities of classes."""
        return self.estimator.predict(split)
