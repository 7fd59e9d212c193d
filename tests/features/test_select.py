import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import f_oneway, pearsonr
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from mfm_pipeline.data import Corpus, Modality, Split, Targets, Task
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.features.select import Rule, Selection, fit_selection, select_corpus

WIDTH = 7
CONSTANT = 2


def _split(n: int, task: Task, k: int) -> Split:
    """Return samples whose columns say more or less of the targets; column 2 is constant."""
    rng = np.random.default_rng(n)
    y = rng.normal(size=(n, k))
    steps = (rng.random((n, 4)) > 0.3) & (rng.random(n) > 0.2)[:, None]
    weights = rng.permutation(WIDTH)[:, None] * rng.random((WIDTH, k))
    values = rng.normal(size=(n, 4, WIDTH)) * 3 + (y @ weights.T)[:, None]
    values = (values * 10.0 ** np.arange(-3, WIDTH - 3)).astype(np.float32)
    values[..., CONSTANT] = 0.1
    values[~steps] = np.nan  # Never to be read.
    acoustic = Modality(values, steps.any(axis=1), steps)
    other = np.ones((n, 4), bool)
    visual = Modality(rng.normal(size=(n, 4, 2)).astype(np.float32), np.ones(n, bool), other)
    image = Modality(np.zeros((n, 1, 2, 2), np.uint8), np.ones(n, bool))
    labels: Any = {
        "regression": y.astype(np.float32),
        "multilabel": (y > 0.3).astype(np.float32),
        "multiclass": np.digitize(y[:, 0], (-0.5, 0.5)).astype(np.int64),
    }
    names = ("a", "b", "c")[: 3 if task == "multiclass" else k]
    return Split(
        {"acoustic": acoustic, "visual": visual, "image": image},
        Targets(labels[task], names, task),
        np.arange(n).astype(str),
    )


def _corpus(task: Task = "regression", k: int = 1, **more: Any) -> Corpus:
    sizes = {"train": 90, "valid": 8, "test": 9}
    features = {"acoustic": tuple("ABCDEFG")}
    splits = {name: _split(n, task, k) for name, n in sizes.items()}
    return Corpus("x", splits, features=features, **more)


def _by_hand(split: Split, rule: Rule) -> Any:
    """Return a score a target and column, from what SciPy or scikit-learn says of each."""
    modality, targets = split.modalities["acoustic"], split.targets
    assert modality.steps is not None
    rows = [i for i in range(len(split)) if modality.steps[i].any()]
    means = np.array([modality.values[i][modality.steps[i]].astype(float).mean(0) for i in rows])
    table = []
    for label in targets.values.reshape(len(split), -1)[rows].T:
        if rule == "mutual_information":
            regression = targets.task == "regression"
            measure = mutual_info_regression if regression else mutual_info_classif
            varying = np.delete(np.arange(WIDTH), CONSTANT)
            scores = np.zeros(WIDTH)
            standard = (means - means.mean(0))[:, varying] / means.std(0)[varying]
            scores[varying] = measure(standard, label, random_state=0)
            table.append(scores)
        elif targets.task == "regression":
            # F grows with the square of the correlation.
            table.append([pearsonr(column, label).statistic ** 2 for column in means.T])
        else:
            classes = np.unique(label)
            table.append(
                [f_oneway(*(column[label == c] for c in classes)).statistic for column in means.T]
            )
    result = np.array(table, dtype=float)
    result[:, CONSTANT] = 0
    return result


CASES: Any = [
    ("regression", 1),
    ("regression", 3),
    ("multilabel", 3),
    ("multiclass", 1),
]


@pytest.mark.filterwarnings("ignore:.*constant:RuntimeWarning")
@pytest.mark.parametrize("rule", ["f_test", "mutual_information"])
@pytest.mark.parametrize(("task", "k"), CASES)
@pytest.mark.parametrize("count", [1, 3])
def test_the_best_columns_are_kept(task: Task, k: int, rule: Rule, count: int) -> None:
    corpus = _corpus(task, k)
    table = _by_hand(corpus.train, rule)
    # The rank of a column: how many columns it beats, and half of those it ties with.
    ranks = [
        [sum(b < a for b in row) + (1 + sum(b == a for b in row)) / 2 for a in row] for row in table
    ]
    mean = np.mean(ranks, axis=0)
    expected = sorted(sorted(range(WIDTH), key=lambda column: (-mean[column], column))[:count])
    found = fit_selection(corpus, False, {"acoustic": count}, rule).modalities["acoustic"]
    assert found.kept == expected
    assert found.names == ["ABCDEFG"[column] for column in expected]
    np.testing.assert_allclose(found.scores, mean[expected] / WIDTH)
    assert (found.rule, found.features, found.dropped_constant) == (rule, WIDTH, [])


def test_constant_columns_are_dropped_and_others_kept() -> None:
    found = fit_selection(_corpus()).modalities
    assert list(found) == ["acoustic", "visual"]
    assert found["acoustic"].kept == [0, 1, 3, 4, 5, 6]
    assert found["acoustic"].dropped_constant == [2]
    assert (found["acoustic"].rule, found["acoustic"].scores) == (None, None)
    assert (found["visual"].kept, found["visual"].names) == ([0, 1], ["0", "1"])
    everything = fit_selection(_corpus(), drop_constant=False).modalities["acoustic"]
    assert everything.kept == list(range(WIDTH)) and everything.dropped_constant == []


def test_what_float32_rounds_is_constant_and_one_other_value_is_not() -> None:
    corpus = _corpus()
    modality = corpus.train.modalities["acoustic"]
    jitter = np.random.default_rng(0).integers(-1, 2, modality.values.shape[:2])
    modality.values[..., 0] = np.float32(1000) + jitter * np.spacing(np.float32(1000))
    modality.values[..., CONSTANT][np.argwhere(modality.steps)[7][0]] = 0.2
    assert fit_selection(corpus).modalities["acoustic"].dropped_constant == [0]


@pytest.mark.parametrize("count", [None, WIDTH - 1, 50])
def test_more_than_there_are_keeps_all(count: int | None) -> None:
    found = fit_selection(_corpus(), True, {"acoustic": count}).modalities["acoustic"]
    assert found.kept == [0, 1, 3, 4, 5, 6] and found.rule is None


def test_of_equal_columns_the_first_are_taken() -> None:
    corpus = _corpus()
    splits = {}
    for name, split in corpus.splits.items():
        first = split.modalities["acoustic"]
        wide = replace(first, values=np.repeat(first.values[..., :1], 101, axis=-1))
        splits[name] = replace(split, modalities={**split.modalities, "acoustic": wide})
    corpus = replace(corpus, splits=splits, features={})
    assert fit_selection(corpus, keep={"acoustic": 3}).modalities["acoustic"].kept == [0, 1, 2]


@pytest.mark.parametrize("rule", ["f_test", "mutual_information"])
def test_columns_that_tell_classes_apart_without_fail_give_no_warning(rule: Rule) -> None:
    corpus = _corpus("multiclass")
    values = corpus.train.modalities["acoustic"].values
    values[..., 4] = corpus.train.targets.values[:, None]
    values[..., 5] = np.arange(4)  # Varies within samples alone where all is observed.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_selection(corpus, keep={"acoustic": 1}, rule=rule).modalities["acoustic"]
    assert found.kept == [4] and found.scores == [1.0]


def test_a_corpus_is_narrowed_in_all_splits() -> None:
    corpus = _corpus()
    selection = fit_selection(corpus, keep={"acoustic": 2})
    kept = selection.modalities["acoustic"].kept
    narrow = select_corpus(corpus, selection)
    for name, split in corpus.splits.items():
        found, source = narrow.splits[name].modalities, split.modalities
        np.testing.assert_array_equal(
            found["acoustic"].values,
            np.stack([source["acoustic"].values[:, :, column] for column in kept], axis=-1),
        )
        assert found["acoustic"].values.flags.c_contiguous
        assert found["visual"] is source["visual"] and found["image"] is source["image"]
    assert narrow.features == {"acoustic": tuple("ABCDEFG"[column] for column in kept)}


def test_a_selection_survives_json() -> None:
    selection = fit_selection(_corpus(), keep={"acoustic": 2})
    assert Selection.load(json.loads(json.dumps(selection.model_dump()))) == selection


def test_what_does_not_fit_is_refused() -> None:
    corpus = _corpus(left_out=("language",))
    with pytest.raises(ParameterError, match="keep names 'audio'; expected one of acoustic, vis"):
        fit_selection(corpus, keep={"audio": 2})
    with pytest.raises(ParameterError, match="keep names 'image'"):
        fit_selection(corpus, keep={"image": 2})
    with pytest.raises(ParameterError, match="keep is 0 for 'acoustic'; expected 1 or more"):
        fit_selection(corpus, keep={"acoustic": 0})
    assert list(fit_selection(corpus, keep={"language": 2}).modalities) == ["acoustic", "visual"]
    selection = fit_selection(corpus)
    narrow = selection.apply(corpus.test)
    with pytest.raises(DataError, match="'acoustic': found 6 features; expected 7, as in the feat"):
        selection.apply(narrow)
    with pytest.raises(DataError, match="'acoustic' has no feature selection; found none"):
        Selection(modalities={}).apply(corpus.test)


def test_data_that_says_nothing_is_refused() -> None:
    corpus = _corpus()
    train = corpus.train
    train.modalities["visual"].values[...] = 4
    with pytest.raises(DataError, match="'visual': found all 2 features constant in training"):
        fit_selection(corpus)
    same = Targets(np.ones((90, 1), np.float32), ("a",), "regression")
    splits = dict(corpus.splits, train=replace(train, targets=same))
    with pytest.raises(DataError, match=r"'acoustic': found .* samples with 0 targets that vary"):
        fit_selection(replace(corpus, splits=splits), False, {"acoustic": 1})
    splits = dict(corpus.splits, train=train.select(slice(4)))
    with pytest.raises(DataError, match="'visual': found 4 training samples with 1 targets"):
        fit_selection(replace(corpus, splits=splits), False, {"visual": 1})


GOOD = {
    "features": 3,
    "kept": [0, 2],
    "names": ["a", "c"],
    "dropped_constant": [1],
    "rule": "f_test",
    "scores": [1.0, 0.5],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kept": [2, 0]}, "kept must be ascending columns below 3"),
        ({"kept": [0, 3]}, "kept must be ascending columns below 3"),
        ({"kept": [1, 1]}, "kept must be ascending"),
        ({"kept": [-1, 1]}, r"kept\.0: .* greater than or equal to 0"),
        ({"kept": [True, 2]}, r"kept\.0: .* integer"),
        ({"kept": [], "names": [], "scores": []}, "kept: .* at least 1"),
        ({"dropped_constant": [9]}, "dropped_constant must be"),
        ({"names": ["a"]}, "1 names of 2 kept columns"),
        ({"scores": [1.0]}, "1 scores of 2 kept columns"),
        ({"scores": [1.0, float("nan")]}, r"scores\.1"),
        ({"scores": None}, "rule and scores go together"),
        ({"rule": "best"}, "rule: "),
        ({"more": 1}, "more: Extra"),
    ],
)
def test_a_selection_of_another_form_is_refused(change: dict[str, Any], message: str) -> None:
    Selection.load({"modalities": {"a": GOOD}})
    with pytest.raises(DataError, match=f"^feature selection, modalities.a.*{message}"):
        Selection.load({"modalities": {"a": GOOD | change}})
