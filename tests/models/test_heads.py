"""Heads side by side, each on its share; statistics standardised by train."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.grouped import GroupedLinear, SubspaceLinear
from mfm_pipeline.models.statistics import LIMIT, Statistics
from mfm_pipeline.objectives import Objective
from tests.conftest import MakeCorpus

EIGHT = {"heads": 4, "share": 0.5, "latent": 16, "factor": 8}


def test_a_grouped_layer_is_a_block_diagonal_one() -> None:
    layer = GroupedLinear(6, 9, groups=3).double()
    values = torch.randn(5, 6, dtype=torch.float64)
    blocks = torch.block_diag(*layer.weight)
    torch.testing.assert_close(layer(values), values @ blocks + layer.bias.flatten())


def test_a_head_sees_its_share_and_nothing_else() -> None:
    torch.manual_seed(0)
    layer = SubspaceLinear(40, 6, groups=3, share=0.5)
    seen = layer.mask.bool()
    assert 0.3 < seen.float().mean() < 0.7
    for group in seen.reshape(3, 2, 40):
        assert torch.equal(group[0], group[1])
    jacobian = torch.func.jacrev(layer)(torch.randn(1, 40))[0, :, 0]
    torch.testing.assert_close(jacobian != 0, seen)


def test_each_head_costs_by_itself(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(targets=3)
    options = ModelOptions(fusion="statistics", discriminative=EIGHT, reconstruction=0.0)
    model = Blueprint.of(corpus.train, options).build().eval()
    inputs = Inputs.from_split(corpus.train)
    output = model(inputs)
    assert output.heads.shape == (len(inputs), 4, 3)
    torch.testing.assert_close(output.prediction, output.heads.mean(dim=1))
    targets = torch.from_numpy(corpus.train.targets.values)
    costs = Objective.build(options, corpus.train.modalities, "regression")(output, inputs, targets)
    literal = np.mean(
        [np.abs(output.heads[:, h].detach().numpy() - targets.numpy()).mean() for h in range(4)]
    )
    assert costs.task.item() == pytest.approx(literal, rel=1e-5)


def test_each_head_of_a_classifier_costs_by_itself(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(task="multiclass")
    options = ModelOptions(fusion="statistics", discriminative=EIGHT)
    model = Blueprint.of(corpus.train, options).build().eval()
    inputs = Inputs.from_split(corpus.train)
    output = model(inputs)
    classes = torch.from_numpy(corpus.train.targets.values)
    costs = Objective.build(options, corpus.train.modalities, "multiclass")(output, inputs, classes)
    shares = output.heads.softmax(dim=-1).detach().numpy()
    literal = [-np.log(shares[n, h, int(classes[n])]) for n in range(len(inputs)) for h in range(4)]
    assert costs.task.item() == pytest.approx(np.mean(literal), rel=1e-5)


def test_a_prediction_does_not_depend_on_the_batch(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    model = Blueprint.of(corpus.train, ModelOptions(discriminative=EIGHT)).build().eval()
    inputs = Inputs.from_split(corpus.test)
    alone = torch.cat([model.predict(inputs[torch.tensor([i])]) for i in range(len(inputs))])
    torch.testing.assert_close(alone, model.predict(inputs))


def test_sizes_that_heads_do_not_divide_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"latent is 10.*multiple of heads, 4"):
        ModelOptions(discriminative={"heads": 4, "latent": 10, "factor": 8})


def test_statistics_are_standardised_by_present_training_samples(make_corpus: MakeCorpus) -> None:
    split = make_corpus().train
    inputs = Inputs.from_split(split)
    encoder = Statistics(modality="acoustic", features=3)
    raw = encoder(inputs).numpy()
    encoder.fit(inputs)
    found = encoder(inputs).numpy()
    present = split.modalities["acoustic"].present
    assert (found[~present] == 0).all()
    observed = raw[present, :-1]
    expected = (observed - observed.mean(axis=0)) / observed.std(axis=0)
    np.testing.assert_allclose(
        found[present, :-1], expected.clip(-LIMIT, LIMIT), rtol=1e-3, atol=1e-4
    )
    assert (found[present, -1] == 1).all()


def test_a_decoder_may_be_smaller_than_its_factors(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    large = ModelOptions(discriminative=EIGHT)
    small = ModelOptions(discriminative=EIGHT, generative={"decoder": {"default": 5}})

    def recurrent(options: ModelOptions) -> int:
        model = Blueprint.of(corpus.train, options).build()
        return sum(p.numel() for p in model.decoders["visual"].recurrence.parameters())

    # Four gates, from the input and from the state, and two biases.
    assert recurrent(large) == 4 * 24 * (24 + 24 + 2)
    assert recurrent(small) == 4 * 5 * (5 + 5 + 2)
