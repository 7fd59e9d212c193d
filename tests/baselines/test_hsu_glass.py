"""Costs of the factorised model of Hsu and Glass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mfm_pipeline.baselines.hsu_glass import HsuGlassOptions, label_difference
from mfm_pipeline.data import Task
from mfm_pipeline.models import Inputs, ModalitySpec
from mfm_pipeline.models.hsu_glass import PartitionedAutoencoder
from mfm_pipeline.training import TrainedPredictor
from tests.baselines.corpora import session
from tests.conftest import MakeCorpus
from tests.models.samples import ragged_split

SIZES = {"hidden": 5, "shared": 3, "own": 2}


@pytest.mark.parametrize(
    ("task", "targets", "first_pair"),
    [
        ("multiclass", torch.tensor([0, 2, 0]), 1.0),
        ("multilabel", torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]), 0.5),
        ("regression", torch.tensor([[0.0, 0.1], [0.4, -0.1], [0.0, 0.1]]), 0.3),
    ],
)
def test_difference_of_labels(task: Task, targets: torch.Tensor, first_pair: float) -> None:
    difference = label_difference(targets, task)
    expected = first_pair * torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    torch.testing.assert_close(difference, expected)


def test_far_values_differ_by_no_more_than_one() -> None:
    assert label_difference(torch.tensor([[0.0], [7.0]]), "regression").max() == 1


def test_weights_scale_their_own_costs() -> None:
    split = ragged_split({"a": 3, "b": 2})
    network = PartitionedAutoencoder(modalities=ModalitySpec.of(split), outputs=1, **SIZES).eval()
    inputs, targets = Inputs.from_split(split), torch.from_numpy(split.targets.values)

    def costs(**weights: float) -> dict[str, float]:
        options = HsuGlassOptions(**SIZES, **weights)
        found = options.costs(network, inputs, targets, "regression")
        return {name: cost.item() for name, cost in found.items()}

    one = costs(reconstruction=1.0, prior_weight=1.0, coherence=1.0, hinge=1.0)
    assert set(one) == {
        "task", "reconstruction/a", "reconstruction/b", "prior", "coherence", "hinge",
    }  # fmt: skip
    assert all(cost > 0 for cost in one.values())
    other = costs(reconstruction=0.5, prior_weight=2.0, coherence=3.0, hinge=0.25)
    factors = {"task": 1, "prior": 2, "coherence": 3, "hinge": 0.25}
    for name, cost in one.items():
        assert other[name] == pytest.approx(factors.get(name, 0.5) * cost)


def test_coherence_draws_the_two_inference_networks_together(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(features={"a": 3, "b": 2}, steps=3)

    def apart(coherence: float) -> float:
        options = HsuGlassOptions(**SIZES, coherence=coherence)
        fitted = options.fit(corpus, session(tmp_path, epochs=4))
        network = fitted.network
        output = network.infer(Inputs.from_split(corpus.valid))
        there = corpus.valid.modalities["a"].present
        change = (output.shared.mean - output.shared_of["a"].mean)[torch.from_numpy(there)]
        return float(np.square(change.detach().numpy()).mean())

    assert apart(1.0) < 0.3 * apart(0.0)


def test_learning_rate_is_its_own_where_it_is_set(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(features={"a": 2, "b": 1}, steps=3)

    def fit(**own: float) -> TrainedPredictor:
        return HsuGlassOptions(**SIZES, **own).fit(corpus, session(tmp_path))

    common = fit().predict(corpus.valid)
    np.testing.assert_array_equal(fit(learning_rate=0.02).predict(corpus.valid), common)
    assert not np.array_equal(fit(learning_rate=0.001).predict(corpus.valid), common)
