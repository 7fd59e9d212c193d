"""Tables of predictions and reconstruction errors, against a loop over samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfm_pipeline.evaluation import predict_corpus, reconstruction_errors
from mfm_pipeline.evaluation.predict import predictions_of
from mfm_pipeline.models import Blueprint, Inputs, ModelOptions
from tests.conftest import MakeCorpus


@pytest.mark.parametrize("task", ["regression", "multiclass", "multilabel"])
def test_predictions_are_the_model_s_in_any_batch_size(make_corpus: MakeCorpus, task: str) -> None:
    corpus = make_corpus(task=task, targets=2 if task == "multilabel" else 1)
    blueprint = Blueprint.of(corpus.train, ModelOptions())
    model = blueprint.build().eval()
    if task == "regression":
        model.set_target_scale(2.0, 3.0)
    table = predict_corpus(model, corpus, batch_size=7)
    assert list(table["split"].unique()) == ["train", "valid", "test"]
    inputs = Inputs.from_split(corpus.test)
    with torch.inference_mode():
        raw = torch.cat([model(inputs[torch.tensor([i])]).prediction for i in range(len(inputs))])
    known = corpus.test.has_any_modality
    found = predictions_of(table, "test", corpus.test.targets)[known]
    if task == "multiclass":
        np.testing.assert_array_equal(found, raw.argmax(dim=1).numpy()[known])
        sums = table.filter(like="probability/").sum(axis=1)
        np.testing.assert_allclose(sums, 1, rtol=1e-5)
    elif task == "multilabel":
        np.testing.assert_array_equal(found, (raw.numpy() > 0)[known])
    else:
        np.testing.assert_allclose(found, 2 + 3 * raw.numpy()[known], rtol=1e-4, atol=1e-5)
    assert list(table[table["split"] == "test"]["id"]) == list(corpus.test.ids)


def test_reconstruction_errors_by_a_loop(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    model = Blueprint.of(corpus.train, ModelOptions()).build().eval()
    errors = reconstruction_errors(model, corpus, batch_size=6).set_index(["modality", "id"])
    inputs = Inputs.from_split(corpus.test)
    with torch.inference_mode():
        output = model(inputs)
    for name, modality in corpus.test.modalities.items():
        restored = inputs.restore(output.reconstructions[name]).numpy()
        for i, sample in enumerate(corpus.test.ids):
            if not modality.present[i]:
                assert (name, sample) not in errors.index
                continue
            steps = modality.steps[i]  # type: ignore[index]
            difference = restored[i][steps] - modality.values[i][steps]
            row = errors.loc[(name, sample)]
            assert row["mse"] == pytest.approx((difference**2).mean(), rel=1e-4)
            assert row["mse_of_mean"] == pytest.approx(
                (modality.values[i][steps] ** 2).mean(), rel=1e-4
            )
