"""Table 2: all present is the model itself, means are over seeds, and it is reproducible."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.data.patterns import patterns
from mfm_pipeline.evaluation import (
    EvaluationOptions,
    predict_corpus,
    reconstruction_errors,
    score_test,
)
from mfm_pipeline.evaluation.missing import (
    ABSENT,
    choose_neighbours,
    fillings,
    over_seeds,
    print_missing,
    score_method,
    score_patterns,
)
from mfm_pipeline.evaluation.missing.methods import FilledModel
from mfm_pipeline.evaluation.missing.neighbours import NeighbourFill
from tests.conftest import MakeCorpus
from tests.evaluation.missing.stand_in import model_of

OPTIONS = EvaluationOptions(batch_size=8)


def table_of(make_corpus: MakeCorpus, task: str = "regression", **changes: object) -> pd.DataFrame:
    corpus = make_corpus(task=task, **changes)
    methods = fillings(model_of(corpus), corpus.train, 3)
    names = tuple(corpus.train.modalities)
    return score_patterns(corpus, methods[ABSENT], dict.fromkeys(patterns(names), methods), OPTIONS)


@pytest.fixture(scope="module")
def table(make_corpus: MakeCorpus) -> pd.DataFrame:
    """Return the table of a regression on three modalities."""
    return table_of(make_corpus)


@pytest.mark.parametrize("task", ["regression", "multiclass", "multilabel"])
def test_all_present_is_what_training_reports(make_corpus: MakeCorpus, task: str) -> None:
    corpus = make_corpus(task=task, targets=2 if task == "multilabel" else 1)
    model = model_of(corpus)
    first = score_patterns(corpus, FilledModel(model), {}, OPTIONS).iloc[0]
    expected = score_test(
        predict_corpus(model, corpus, 8), reconstruction_errors(model, corpus, 8), corpus, None
    )
    assert first["method"] == "model" and first["missing"] == "none"
    assert first["observed"] == "language+acoustic+visual" and first["samples"] == 20
    for key, value in expected.items():
        if key.startswith("test/reconstruction/"):
            name = key.removeprefix("test/reconstruction/")
            assert first[f"mse/{name}"] == pytest.approx(value, rel=1e-6)
        elif key.startswith("test/"):
            assert first[key.removeprefix("test/")] == value


def test_every_subset_by_every_method_with_errors_of_what_is_missing(table: pd.DataFrame) -> None:
    missing = list(dict.fromkeys(table["missing"]))
    assert missing == [
        "none", "language", "acoustic", "visual",
        "language+acoustic", "language+visual", "acoustic+visual",
    ]  # fmt: skip
    rest = table[table["missing"] != "none"]
    assert len(rest) == 6 * 4 and set(rest["method"]) == {"absent", "zeros", "mean", "knn"}
    for _, row in rest.iterrows():
        lost = row["missing"].split("+")
        assert {*lost, *row["observed"].split("+")} == {"language", "acoustic", "visual"}
        for name in ("language", "acoustic", "visual"):
            assert np.isnan(row[f"mse/{name}"]) == (name not in lost)
        assert row["mae"] >= 0 and -1 <= row["r"] <= 1


def test_two_modalities_and_four_are_no_special_case(make_corpus: MakeCorpus) -> None:
    for features in ({"a": 2, "b": 3}, {"a": 2, "b": 3, "c": 2, "d": 1}):
        table = table_of(make_corpus, features=features, sizes=(16, 8, 8))
        assert table["missing"].nunique() == 2 ** len(features) - 1


def test_the_same_seed_gives_the_same_table(make_corpus: MakeCorpus, table: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(table_of(make_corpus), table, check_exact=True)


def scores_of_seeds() -> pd.DataFrame:
    row = {"protocol": "test", "observed": "b", "samples": 5}
    return pd.DataFrame(
        [
            {**row, "method": "z", "missing": "a", "seed": 0, "r": 0.2, "mse/a": 1.0},
            {**row, "method": "y", "missing": "a", "seed": 0, "r": 0.5},
            {**row, "method": "z", "missing": "a", "seed": 1, "r": 0.6, "mse/a": 3.0},
            {**row, "method": "y", "missing": "a", "seed": 1, "r": 0.5},
        ]
    )


def test_means_and_standard_deviations_are_over_seeds() -> None:
    table = over_seeds(scores_of_seeds())
    assert list(table["method"]) == ["z", "y"] and list(table["seeds"]) == [2, 2]
    np.testing.assert_allclose(table["r"], [0.4, 0.5])
    np.testing.assert_allclose(table["r_sd"], [np.sqrt(0.08), 0.0], atol=1e-12)
    np.testing.assert_allclose(table["mse/a"], [2.0, np.nan])
    np.testing.assert_allclose(table["mse/a_sd"], [np.sqrt(2), np.nan])
    alone = over_seeds(scores_of_seeds().query("seed == 0"))
    assert alone["r_sd"].isna().all() and list(alone["seeds"]) == [1, 1]


def test_the_console_shows_what_lacks_one_modality(
    make_corpus: MakeCorpus, table: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    scores = table.assign(protocol="test")
    seeds = pd.concat([scores.assign(seed=0), scores.assign(seed=1)])
    print_missing(over_seeds(seeds), corpus)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "toy (synthetic data), 20 test samples, protocol test, 2 seeds" in text
    assert "+" not in text and "0.000" in text
    rows = [line.split("│") for line in lines if line.startswith("│")]
    assert [row[1].strip() for row in rows if row[1].strip()] == [
        "none", "language", "acoustic", "visual",
    ]  # fmt: skip
    assert len(rows) == 13
    language = table.query("missing == 'language' and method == 'zeros'").iloc[0]
    shown = next(row for row in rows if row[2].strip() == "zeros")
    assert [cell.strip() for cell in shown[3:-1]] == [
        f"{language['r']:.3f}", "0.000", f"{language['mse/language']:.3f}"
    ]  # fmt: skip


def test_the_number_of_neighbours_is_the_best_on_valid(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    model = model_of(corpus)
    means = {}
    for k in (1, 4, 9):
        method = FilledModel(model, NeighbourFill(corpus.train, k))
        means[k] = np.mean([
            score_method(
                method, corpus.valid, {name: np.ones(16, dtype=bool)}, corpus.train.targets, OPTIONS
            )["r"]
            for name in corpus.valid.modalities
        ])  # fmt: skip
    best = max(means, key=means.get)
    assert choose_neighbours(model, corpus, (1, 4, 9), OPTIONS) == best
    assert choose_neighbours(model, corpus, (9, 9), OPTIONS) == 9
