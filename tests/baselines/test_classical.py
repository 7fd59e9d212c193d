"""Classical models against scikit-learn and NumPy on the same rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, SVR

from mfm_pipeline.baselines import BASELINES
from mfm_pipeline.baselines.classical import (
    BoostingOptions,
    ForestOptions,
    LogisticOptions,
    MajorityOptions,
    RidgeOptions,
    SvmOptions,
)
from mfm_pipeline.baselines.statistics import early_fused, usable
from mfm_pipeline.data import Corpus, Split, Targets
from mfm_pipeline.errors import DataError
from tests.baselines.corpora import mapped, session, small
from tests.conftest import MakeCorpus
from tests.models.image_samples import mixed_corpus
from tests.models.samples import ragged_split


def _rows(corpus: Corpus) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return standardised rows of train and test, and the targets of train."""
    train = corpus.train.select(corpus.train.has_any_modality)
    rows = early_fused(train)
    spread = rows.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    center = rows.mean(axis=0)
    return (
        (rows - center) / scale,
        (early_fused(corpus.test) - center) / scale,
        train.targets.values,
    )


def test_statistics_are_those_of_observed_steps() -> None:
    split = ragged_split({"a": 3, "b": 2}, n=12)
    rows = early_fused(split)
    at = 0
    for modality in split.modalities.values():
        d = modality.values.shape[2]
        for i in range(12):
            row = rows[i, at : at + 2 * d + 2]
            if not modality.present[i]:
                assert (row == 0).all()
                continue
            frames = modality.values[i][modality.steps[i]]
            mean = frames.mean(axis=0) if len(frames) else np.zeros(d)
            spread = frames.std(axis=0) if len(frames) else np.zeros(d)
            expected = np.concatenate([mean, spread, [np.log1p(len(frames)), 1]])
            np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-6)
        at += 2 * d + 2
    assert at == rows.shape[1]


def test_ridge_solves_the_normal_equations(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(targets=3)
    rows, unseen, values = _rows(corpus)
    fitted = RidgeOptions(alpha=7.0).fit(corpus, session(tmp_path))
    middle = values.mean(axis=0, dtype=np.float64)
    weights = np.linalg.solve(rows.T @ rows + 7 * np.eye(rows.shape[1]), rows.T @ (values - middle))
    np.testing.assert_allclose(fitted.predict(corpus.test), unseen @ weights + middle, rtol=1e-5)
    assert fitted.parameters == weights.size + 3


def test_logistic_regression_is_that_of_scikit_learn(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(task="multiclass")
    rows, unseen, values = _rows(corpus)
    fitted = LogisticOptions(c=0.1).fit(corpus, session(tmp_path))
    expected = LogisticRegression(C=0.1, max_iter=5000).fit(rows, values)
    np.testing.assert_allclose(fitted.predict(corpus.test), expected.predict_proba(unseen))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("c", [1e-4, 1.0, 1e3])
def test_logistic_regression_converges(make_corpus: MakeCorpus, tmp_path: Path, c: float) -> None:
    LogisticOptions(c=c).fit(make_corpus(task="multiclass"), session(tmp_path))


def test_support_vectors_regress_standardised_targets(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(targets=2)
    rows, unseen, values = _rows(corpus)
    fitted = SvmOptions(c=2.0, width=1.5, epsilon=0.05).fit(corpus, session(tmp_path))
    predicted = fitted.predict(corpus.test)
    for k in range(2):
        center, spread = values[:, k].mean(), values[:, k].std()
        machine = SVR(C=2.0, gamma=1 / (2 * rows.shape[1] * 1.5**2), epsilon=0.05)
        machine.fit(rows, (values[:, k] - center) / spread)
        expected = machine.predict(unseen) * spread + center
        np.testing.assert_allclose(predicted[:, k], expected, rtol=1e-3, atol=1e-3)


def test_support_vectors_choose_the_class_of_the_largest_margin(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(task="multiclass")
    rows, unseen, values = _rows(corpus)
    fitted = SvmOptions(c=0.5).fit(corpus, session(tmp_path))
    machine = SVC(C=0.5, gamma=1 / (2 * rows.shape[1])).fit(rows, values)
    likeliest = fitted.predict(corpus.test).argmax(axis=1)
    np.testing.assert_array_equal(likeliest, machine.decision_function(unseen).argmax(axis=1))


def test_support_vectors_of_two_classes_have_one_margin(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = _of_two_classes(make_corpus)
    rows, unseen, values = _rows(corpus)
    fitted = SvmOptions().fit(corpus, session(tmp_path))
    machine = SVC(C=0.3, gamma=1 / (2 * rows.shape[1])).fit(rows, values)
    predicted = fitted.predict(corpus.test)
    np.testing.assert_array_equal(predicted.argmax(axis=1), machine.predict(unseen))
    np.testing.assert_allclose(predicted.sum(axis=1), 1)


def test_the_forest_is_one_of_all_targets(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(targets=2)
    train = corpus.train.select(corpus.train.has_any_modality)
    fitted = ForestOptions(trees=9, leaf=2, features=0.5).fit(corpus, session(tmp_path, seed=4))
    forest = RandomForestRegressor(9, min_samples_leaf=2, max_features=0.5, random_state=4)
    forest.fit(early_fused(train), train.targets.values)
    np.testing.assert_allclose(
        fitted.predict(corpus.test), forest.predict(early_fused(corpus.test))
    )
    assert fitted.parameters == sum(tree.tree_.node_count for tree in forest.estimators_)


@pytest.mark.parametrize("method", [LogisticOptions, ForestOptions, SvmOptions, BoostingOptions])
def test_a_class_that_training_lacks_has_no_probability(
    method: type, make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(task="multiclass")
    names = ("none", *corpus.train.targets.names, "rare")

    def with_others(split: Split) -> Split:
        return replace(split, targets=Targets(split.targets.values + 1, names, "multiclass"))

    predicted = (
        small(method).fit(mapped(corpus, with_others), session(tmp_path)).predict(corpus.test)
    )
    assert (predicted[:, [0, 4]] == 0).all()
    expected = small(method).fit(corpus, session(tmp_path)).predict(corpus.test)
    np.testing.assert_array_equal(predicted[:, 1:4], expected)


def test_majority_is_the_median_or_frequency(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    regression = make_corpus(targets=2)
    fitted = MajorityOptions().fit(regression, session(tmp_path))
    expected = np.median(regression.train.targets.values, axis=0)
    np.testing.assert_allclose(fitted.predict(regression.test), np.tile(expected, (20, 1)))
    classes = make_corpus(task="multiclass")
    shares = np.bincount(classes.train.targets.values, minlength=3) / 48
    predicted = MajorityOptions().fit(classes, session(tmp_path)).predict(classes.valid)
    np.testing.assert_allclose(predicted, np.tile(shares, (16, 1)))


@pytest.mark.parametrize("name", ["ridge", "rf", "svm", "svm_md", "gbt"])
def test_images_are_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"modality '.*' holds images; expected sequences"):
        BASELINES[name]().fit(mixed_corpus(), session(tmp_path))


def test_samples_without_anything_are_not_learned_from(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus()
    train = corpus.train
    kept = usable(corpus).train
    assert len(kept) == train.has_any_modality.sum()
    for modality in train.modalities.values():
        modality.present[:3] = False
        modality.steps[:3] = False
    assert len(usable(corpus).train) == train.has_any_modality.sum() == len(kept) - 3
    before = RidgeOptions().fit(corpus, session(tmp_path)).predict(corpus.test)
    train.targets.values[:3] = 1e6
    after = RidgeOptions().fit(corpus, session(tmp_path)).predict(corpus.test)
    np.testing.assert_array_equal(before, after)


def test_a_constant_target_is_named(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(targets=2)
    corpus.train.targets.values[:, 1] = 3
    with pytest.raises(DataError, match="target 'target_1' is constant in the training split"):
        RidgeOptions().fit(corpus, session(tmp_path))


def _of_two_classes(make_corpus: MakeCorpus) -> Corpus:
    return mapped(
        make_corpus(task="multiclass"),
        lambda split: replace(
            split,
            targets=Targets((split.targets.values > 0).astype(np.int64), ("a", "b"), "multiclass"),
        ),
    )
