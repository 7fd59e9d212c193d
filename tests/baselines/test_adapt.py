"""What models that only classify make of scores and labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from mfm_pipeline.baselines import BaselineOptions, Session, fit_adapted
from mfm_pipeline.baselines.adapt import obstacle, only_classifies
from mfm_pipeline.baselines.base import CLASSES, Family
from mfm_pipeline.baselines.classical import LogisticOptions, MajorityOptions, RidgeOptions
from mfm_pipeline.data import Corpus, Split, Targets, Task
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import SentimentOptions
from tests.baselines.corpora import session
from tests.conftest import MakeCorpus

SEVEN = SentimentOptions(levels=(-3, 3))
SIDES = SentimentOptions(neutral=3.5, neutral_is_positive=False)


class ClassifierOptions(BaselineOptions):
    """A classifier that remembers what it was given and predicts the class of each row."""

    label: ClassVar[str] = "Classifier"
    family: ClassVar[Family] = "classical"
    tasks: ClassVar[frozenset[Task]] = CLASSES
    given: ClassVar[list[tuple[Corpus, Session]]] = []

    def fit(self, corpus: Corpus, session: Session) -> Oracle:
        """Remember."""
        self.given.append((corpus, session))
        return Oracle(len(self.given) - 1, len(corpus.train.targets.names))


@dataclass(frozen=True)
class Oracle:
    """Says class ``(i + which) % classes`` of sample i, with probability 0.8."""

    which: int
    classes: int
    parameters: int = 5

    def predict(self, split: Split) -> NDArray[Any]:
        """Return probabilities."""
        shares = np.full((len(split), self.classes), 0.2 / (self.classes - 1))
        rows = np.arange(len(split))
        shares[rows, (rows + self.which) % self.classes] = 0.8
        return shares


@pytest.fixture(autouse=True)
def _forget() -> None:
    ClassifierOptions.given.clear()


def _with_scores(corpus: Corpus, scores: dict[str, list[float]]) -> Corpus:
    def scored(name: str, split: Split) -> Split:
        values = np.resize(np.array(scores[name], np.float32), len(split))[:, None]
        return replace(split, targets=Targets(values, ("sentiment",), "regression"))

    return replace(corpus, splits={k: scored(k, split) for k, split in corpus.splits.items()})


def test_a_score_is_learned_as_the_levels_that_training_has(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    scores = {"train": [-2.6, 0.2, 1.4, 7.0], "valid": [-0.9, 2.6, -1.7], "test": [0.0, -3.0]}
    corpus = _with_scores(make_corpus(), scores)
    fitted = fit_adapted(ClassifierOptions(), corpus, session(tmp_path), SEVEN)
    ((given, _),) = ClassifierOptions.given
    # Training has levels -3, 0, 1 and 3.
    assert given.train.targets.task == "multiclass"
    assert given.train.targets.names == ("-3", "0", "1", "3")
    assert given.train.targets.values[:4].tolist() == [0, 1, 2, 3]
    # -1 is nearest to 0, 3 to itself, and -2 to -3.
    assert given.valid.targets.values[:3].tolist() == [1, 3, 0]
    predicted = fitted.predict(corpus.test)
    assert predicted.shape == (20, 1)
    assert predicted[:5, 0].tolist() == [-3, 0, 1, 3, -3]
    assert fitted.parameters == 5


@pytest.mark.parametrize("neutral_is_positive", [True, False])
def test_a_score_without_levels_is_learned_as_its_sides(
    make_corpus: MakeCorpus, tmp_path: Path, neutral_is_positive: bool
) -> None:
    sentiment = SentimentOptions(neutral=3.5, neutral_is_positive=neutral_is_positive)
    scores = {"train": [1, 3.4, 3.5, 3.6], "valid": [3.5], "test": [2]}
    corpus = _with_scores(make_corpus(), scores)
    fitted = fit_adapted(ClassifierOptions(), corpus, session(tmp_path), sentiment)
    ((given, _),) = ClassifierOptions.given
    neutral = int(neutral_is_positive)
    assert given.train.targets.values[:4].tolist() == [0, 0, neutral, 1]
    assert given.valid.targets.values[0] == neutral
    assert fitted.predict(corpus.test)[:2, 0].tolist() == [2.5, 4.5]


def test_scores_of_one_level_are_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    scores = {"train": [0.8, 1.2], "valid": [2.0], "test": [2.0]}
    with pytest.raises(DataError, match=r"all training scores are of level 1; expected two"):
        fit_adapted(
            ClassifierOptions(), _with_scores(make_corpus(), scores), session(tmp_path), SEVEN
        )


def test_labels_are_learned_one_by_one(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(task="multilabel", targets=3)
    fitted = fit_adapted(ClassifierOptions(), corpus, session(tmp_path))
    for column, (given, own) in enumerate(ClassifierOptions.given):
        assert given.train.targets.names == (f"not target_{column}", f"target_{column}")
        for name, split in given.splits.items():
            expected = corpus.splits[name].targets.values[:, column]
            np.testing.assert_array_equal(split.targets.values, expected)
        assert own.folder == tmp_path / f"label_{column}"
    assert len(ClassifierOptions.given) == 3
    predicted = fitted.predict(corpus.test)
    # The probability of yes: oracle k says class (i + k) % 2.
    np.testing.assert_allclose(predicted[:2], [[0.2, 0.8, 0.2], [0.8, 0.2, 0.8]])
    assert fitted.parameters == 15


def test_what_a_model_can_learn_itself_is_not_changed(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(task="multiclass")
    fit_adapted(ClassifierOptions(), corpus, session(tmp_path))
    assert ClassifierOptions.given[0][0] is corpus


def test_other_regressions_are_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    one, two = make_corpus(), make_corpus(targets=2)
    for corpus, sentiment, why in (
        (one, None, "only classifies; evaluation.sentiment would make classes of the score"),
        (two, SEVEN, "only classifies; there are 2 scores"),
    ):
        assert obstacle(ClassifierOptions, corpus.train.targets, sentiment) == why
        with pytest.raises(DataError, match=f"corpus {corpus.name}: Classifier {why}"):
            fit_adapted(ClassifierOptions(), corpus, session(tmp_path), sentiment)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_what_does_not_classify_learns_neither_classes_nor_labels(
    task: Task, make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(task=task, targets=3)
    assert obstacle(RidgeOptions, corpus.train.targets, None) == "does not classify"
    with pytest.raises(DataError, match="Ridge does not classify"):
        fit_adapted(RidgeOptions(), corpus, session(tmp_path))


def test_what_only_classifies_does_so_with_scores(make_corpus: MakeCorpus) -> None:
    score = make_corpus().train.targets
    assert only_classifies(ClassifierOptions, score)
    assert not only_classifies(MajorityOptions, score)
    assert not only_classifies(ClassifierOptions, make_corpus(task="multiclass").train.targets)


def test_a_classifier_predicts_scores_and_labels_that_are_easy(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(sizes=(100, 20, 60))
    fitted = fit_adapted(LogisticOptions(c=1.0), corpus, session(tmp_path), SEVEN)
    there = corpus.test.has_any_modality
    predicted, true = fitted.predict(corpus.test)[there], corpus.test.targets.values[there]
    assert np.corrcoef(predicted[:, 0], true[:, 0])[0, 1] > 0.8
    labels = make_corpus(task="multilabel", targets=1, sizes=(100, 20, 60))
    yes = fit_adapted(LogisticOptions(), labels, session(tmp_path)).predict(labels.test) > 0.5
    assert (yes == labels.test.targets.values)[labels.test.has_any_modality].mean() > 0.8
