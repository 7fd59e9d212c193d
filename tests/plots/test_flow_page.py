"""The page of gradient flow: what it holds, and in a browser where there is one."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.plots import flow_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
LABELS = {f"v[{k}]": [("score", f"{k}.5", "1")] for k in range(4)}


def flow(samples: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (f"v[{n}]", name, step, "</script>" if n == 1 else f"word{step}", scale * rng.random())
        for n in range(samples)
        for name, scale in (("language", 5.0), ("acoustic", 1e-4))
        for step in range(3 + n)
    ]
    return pd.DataFrame(rows, columns=["id", "modality", "step", "word", "flow"])


def data_in(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_everything_is_in_the_page() -> None:
    table = flow()
    page = flow_page(table, LABELS, "toy (synthetic data), test")
    assert not re.search(r"(src|href)=|https?://|@import|url\(", page)
    data = data_in(page)
    assert data["source"] == "toy (synthetic data), test"
    assert [sample["id"] for sample in data["samples"]] == [f"v[{k}]" for k in range(4)]
    for sample in data["samples"]:
        assert sample["labels"] == [list(LABELS[sample["id"]][0])]
        for name, (largest, levels) in zip(data["modalities"], sample["flow"], strict=True):
            own = table[(table["id"] == sample["id"]) & (table["modality"] == name)]
            found = largest * np.array(levels) / data["levels"]
            np.testing.assert_allclose(found, own["flow"], atol=largest / 900)
            assert sample["words"] == own["word"].to_list()


def test_first_samples_of_many_and_modalities_without_flow() -> None:
    table = flow()
    table["flow"] = 0.0
    data = data_in(flow_page(table, {}, "toy", most=2))
    assert len(data["samples"]) == 2 and data["more"] == " (of 4 in all)"
    assert data["samples"][0]["labels"] == []
    assert data["samples"][0]["flow"] == [[0.0, [0, 0, 0]]] * 2


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")
def test_a_user_leafs_through_samples(tmp_path: Path) -> None:
    script = """
    const press = key => document.dispatchEvent(new KeyboardEvent("keydown", {key}));
    const seen = [];
    const note = () => seen.push([
      at("id").value, at("where").textContent, at("previous").disabled, at("next").disabled,
      document.querySelectorAll("#rows .row").length,
      [...document.querySelectorAll(".words span")].map(span => span.textContent).join(" "),
      at("labels").textContent, at("missing").textContent,
    ]);
    note(); press("ArrowRight"); note(); at("next").click(); note(); press("End"); note();
    press("ArrowRight"); note(); press("Home"); note();
    at("id").value = "v[2]"; at("id").dispatchEvent(new Event("change")); note();
    at("id").value = "nobody"; at("id").dispatchEvent(new Event("change")); note();
    const height = () => document.querySelector("#rows .step div").style.height;
    const own = height(); at("common").click(); seen.push([own, height()]);
    document.title = JSON.stringify(seen);
    """
    page = flow_page(flow(), LABELS, "toy").replace("</body>", f"<script>{script}</script></body>")
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    assert CHROMIUM is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'u'}"]
    shown = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)
    assert title is not None
    *seen, heights = json.loads(html.unescape(title[1]))
    ids = ["v[0]", "v[1]", "v[2]", "v[3]", "v[3]", "v[0]", "v[2]", "nobody"]
    assert [one[0] for one in seen] == ids
    assert [one[1] for one in seen[:4]] == [f"{k} of 4" for k in (1, 2, 3, 4)]
    assert seen[0][2:5] == [True, False, 3] and seen[3][2:5] == [False, True, 3]
    assert seen[0][5] == "word0 word1 word2"
    assert seen[1][5] == " ".join(["</script>"] * 4)
    assert seen[2][6] == "truepredictedscore2.51"
    assert seen[7][7] == "no sample is called nobody" and not seen[6][7]
    assert float(heights[0].rstrip("%")) > float(heights[1].rstrip("%")) > 0
