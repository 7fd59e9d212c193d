"""One battery over every model of the comparison, as it is registered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mfm_pipeline.baselines import BASELINES, fit_adapted
from mfm_pipeline.baselines.adapt import obstacle
from mfm_pipeline.baselines.classical import MajorityOptions
from mfm_pipeline.data import Corpus, Task
from tests.baselines.corpora import FEATURES, by_video, mapped, other_test, session, small
from tests.conftest import MakeCorpus
from tests.models.samples import padded, unobserved_as

TARGETS: dict[Task, int] = {"regression": 2, "multiclass": 1, "multilabel": 2}
MODALITIES: dict[Task, int] = {"regression": 2, "multiclass": 4, "multilabel": 3}
FAST = ("trivial", "classical")
"""Families whose code differs by task, and takes no time."""

SLOW = {"ef_hsshcrf": 10, "mv_hsshcrf": 10}
"""Epochs of models that begin from gates which are all alike."""


def _cases() -> Iterator[Any]:
    """Yield every model, those that train by gradient with one task each in turn."""
    for place, (name, options) in enumerate(BASELINES.items()):
        tasks = [task for task in MODALITIES if task in options.tasks]
        if options.family not in FAST:
            tasks = [tasks[place % len(tasks)]]
        for task in tasks:
            yield pytest.param(name, task, id=f"{name}-{task}")


def _irregular(make_corpus: MakeCorpus, task: Task) -> Corpus:
    """Return a corpus of absent modalities and missing steps, where NaN stands."""
    features = dict(list(FEATURES.items())[: MODALITIES[task]])
    corpus = make_corpus(
        task=task, sizes=(32, 8, 8), steps=4, features=features, targets=TARGETS[task]
    )
    return mapped(by_video(corpus), partial(unobserved_as, value=np.nan))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "task"), _cases())
def test_fits_and_predicts_what_was_observed_alone(
    name: str, task: Task, make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = _irregular(make_corpus, task)
    options = small(BASELINES[name])
    fitted = options.fit(corpus, session(tmp_path / "first"))
    assert fitted.parameters > 0

    valid = corpus.valid
    predicted = fitted.predict(valid)
    assert predicted.shape == (len(valid), len(corpus.train.targets.names))
    assert np.isfinite(predicted).all()
    if task != "regression":
        assert ((predicted >= 0) & (predicted <= 1)).all()
    if task == "multiclass":
        np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)

    there = valid.has_any_modality
    same = partial(np.testing.assert_allclose, desired=predicted[there], rtol=1e-4, atol=1e-5)
    same(fitted.predict(padded(valid, 3))[there], err_msg="padding was read")
    changed = unobserved_as(valid, 1e6)
    same(fitted.predict(changed)[there], err_msg="what was not observed was read")

    # The same seed gives the same model, whatever was not observed, whatever is in test, and
    # whatever was drawn elsewhere.
    np.random.seed(7)
    torch.manual_seed(7)
    again = mapped(other_test(corpus), partial(unobserved_as, value=1e6))
    second = options.fit(again, session(tmp_path / "second"))
    np.testing.assert_array_equal(second.predict(valid)[there], predicted[there])


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("task", ["regression", "multiclass", "multilabel"])
def test_modalities_have_any_names_in_every_task(
    name: str, task: Task, make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    """What a model is said to learn of a task it does learn, with no modality that is known."""
    corpus = by_video(
        make_corpus(task=task, sizes=(16, 4, 4), steps=3, features={"gaze": 2, "pulse": 1})
    )
    if not obstacle(BASELINES[name], corpus.train.targets, None):
        fitted = fit_adapted(small(BASELINES[name]), corpus, session(tmp_path))
        outputs = len(corpus.train.targets.names)
        assert np.isfinite(fitted.predict(corpus.test)).all()
        assert fitted.predict(corpus.test).shape == (4, outputs)


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "majority"])
def test_learns_what_is_easy(name: str, make_corpus: MakeCorpus, tmp_path: Path) -> None:
    method = BASELINES[name]
    task: Task = "regression" if "regression" in method.tasks else "multiclass"
    corpus = by_video(make_corpus(task=task, sizes=(96, 24, 60), steps=4))
    settings = {"epochs": SLOW.get(name, 3), "batch_size": 8, "learning_rate": 0.015}
    fitted = small(method).fit(corpus, session(tmp_path, **settings))
    there = corpus.test.has_any_modality
    true = corpus.test.targets.values[there]
    predicted = fitted.predict(corpus.test)[there]
    if task == "regression":
        assert np.corrcoef(predicted[:, 0], true[:, 0])[0, 1] > 0.6
        trivial = np.abs(MajorityOptions().fit(corpus, session(tmp_path)).values - true).mean()
        assert np.abs(predicted - true).mean() < 0.85 * trivial
    else:
        commonest = corpus.train.targets.typical.argmax()
        assert (predicted.argmax(axis=1) == true).mean() > (true == commonest).mean() + 0.15
