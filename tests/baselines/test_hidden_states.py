"""Models with hidden states through the interface of the comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mfm_pipeline.baselines import BASELINES, Fitted, Session
from mfm_pipeline.data import Corpus, Modality
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.training import TrainingOptions

LABELS = {
    "thmm": "THMM",
    "ef_hcrf": "EF-HCRF",
    "ef_ldhcrf": "EF-LDHCRF",
    "mv_hcrf": "MV-HCRF",
    "mv_ldhcrf": "MV-LDHCRF",
    "cmv_hcrf": "CMV-HCRF",
    "cmv_ldhcrf": "CMV-LDHCRF",
    "ef_hsshcrf": "EF-HSSHCRF",
    "mv_hsshcrf": "MV-HSSHCRF",
}


@pytest.fixture(params=LABELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fitted(
    name: str, corpus: Corpus, folder: Path, *, seed: int = 0, epochs: int = 2, **options: object
) -> Fitted:
    training = TrainingOptions(seed=seed, epochs=epochs, batch_size=16, schedule="cosine")
    small = {"states": 2} if name == "thmm" else {"states": 2, "learning_rate": 0.03}
    chosen = BASELINES[name].model_validate(small | options)
    return chosen.fit(corpus, Session(training=training, folder=folder / name))


def test_labels_are_the_papers(name: str) -> None:
    method = BASELINES[name]
    assert method.label == LABELS[name]
    assert method.family == "hidden states"
    assert method.tasks == {"multiclass"}
    assert set(method.space) <= set(method.model_fields)


def test_every_value_of_the_space_is_allowed(name: str) -> None:
    method = BASELINES[name]
    for field, values in method.space.items():
        ends = values.of if hasattr(values, "of") else (values.low, values.high)
        for value in ends:
            assert getattr(method.model_validate({field: value}), field) == value


def test_it_learns_what_it_has_not_seen(
    name: str, make_corpus: Callable[..., Corpus], tmp_path: Path
) -> None:
    corpus = make_corpus(task="multiclass", sizes=(96, 32, 64))
    found = fitted(name, corpus, tmp_path, epochs=15)
    probability = found.predict(corpus.test)
    assert probability.shape == (64, 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    truth = corpus.test.targets.values
    right = (probability.argmax(axis=1) == truth).mean()
    assert right > np.bincount(truth).max() / len(truth) + 0.25
    assert found.parameters > 0


def test_it_is_told_apart_by_its_edges(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_corpus(task="multiclass")
    names = [name for name in LABELS if name != "thmm" and "hss" not in name]
    sizes = {name: fitted(name, corpus, tmp_path, epochs=1).parameters for name in names}
    # Features 5, 3 and 4; two states; three classes. Observations and labels come first.
    assert sizes["ef_hcrf"] == 2 * 12 + 3 * 2 + 3 * 4
    assert sizes["mv_hcrf"] == 2 * 12 + 3 * 3 * (2 + 4) + 3 * 3 * 4
    assert sizes["cmv_hcrf"] == sizes["mv_hcrf"] + 3 * 3 * 4
    assert sizes["ef_ldhcrf"] == 6 * 12 + 6 + 6 * 6
    assert sizes["mv_ldhcrf"] == 6 * 12 + 3 * (6 + 36) + 3 * 12
    assert sizes["cmv_ldhcrf"] == 6 * 12 + 3 * (6 + 36) + 6 * 36


def test_same_seed_same_numbers_and_test_is_not_looked_at(
    name: str, make_corpus: Callable[..., Corpus], tmp_path: Path
) -> None:
    corpus = make_corpus(task="multiclass")
    other = replace(corpus.test, targets=corpus.test.targets.select(slice(None, None, -1)))
    changed = replace(corpus, splits={**corpus.splits, "test": other})
    one = fitted(name, corpus, tmp_path).predict(corpus.test)
    assert np.array_equal(one, fitted(name, changed, tmp_path).predict(corpus.test))
    assert not np.array_equal(one, fitted(name, corpus, tmp_path, seed=1).predict(corpus.test))


def test_images_are_refused(name: str, make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_corpus(task="multiclass")
    splits = {}
    for split, part in corpus.splits.items():
        n = len(part)
        image = Modality(np.zeros((n, 1, 4, 4), np.uint8), np.ones(n, dtype=bool))
        splits[split] = replace(part, modalities={**part.modalities, "digit": image})
    with pytest.raises(DataError, match="'digit' holds images; expected sequences"):
        fitted(name, replace(corpus, splits=splits), tmp_path)


@pytest.mark.parametrize("case", ["mv_hcrf", "cmv_ldhcrf", "mv_hsshcrf"])
def test_absurd_numbers_of_joint_states_are_refused(
    case: str, make_corpus: Callable[..., Corpus], tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=r"'states' is 11: .* in each of 3 view.*1,024"):
        fitted(case, make_corpus(task="multiclass"), tmp_path, states=11)


def test_epochs_are_told(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    told: list[float] = []
    session = Session(
        training=TrainingOptions(epochs=3),
        folder=tmp_path,
        after_epoch=lambda costs: told.append(costs["valid/task"]),
    )
    BASELINES["ef_ldhcrf"]().fit(make_corpus(task="multiclass"), session)
    assert len(told) == 3
