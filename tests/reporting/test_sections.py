"""Ours beside the paper's."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from mfm_pipeline.config import SAMPLE_CORPUS
from mfm_pipeline.datasets import Results
from mfm_pipeline.errors import DataError
from mfm_pipeline.reporting import EXHIBITS, Section, make_section
from mfm_pipeline.reporting.columns import metric_base
from mfm_pipeline.reporting.exhibits import IMAGE_CORPORA
from mfm_pipeline.reporting.paper import paper_figures
from mfm_pipeline.reporting.sections import best_cells, stale
from tests.conftest import ROOT
from tests.reporting.tables import (
    ABLATIONS,
    INFORMATION,
    MISSING,
    SENTIMENT,
    STATEMENT,
    comparison,
    leave,
)

BY_KEY = {exhibit.key: exhibit for exhibit in EXHIBITS}


def section(folder: Path, key: str, corpus: str) -> Section:
    return make_section(BY_KEY[key], Results(folder), corpus)


def value(table: pd.DataFrame, column: str, **where: str) -> float:
    """Return the one cell of a table in the row that is described."""
    for name, text in where.items():
        table = table[table[name] == text]
    assert len(table) == 1
    return float(table[column].iloc[0])


def bold(made: Section, column: str) -> set[tuple[str, str]]:
    """Return source and method of the rows that are the best of a column."""
    rows = [row for row, name in made.best if name == column]
    return {(made.table.at[r, "source"], made.table.at[r, "method"]) for r in rows}


def test_every_table_of_the_paper_is_an_exhibit_and_every_command_exists() -> None:
    assert set(paper_figures()["table"]) <= set(BY_KEY)
    registry = (ROOT / "src/mfm_pipeline/pipeline_registry.py").read_text()
    pipelines = set(re.findall(r'^        "(\w+)":', registry, re.MULTILINE))
    assert {e.pipeline for e in EXHIBITS} & pipelines >= {"train_mfm", "compare_digits", "generate"}
    environments = {path.name for path in (ROOT / "conf").iterdir()}
    assert {corpus for e in EXHIBITS for corpus in e.corpora} <= environments
    assert set(IMAGE_CORPORA) <= environments


def test_prediction_beside_the_paper_s(tmp_path: Path) -> None:
    leave(tmp_path, "cmu_mosi", "comparison", SENTIMENT)
    made = section(tmp_path, "table_1", "cmu_mosi")
    assert made.status == "run" and not made.warnings and not made.remarks
    assert list(made.table) == ["source", "method", "acc_7", "acc_2", "f1", "mae", "r"]
    assert value(made.table, "acc_2", source="ours", method="MFM") == 0.79
    assert value(made.table, "acc_2", source="paper", method="MFM") == 0.781
    assert value(made.table, "mae", source="ours", method="trivial predictor") == 1.4
    assert bold(made, "acc_2") == bold(made, "mae") == {("ours", "MFM")}
    assert bold(made, "acc_7") == {("paper", "MFM")}
    first = made.table.index[made.table["method"] == "SOTA1"][0]
    assert made.notes[first, "acc_7"] == "MARN"
    assert made.statement["run"] == "0123abcd"
    # Of the metrics that the paper has; the other tables have all earlier models.
    whole = section(tmp_path, "table_4", "cmu_mosi").table
    assert len(whole) == 25 + 2 and value(whole, "acc_2", source="paper", method="TFN") == 0.746


def test_of_several_targets_those_of_the_paper_are_shown(tmp_path: Path) -> None:
    metrics = {"mae": (0.8, 0.9), "r": (0.3, 0.0), "r/con": (0.5, 0.0), "mae/con": (0.7, 0.9)}
    leave(tmp_path, "pom", "comparison", comparison(**metrics))
    made = section(tmp_path, "table_3", "pom")
    assert value(made.table, "r/con", source="ours", method="MFM") == 0.5
    assert bold(made, "r/con") == {("ours", "MFM")} and bold(made, "r/pas") == {("paper", "MFM")}
    assert "mae" not in made.table and "r" not in made.table


def test_a_corpus_that_the_paper_does_not_have(tmp_path: Path) -> None:
    own = comparison(r=(0.5, 0.0), **{"reconstruction/language": (0.25, float("nan"))})
    own["planted"] = [0.9, None]
    leave(tmp_path, "mine", "comparison", own)
    made = section(tmp_path, "table_1", "mine")
    assert set(made.table["source"]) == {"ours"}
    assert value(made.table, "mse/language", method="MFM") == 0.25
    assert value(made.table, "r", method="planted factor") == 0.9
    # What sees the true factor is no rival.
    assert bold(made, "r") == {("ours", "MFM")} and bold(made, "mse/language") == set()
    assert "no figure for mine" in made.remarks[0] and "cmu_mosi" in made.remarks[0]
    other = section(tmp_path, "table_4", "mine")
    assert other.status == "of other corpora" and other.table.empty
    assert other.command == "kedro run --pipeline=report --env=cmu_mosi"


def test_missing_modalities_are_compared_pattern_by_pattern(tmp_path: Path) -> None:
    leave(tmp_path, "cmu_mosi", "missing_modalities", MISSING, protocol="test")
    table = (made := section(tmp_path, "table_2", "cmu_mosi")).table
    patterns = list(dict.fromkeys(table["missing"]))
    assert patterns == ["", "language", "language+visual", "acoustic", "visual"]
    language = table[table["missing"] == "language"]
    assert language["source"].tolist() == ["paper"] * 3 + ["ours"] * 2
    assert value(language, "mae", source="paper", method="discriminative") == 1.386
    cells = {(table.at[r, "method"], table.at[r, "missing"]) for r, c in made.best if c == "r"}
    assert cells == {
        ("MFM", ""), ("surrogate", "language"), ("discriminative", "acoustic"),
        ("surrogate", "visual"),
    }  # fmt: skip
    assert made.notes[table.index[table["missing"] == ""][0], "mse/visual"] == "0.0183 in Figure 3"
    assert "observed" not in table and made.statement["protocol"] == "test"


def test_ablations_keep_what_belongs_to_them(tmp_path: Path) -> None:
    leave(tmp_path, "cmu_mosi", "ablations", ABLATIONS, seeds=[0, 1, 2])
    table = section(tmp_path, "figure_3", "cmu_mosi").table
    assert value(table, "r_sd", source="ours", method="MFM") == 0.02
    assert value(table, "parameters", source="ours", method="M_A") == 12345
    assert value(table, "r", source="paper", method="M_C") == 0.640
    assert list(table)[:4] == ["source", "method", "parameters", "seeds"]


def test_ratios_are_shown_as_measured_and_beside_the_paper_s(tmp_path: Path) -> None:
    for corpus in ("pom", "mine"):
        leave(tmp_path, corpus, "information", INFORMATION)
    table = section(tmp_path, "figure_4", "mine").table
    assert table["modality"].tolist() == ["language", "visual", "acoustic"]
    assert list(table)[1:5] == ["modality", "ratio", "ratio_low", "ratio_high"]
    table = (made := section(tmp_path, "table_6", "pom")).table
    assert value(table, "ratio/language", source="paper") == 1.090
    ours = {"source": "ours", "method": "kernel rbf, bandwidth 1.0, time mean"}
    assert [value(table, f"ratio/{m}", **ours) for m in INFORMATION["modality"]] == [
        1.25,
        0.75,
        0.5,
    ]
    assert not made.best


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"model.fusion": "mfn"}, "MFM (MFN)"),
        ({"model.fusion": "ef_lstm", "model.prior": "kl"}, "MFM (early fusion, KL prior)"),
        ({"model.fusion": "statistics"}, "MFM (statistics)"),
        ({}, "MFM (encoder unknown)"),
    ],
)
def test_the_last_model_is_named_by_its_encoder(
    tmp_path: Path, settings: dict[str, str], name: str
) -> None:
    leave(tmp_path, "cmu_mosi", "comparison", SENTIMENT, settings=settings)
    table = section(tmp_path, "table_7", "cmu_mosi").table
    assert value(table, "r", source="ours", method=name) == 0.7
    assert value(table, "r", source="paper", method="[23]") == 0.584


def test_what_has_not_been_run_is_said_beside_the_paper_s(tmp_path: Path) -> None:
    made = section(tmp_path, "table_2", "cmu_mosi")
    assert made.status == "not run" and set(made.table["source"]) == {"paper"}
    assert made.command == "kedro run --pipeline=train_surrogate --env=cmu_mosi"
    made = section(tmp_path / "nothing", "table_2", SAMPLE_CORPUS)
    assert made.command == "kedro run --pipeline=train_surrogate" and made.table.empty


@pytest.mark.parametrize(
    ("key", "corpus", "status"),
    [
        ("figure_2b", SAMPLE_CORPUS, "not run"),
        ("figure_2b", "svhn_mnist", "not run"),
        ("figure_2b", "pom", "of other corpora"),
        ("table_1", "svhn_mnist", "of other corpora"),
        ("table_1", "pom", "not run"),
    ],
)
def test_images_and_sequences_are_made_where_they_are(
    tmp_path: Path, key: str, corpus: str, status: str
) -> None:
    assert section(tmp_path, key, corpus).status == status


def test_a_table_of_another_model_or_other_data_is_marked(tmp_path: Path) -> None:
    leave(tmp_path, "mine", "history", pd.DataFrame({"epoch": [0]}), model="m2")
    leave(tmp_path, "mine", "ablations", ABLATIONS, model=None)
    leave(tmp_path, "mine", "information", INFORMATION)
    assert not section(tmp_path, "figure_3", "mine").warnings
    (warning,) = section(tmp_path, "figure_4", "mine").warnings
    assert "another model" in warning
    assert not stale(STATEMENT, {}) and not stale(STATEMENT, STATEMENT)
    later = {"data": "d2", "model": "m2"}
    assert len(stale(STATEMENT, later)) == 2
    assert not stale({**STATEMENT, "protocol": "train_and_test"}, later)
    path = tmp_path / "mine" / "ablations.csv"
    path.write_text(path.read_text().replace("0.625", "0.9"))
    (warning,) = section(tmp_path, "figure_3", "mine").warnings
    assert "Nothing is known" in warning


def test_pairs_of_images_have_a_latest_model_of_their_own(tmp_path: Path) -> None:
    leave(tmp_path, "sample", "history", pd.DataFrame({"epoch": [0]}), data="d9")
    leave(tmp_path, "sample", "digits/history", pd.DataFrame({"epoch": [0]}), data="d1")
    models = pd.DataFrame({"model": ["MM", "MFM"], "acc": [0.9, 0.95], "acc_sd": [0.1, 0.2]})
    leave(tmp_path, "sample", "digits/model_comparison", models, model=None)
    made = section(tmp_path, "figure_2b", "sample")
    assert not made.warnings and bold(made, "acc") == {("ours", "MFM")}


def test_a_table_that_is_not_what_its_pipeline_writes_is_named(tmp_path: Path) -> None:
    leave(tmp_path, "mine", "comparison", ABLATIONS)
    with pytest.raises(DataError, match=r"mine/comparison\.csv: found columns model.*metric.*mine"):
        section(tmp_path, "table_1", "mine")
    (tmp_path / "mine" / "comparison.csv").write_bytes(b"\x00\xff,\n1,2,3")
    with pytest.raises(DataError, match=r"comparison\.csv: cannot be read"):
        section(tmp_path, "table_1", "mine")


def test_errors_in_other_units_are_not_set_against_each_other(tmp_path: Path) -> None:
    ours = ABLATIONS.assign(**{"mse/language": [0.02, 0.03]})
    leave(tmp_path, "cmu_mosi", "ablations", ours)
    made = section(tmp_path, "figure_3", "cmu_mosi")
    assert bold(made, "mse/language") == {("paper", "MFM"), ("ours", "M_A")}
    assert bold(made, "r") == {("paper", "MFM")} and "units" in made.remarks[0]


def test_ties_are_all_best_and_one_value_is_none() -> None:
    values = {"r": [0.5, 0.5, 0.1], "acc": [1, None, None]}
    table = pd.DataFrame({"source": "ours", "method": ["a", "b", "c"], **values})
    assert best_cells(table) == {(0, "r"), (1, "r")}


@pytest.mark.parametrize(
    ("column", "base"),
    [
        ("acc_2", "acc"), ("acc_2_nonzero", "acc"), ("acc/happy", "acc"), ("mse/a b", "mse"),
        ("r", "r"), ("f1_nonzero", "f1"), ("acc_2_sd", None), ("r_sd", None), ("method", None),
        ("mi_generative", None), ("rr", None),
    ],
)  # fmt: skip
def test_metrics_are_known_by_their_names(column: str, base: str | None) -> None:
    assert metric_base(column) == base
