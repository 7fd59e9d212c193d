"""The page: complete, escaped, and in need of nothing beside it."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mfm_pipeline.datasets import Results
from mfm_pipeline.reporting import EXHIBITS, headlines, make_section, render
from mfm_pipeline.reporting.page import facts, format_number
from tests.reporting.tables import (
    ABLATIONS,
    BASELINES,
    INFORMATION,
    MISSING,
    SENTIMENT,
    STATEMENT,
    VERDICT,
    comparison,
    leave,
)

VOID = {"meta", "img", "link", "br", "input"}
EVIL = "<script>alert('x')</script> & \"co\""


class Page(HTMLParser):
    """Reads a page strictly: every element that begins has to end, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> out of order"

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(" ".join(data.split()))
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data.strip()

    def attributes(self, tag: str, name: str) -> list[str]:
        return [attrs[name] or "" for other, attrs in self.tags if other == tag and name in attrs]


def page_of(folder: Path, corpus: str, others: tuple[Path, ...] = ()) -> tuple[Page, str]:
    results = Results(folder)
    sections = [make_section(exhibit, results, corpus) for exhibit in EXHIBITS]
    html = render(sections, headlines(results, "report.html"), corpus=corpus, others=others)
    return Page(html), html


def test_a_page_of_everything(tmp_path: Path) -> None:
    for name, table in (
        ("comparison", SENTIMENT),
        ("missing_modalities", MISSING),
        ("ablations", ABLATIONS),
        ("information", INFORMATION),
    ):
        leave(tmp_path, "cmu_mosi", name, table, seeds=[0, 1], protocol="test")
    (tmp_path / "cmu_mosi" / "ablations.png").write_bytes(b"png of ablations")
    (tmp_path / "cmu_mosi" / "gradient_flow.html").write_text("")
    page, html = page_of(tmp_path, "cmu_mosi")
    headings = page.texts["h2"]
    assert [h.split(":")[0] for h in headings[:-1]] == [e.name for e in EXHIBITS]
    assert page.texts["h1"] == ["Results on cmu_mosi"]
    assert ["ours", "MFM", "0.300", "0.790", "0.790", "0.900", "0.700"] in page.rows
    assert ["paper", "MFM", "0.362", "0.781", "0.781", "0.951", "0.662"] in page.rows
    assert ["paper", "SOTA1", "0.347MARN", "0.774MFN", "0.773MFN", "0.965MFN", "0.632MFN"] in (
        page.rows
    )
    row = next(r for r in page.rows if r[:3] == ["ours", "MFM", "23,456"])
    assert row[3:5] == ["3", "200"] and {"0.0300 ± 0.0010", "0.625 ± 0.020"} <= set(row)
    row = next(r for r in page.rows if r[:2] == ["ours", "language"])
    assert row[2] == "1.250 [1.000, 1.500]"
    assert any(r[:4] == ["ours", "MFM", "none", "test"] for r in page.rows)
    assert "0.900" in page.texts["b"] and "1.400" not in page.texts["b"]
    for told in ("cmu_mosi", "real", "0, 1", "test", "2026-01-02 03:04 UTC by 9.9", "0123abcd"):
        assert told in page.texts["b"], told
    assert "training.epochs" in page.texts["dt"]
    (image,) = page.attributes("img", "src")
    assert base64.b64decode(image.removeprefix("data:image/png;base64,")) == b"png of ablations"
    assert "gradient_flow.html" in page.attributes("a", "href")
    # Each link inside the page leads somewhere, and nothing is loaded from elsewhere.
    anchors = {href[1:] for href in page.attributes("a", "href") if href.startswith("#")}
    assert anchors == {i for tag in ("h2",) for i in page.attributes(tag, "id")}
    assert "http" not in html and not {"script", "link", "iframe"} & {t for t, _ in page.tags}


def test_all_models_begin_with_whether_mfm_wins(tmp_path: Path) -> None:
    leave(tmp_path, "cmu_mosi", "baselines", BASELINES)
    page, html = page_of(tmp_path, "cmu_mosi")
    for name in ("Table 1", "All models", "Table 4", "Table 7", "Section 3.2"):
        assert html.split(f">{name}: ")[1].split("<p ")[1].startswith(f'class="verdict">{VERDICT}<')
    assert {"acc_2", "acc_2 (paper)", "mfm ahead by"} <= {*page.texts["th"]}
    row = next(r for r in page.rows if r[:2] == ["ours and paper", "THMM"])
    assert row[2:6] == ["–", "0.178", "0.600 ± 0.020", "0.538"]
    row = next(r for r in page.rows if r[:2] == ["ours", "GBT"] and r[2] == "classical")
    assert row[3:6] == ["r", "-0.050 [-0.090, 0.010]", "0.200"]
    assert ["ours", "GBTnot in the paper"] in [row[:2] for row in page.rows]


def test_what_has_not_been_run_is_said(tmp_path: Path) -> None:
    page, _ = page_of(tmp_path / "nothing", "sample")
    commands = page.texts["code"]
    for name in ("train_mfm", "compare_digits", "generate", "train_ablations", "train_surrogate"):
        assert f"kedro run --pipeline={name}" in commands
    assert "kedro run --pipeline=report --env=pom" in commands
    assert sum("Not run:" in text for text in page.texts["p"]) == 7
    assert not page.rows
    page, _ = page_of(tmp_path / "nothing", "iemocap")
    assert any(row[:2] == ["paper", "MFN"] for row in page.rows)
    assert "kedro run --pipeline=train_mfm --env=iemocap" in page.texts["code"]


def test_everything_from_data_is_escaped(tmp_path: Path) -> None:
    evil = EVIL.replace("/", "")
    leave(
        tmp_path, "mine", "ablations", ABLATIONS.assign(model=EVIL), corpus=EVIL,
        settings={EVIL: EVIL}, protocol=EVIL,
    )  # fmt: skip
    leave(tmp_path, "mine", "comparison", comparison(**{"r": (1, 0), f"r/{EVIL}": (1, 0)}))
    figure = tmp_path / "mine" / f"{evil}.png"
    figure.write_bytes(b"")
    page, html = page_of(tmp_path, "mine", (figure,))
    assert "<script" not in html and "script" not in {tag for tag, _ in page.tags}
    assert next(row[:2] for row in page.rows if EVIL in row[1]) == ["ours", EVIL]
    assert f"r/{EVIL}" in page.texts["th"] and EVIL in page.texts["dd"]
    assert evil in page.attributes("img", "alt")


def test_a_long_note_is_broken_into_lines(tmp_path: Path) -> None:
    note = "too narrow a kernel: HSIC is samples' likeness to themselves"
    leave(tmp_path, "mine", "information", INFORMATION.assign(note=[note, "", None]))
    page, _ = page_of(tmp_path, "mine")
    assert page.attributes("td", "class").count("long") == 1
    assert [row[-1] for row in page.rows if row[:2] == ["ours", "language"]] == [note]


def test_synthetic_data_is_called_so(tmp_path: Path) -> None:
    leave(tmp_path, "mine", "comparison", SENTIMENT, synthetic=True)
    page, _ = page_of(tmp_path, "mine")
    assert page.texts["h1"] == ["Results on mine (synthetic data)"]
    assert "synthetic" in page.texts["b"]


def test_other_corpora_are_listed(tmp_path: Path) -> None:
    leave(tmp_path, "cmu_mosi", "comparison", SENTIMENT)
    leave(tmp_path, "sample", "comparison", comparison(acc=(0.5, 0.25)), synthetic=True)
    leave(tmp_path, "sample", "digits/comparison", comparison(acc=(0.96, 0.1)), corpus="digits")
    (tmp_path / "sample" / "report.html").write_text("")
    page, _ = page_of(tmp_path, "cmu_mosi")
    start = page.rows.index(
        ["corpus", "data", "metric", "ours", "trivial predictor", "paper", "made"]
    )
    assert page.rows[start + 1 :] == [
        ["cmu_mosi", "real", "r", "0.700", "0.000", "0.662", "2026-01-02"],
        ["sample", "synthetic", "acc", "0.500", "0.250", "", "2026-01-02"],
        ["digits", "real", "acc", "0.960", "0.100", "", "2026-01-02"],
    ]
    assert "../sample/report.html" in page.attributes("a", "href")


def test_a_table_without_a_statement_has_a_warning_and_no_facts(tmp_path: Path) -> None:
    leave(tmp_path, "mine", "comparison", SENTIMENT)
    (tmp_path / "mine" / "comparison.json").unlink()
    page, _ = page_of(tmp_path, "mine")
    assert any("Nothing is known" in text for text in page.texts["p"])
    assert "ul" not in page.texts and ["mine", "not known"] in [row[:2] for row in page.rows]
    assert facts({}) == {}
    assert "protocol" not in facts(STATEMENT) and facts(STATEMENT)["seed"] == "0"


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (0.12345, "r", "0.123"),
        (0.12345, "mse/a", "0.1235"),
        (1.0, "acc_2", "1.000"),
        (1234567, "parameters", "1,234,567"),
        (12.34, "seconds", "12.3"),
        (1234.56, "seconds", "1,234.6"),
        (0.91, "mi_generative", "0.910"),
        (0.004975, "p_generative", "0.00498"),
        (float("nan"), "r", ""),
        (None, "seconds", ""),
        (True, "final", "yes"),
    ],
)
def test_numbers_are_printed_by_what_they_are(value: object, column: str, text: str) -> None:
    assert format_number(value, column) == text
