"""The paper's tables from the comparison of all models."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mfm_pipeline.baselines import BASELINES as REGISTERED
from mfm_pipeline.datasets import Results
from mfm_pipeline.errors import DataError
from mfm_pipeline.reporting import EXHIBITS, Section, headlines, make_section
from mfm_pipeline.reporting.exhibits import BOTH, OURS, PAPER
from mfm_pipeline.reporting.paper import paper_figures
from tests.reporting.tables import BASELINES, SENTIMENT, VERDICT, leave

BY_KEY = {exhibit.key: exhibit for exhibit in EXHIBITS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for corpus in ("cmu_mosi", "mine"):
        leave(tmp_path, corpus, "comparison", SENTIMENT)
        leave(tmp_path, corpus, "baselines", BASELINES, model=None, seeds=[0, 1, 2])
    return tmp_path


def section(folder: Path, key: str, corpus: str = "cmu_mosi") -> Section:
    return make_section(BY_KEY[key], Results(folder), corpus)


def sources(made: Section) -> dict[str, str]:
    return dict(zip(made.table["method"], made.table["source"], strict=True))


def test_models_that_the_paper_has_are_labelled_as_it_writes_them() -> None:
    written = {name.upper(): name for name in paper_figures()["method"]}
    found = {name: written.get(name.upper().replace("_", "-")) for name in REGISTERED}
    known = {name: label for name, label in found.items() if label}
    assert {"majority", "ef_lstm", "mfn", "mfm"} <= set(known)
    assert {name: REGISTERED[name].label for name in known} == known


def test_each_method_has_ours_and_the_paper_s_in_one_row(folder: Path) -> None:
    made = section(folder, "table_4")
    assert made.status == "run" and made.verdict == VERDICT and not made.fuller
    assert made.command == "kedro run --pipeline=train_baselines --env=cmu_mosi"
    assert made.statement["seeds"] == [0, 1, 2]
    table = made.table.set_index("method")
    metrics = ["acc_7", "acc_2", "f1", "mae", "r"]
    ends = ("", "_sd", "_paper")
    assert list(table) == ["source", *(f"{name}{end}" for name in metrics for end in ends)]
    assert table.loc["MFN", ["acc_2", "acc_2_sd", "acc_2_paper"]].tolist() == [0.77, 0.03, 0.774]
    assert table.loc["THMM"].isna()[["r", "r_sd", "acc_2"]].tolist() == [True, True, False]
    # The paper's methods in its order, and those that it has not come last.
    assert table.index[:2].tolist() == ["Majority", "RF"]
    assert table.index[-3:].tolist() == ["GBT", "MFM (early fusion)", "MFM (KL prior)"]
    told = sources(made)
    assert [told[name] for name in ("Majority", "MARN", "GBT")] == [BOTH, PAPER, OURS]
    row = {name: i for i, name in enumerate(table.index)}
    assert made.notes[row["GBT"], "method"] == "not in the paper"
    assert made.notes[row["TFN"], "method"] == "failed: MfmError: it broke"
    assert (row["MFN"], "method") not in made.notes
    # Ours is compared with ours, and the paper's with the paper's.
    assert {table.index[r] for r, c in made.best if c == "r"} == {"GBT"}
    assert {table.index[r] for r, c in made.best if c == "r_paper"} == {"MFM"}


def test_table_1_has_the_best_two_of_each_metric(folder: Path) -> None:
    made = section(folder, "table_1")
    ours = made.table[made.table["source"] == OURS].set_index("method")
    assert ours.index.tolist() == ["SOTA2", "SOTA1", "MFM", "trivial predictor"]
    assert ours["r"].tolist() == [0.64, 0.75, 0.7, 0.0]
    assert ours["mae"].tolist() == [0.95, 0.8, 0.9, 1.4]
    assert ours.loc["SOTA2", "r_sd"] == 0.03
    row = made.table.index[(made.table["source"] == OURS) & (made.table["method"] == "SOTA1")][0]
    assert made.notes[row, "r"] == made.notes[row, "acc_2"] == "GBT"
    assert made.verdict == VERDICT
    # The paper's notes stay with the paper's rows.
    first = made.table.index[made.table["method"] == "SOTA1"][0]
    assert made.notes[first, "acc_7"] == "MARN"


def test_models_without_factors_stand_beside_those_with(folder: Path) -> None:
    told = sources(section(folder, "table_7"))
    assert told == {
        "without factorization (early fusion)": BOTH, "without factorization (MFN)": BOTH,
        "[23]": PAPER, "MFM (early fusion)": BOTH, "MFM (MFN)": PAPER, "MFM (KL prior)": OURS,
        "MFM": OURS,
    }  # fmt: skip
    made = section(folder, "section_3_2")
    assert sources(made) == {
        "EF-LSTM": BOTH, "MFM (EF-LSTM)": BOTH, "TFN": PAPER, "MFM (TFN)": PAPER,
    }  # fmt: skip
    assert made.table.set_index("method").loc["MFM (EF-LSTM)", "acc_2"] == 0.75


def test_all_models_of_any_corpus(folder: Path) -> None:
    made = section(folder, "all_models", "mine")
    assert made.verdict == VERDICT and not made.remarks
    assert made.table["method"].tolist() == BASELINES["label"].tolist()
    assert list(made.table)[:7] == [
        "source", "method", "family", "compared", "mfm_ahead_by", "mfm_ahead_by_low",
        "mfm_ahead_by_high",
    ]  # fmt: skip
    assert made.table["note"].tolist() == [""] * 4 + ["failed: MfmError: it broke"] + [""] * 4
    assert section(folder, "table_4", "mine").status == "of other corpora"


def test_until_all_models_are_compared_the_last_mfm_stands_alone(folder: Path) -> None:
    (folder / "cmu_mosi" / "baselines.csv").unlink()
    for key in ("table_1", "table_4", "table_7"):
        made = section(folder, key)
        assert made.command == "kedro run --pipeline=train_mfm --env=cmu_mosi"
        assert made.fuller == "kedro run --pipeline=train_baselines --env=cmu_mosi"
        assert not made.verdict and made.statement["seeds"] == [0]
    made = section(folder, "all_models")
    assert (made.status, made.command) == ("not run", made.command) and not made.fuller
    assert made.command == "kedro run --pipeline=train_baselines --env=cmu_mosi"


def test_what_is_no_comparison_of_all_models_is_named(folder: Path) -> None:
    leave(folder, "cmu_mosi", "baselines", BASELINES.drop(columns="compared"))
    with pytest.raises(
        DataError, match=r"cmu_mosi/baselines\.csv: .*expected compared.*train_baselines"
    ):
        section(folder, "table_4")


def test_a_corpus_with_the_comparison_alone_has_a_headline(folder: Path) -> None:
    (folder / "mine" / "comparison.csv").unlink()
    leave(folder, "other", "baselines", BASELINES[BASELINES["model"] != "mfm"])
    found = {one.folder: one for one in headlines(Results(folder), "report.html")}
    assert set(found) == {"cmu_mosi", "mine"}
    assert (found["mine"].metric, found["mine"].ours, found["mine"].trivial) == ("r", 0.7, 0.0)
    assert pd.notna(found["cmu_mosi"].paper)
