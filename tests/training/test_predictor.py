"""Any network, trained by the loop of MFM."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch import Tensor, nn

from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.errors import DataError
from mfm_pipeline.models import Inputs
from mfm_pipeline.training import TrainingOptions
from mfm_pipeline.training.predictor import TrainedPredictor, fit_predictor
from tests.conftest import MakeCorpus

Costs = list[dict[str, float]]


class Sums(nn.Module):
    """A linear layer on the sums over steps."""

    def __init__(self, corpus: Corpus) -> None:
        super().__init__()
        sizes = [modality.shape[0] for modality in corpus.train.modalities.values()]
        self.linear = nn.Linear(sum(sizes), len(corpus.train.targets.names))
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs: Inputs) -> Tensor:
        rows = torch.cat([values.sum(dim=1) for values in inputs.values.values()], dim=1)
        return self.linear(self.dropout(rows))


def _rows(split: Split) -> np.ndarray:
    return np.concatenate(
        [
            np.where(one.steps[..., None], one.values, 0).sum(axis=1)
            for one in split.modalities.values()
        ],
        axis=1,
    )


def _raw(trained: TrainedPredictor, split: Split) -> np.ndarray:
    linear = trained.network.linear
    return _rows(split) @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()


def _fit(
    corpus: Corpus,
    folder: Path,
    after_epoch: Callable[..., None] | None = None,
    cost: Callable[..., dict[str, Tensor]] | None = None,
    **options: object,
) -> TrainedPredictor:
    settings = {"epochs": 3, "batch_size": 16, "learning_rate": 0.05} | options
    return fit_predictor(
        corpus,
        partial(Sums, corpus),
        TrainingOptions(**settings),
        folder,
        name="sums",
        cost=cost,
        after_epoch=after_epoch,
        progress=False,
    )


@pytest.mark.parametrize("standardise", [True, False])
def test_values_are_in_target_units(
    make_corpus: MakeCorpus, tmp_path: Path, standardise: bool
) -> None:
    corpus = make_corpus(targets=2)
    trained = _fit(corpus, tmp_path, standardise_targets=standardise)
    assert not trained.network.training
    expected = _raw(trained, corpus.valid)
    if standardise:
        values = corpus.train.targets.values
        expected = np.median(values, axis=0) + values.std(axis=0) * expected
    found = trained.predict(corpus.valid)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert trained.parameters == trained.network.linear.weight.numel() + 2


def test_classes_and_labels_are_probabilities(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    classes = make_corpus(task="multiclass")
    trained = _fit(classes, tmp_path / "classes")
    np.testing.assert_allclose(
        trained.predict(classes.valid), softmax(_raw(trained, classes.valid), axis=1), rtol=1e-4
    )
    labels = make_corpus(task="multilabel", targets=2)
    trained = _fit(labels, tmp_path / "labels")
    np.testing.assert_allclose(
        trained.predict(labels.valid), expit(_raw(trained, labels.valid)), rtol=1e-4
    )


def test_weights_kept_are_those_of_the_best_validation_epoch(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus()
    told: Costs = []
    trained = _fit(corpus, tmp_path, lambda costs: told.append(dict(costs)), epochs=8)
    assert len(told) == 8
    usable = corpus.valid.has_any_modality
    errors = np.abs(trained.predict(corpus.valid) - corpus.valid.targets.values)[usable]
    costs = [one["valid/task"] for one in told]
    assert errors.mean() / corpus.train.targets.values.std() == pytest.approx(min(costs), rel=1e-5)
    assert min(costs) < 0.8 * costs[0]
    assert told[0]["valid/loss"] == told[0]["valid/task"]


def test_a_cost_of_ones_own_is_minimised(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()

    def cost(network: nn.Module, inputs: Inputs, targets: Tensor) -> dict[str, Tensor]:
        weights = network.linear.weight.square().sum()
        return {"task": (network(inputs) - targets).square().mean(), "size": 100 * weights}

    told: Costs = []
    trained = _fit(corpus, tmp_path, lambda costs: told.append(dict(costs)), cost, epochs=12)
    last = told[-1]
    assert last["valid/loss"] == pytest.approx(last["valid/task"] + last["valid/size"], rel=1e-5)
    assert {"train/loss", "train/task", "train/size"} <= set(last)
    assert last["valid/size"] < 0.1 * told[0]["valid/size"]
    assert trained.network.linear.weight.abs().max() < 0.1


def test_same_seed_same_weights_whatever_was_drawn_before(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus()

    def weights(seed: int, drawn: int) -> Tensor:
        torch.manual_seed(drawn)
        return _fit(corpus, tmp_path, seed=seed).network.linear.weight

    first = weights(0, 1)
    assert torch.equal(first, weights(0, 2))
    assert not torch.equal(first, weights(1, 1))


def test_what_after_epoch_raises_stops_training(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    told: Costs = []

    def stop(costs: dict[str, float]) -> None:
        told.append(costs)
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        _fit(make_corpus(), tmp_path, stop)
    assert len(told) == 1


def test_nothing_to_learn_is_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()
    corpus.train.targets.values[:] = 2.0
    with pytest.raises(DataError, match=r"target 'target_0' is constant.*expected at least two"):
        _fit(corpus, tmp_path)
