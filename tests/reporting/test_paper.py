"""The paper's figures, against its text where that lies, and against each other."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from mfm_pipeline.reporting import paper_figures, paper_headline, paper_notes, paper_rows
from mfm_pipeline.reporting.columns import metric_base
from mfm_pipeline.reporting.paper import corpora_of

PAPER = Path(__file__).parents[3] / "shared" / "paper.txt"
SENTIMENT = ("cmu_mosi", "ict_mmmo", "youtube", "moud")
NOTES = "#‡∗†◇§♭♡●"


def printed(value: float, metric: str) -> str:
    """Return a figure as the paper prints it: accuracies and F1 in per cent."""
    if metric_base(metric) in ("acc", "f1"):
        return f"{100 * value:.1f}"
    return f"{value:.{4 if metric.startswith('mse') else 3}f}"


def printed_row(table: str, corpora: tuple[str, ...], method: str) -> str:
    """Return a method's figures on some corpora, side by side as in the paper."""
    figures = paper_figures()
    chosen = figures[(figures["table"] == table) & (figures["method"] == method)]
    texts = []
    for corpus in corpora:
        own = chosen[chosen["corpus"] == corpus].set_index("metric")["value"]
        for metric in metrics_of(table, corpus):
            texts.append(printed(own[metric], metric) if metric in own else "-")
    return " ".join(texts)


@cache
def metrics_of(table: str, corpus: str) -> list[str]:
    return [name for name in paper_rows(table, corpus) if metric_base(name)]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Return the paper's lines, without the symbols that stand behind some of its figures."""
    if not PAPER.exists():
        pytest.skip("the paper's text is not in ../shared")
    text = re.sub(rf"(?<=\d)[{NOTES}]", "", PAPER.read_text())
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("table", "corpora"),
    [
        ("table_1", ("pom",)),
        ("table_1", SENTIMENT),
        ("table_1", ("iemocap",)),
        ("table_3", ("pom",)),
        ("table_4", SENTIMENT),
        ("table_5", ("iemocap",)),
        ("table_7", ("cmu_mosi",)),
    ],
)
def test_each_row_is_a_line_of_the_paper(
    lines: list[str], table: str, corpora: tuple[str, ...]
) -> None:
    figures = paper_figures()
    of_them = figures[(figures["table"] == table) & figures["corpus"].isin(corpora)]
    for method in of_them["method"].unique():
        line = f"{method} {printed_row(table, corpora, method)}"
        if method == "THMM" and table == "table_4":
            line = line.replace("53.0 - -", "53.0 -")  # The paper lacks a dash.
        assert line in lines


def test_each_row_of_the_ablations_is_in_the_paper(lines: list[str]) -> None:
    for method in paper_rows("figure_3", "cmu_mosi")["method"]:
        row = printed_row("figure_3", ("cmu_mosi",), method)
        name = method.replace("_", "")
        assert any(re.fullmatch(rf"{name} ((yes|no|-) )+{re.escape(row)}", x) for x in lines), name


def test_each_row_of_missing_modalities_is_in_the_paper(lines: list[str]) -> None:
    rows = paper_rows("table_2", "cmu_mosi").set_index(["method", "missing"])
    start = next(i for i, x in enumerate(lines) if x.startswith("Table 2"))
    there = lines[start : start + 25]
    for first, second in (("seq2seq", "discriminative"), ("surrogate", "surrogate")):
        for missing, printed_as in (
            ("language", "`(anguage)"), ("acoustic", "a(udio)"), ("visual", "v(isual)")
        ):  # fmt: skip
            both = rows.loc[(second, missing)].fillna(rows.loc[(first, missing)])
            texts = ["-" if pd.isna(v) else printed(v, str(m)) for m, v in both.items()]
            assert f"{printed_as} missing {' '.join(texts)}" in there
    whole = [printed(v, str(m)) for m, v in rows.loc[("MFM", "")].items()]
    assert f"all present {' '.join(whole)}" in there


def test_what_the_text_says_is_in_the_paper(lines: list[str]) -> None:
    rows = paper_rows("section_3_2", "cmu_mosi").set_index("method")["acc_2"]
    text = " ".join(lines)
    for name in ("EF-LSTM", "TFN"):
        before, after = (printed(rows[m], "acc_2") for m in (name, f"MFM ({name})"))
        assert f"{name} from {before} to {after}" in text
    ratios = paper_rows("table_6", "pom").iloc[0]
    order = ("language", "visual", "acoustic")
    assert "POM " + " ".join(f"{ratios[f'ratio/{m}']:.3f}" for m in order) in lines


def test_tables_of_the_paper_agree_with_each_other() -> None:
    for table in ("table_3", "table_4", "table_5"):
        for corpus in corpora_of(table):
            all_models = paper_rows(table, corpus).set_index("method")
            short = paper_rows("table_1", corpus).set_index("method")
            assert (short.loc["MFM"] == all_models.loc["MFM"]).all()
            earlier = all_models.drop(index="MFM")
            best = earlier.max()
            if "mae" in best:
                best["mae"] = earlier["mae"].min()
            differ = short.loc["SOTA1"] != best
            assert list(differ[differ].index) == (["f1/frustrated"] if corpus == "iemocap" else [])


def test_numbers_are_in_the_project_s_units() -> None:
    figures = paper_figures()
    shares = figures[figures["metric"].map(metric_base).isin(["acc", "f1"])]["value"]
    assert shares.between(0, 1).all() and len(shares) > 500
    assert figures[figures["metric"].str.startswith("r/")]["value"].between(-1, 1).all()
    keys = ["table", "corpus", "method", "missing", "metric"]
    assert not figures.duplicated(keys).any()


def test_rows_notes_and_headlines_of_one_corpus() -> None:
    rows = paper_rows("table_1", "cmu_mosi")
    assert list(rows) == ["method", "acc_7", "acc_2", "f1", "mae", "r"]
    assert rows["method"].tolist() == ["SOTA2", "SOTA1", "MFM"]
    assert rows.set_index("method").at["MFM", "acc_2"] == 0.781
    assert paper_notes("table_1", "cmu_mosi")["SOTA1", "", "acc_7"] == "MARN"
    assert list(paper_rows("figure_3", "cmu_mosi"))[:2] == ["method", "mse/language"]
    assert paper_rows("table_1", "sample").empty and not paper_notes("table_1", "sample")
    assert paper_headline("cmu_mosi", "r") == 0.662
    assert paper_headline("moud", "acc") == 0.821
    traits = [0.431, 0.450, 0.197, 0.411, 0.380, 0.448, 0.467, 0.452]
    traits += [0.368, 0.212, 0.309, 0.333, 0.404, 0.333, 0.334, 0.408]
    assert paper_headline("pom", "r") == pytest.approx(sum(traits) / 16)
    assert paper_headline("sample", "r") is None and paper_headline("pom", "acc") is None
