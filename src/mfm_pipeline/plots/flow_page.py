"""One HTML page on which to leaf through the gradient flow of many samples, Figure 4."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

LEVELS = 999
"""Heights of bars, in shares of the largest: three digits a value keep the page small."""

Labels = Sequence[tuple[str, str, str]]


def flow_page(
    flow: pd.DataFrame, labels: Mapping[str, Labels], source: str, *, most: int = 2000
) -> str:
    """Return a page that needs nothing but itself: data, style and script are in it.

    Parameters
    ----------
    flow : DataFrame
        As `mfm_pipeline.interpretation.flow_table` returns it.
    labels : mapping of str to sequence of (str, str, str)
        By sample: name, true and predicted value of each target.
    source : str
        Whose data it is.
    most : int
        Samples on the page, the first ones; it says how many there are.
    """
    names = list(flow["modality"].unique())
    ids = list(flow["id"].unique())
    shown = flow[flow["id"].isin(ids[:most])]
    data = {
        "source": source,
        "levels": LEVELS,
        "more": f" (of {len(ids):,} in all)" if len(ids) > most else "",
        "modalities": names,
        "samples": [
            {"id": str(id_), "labels": labels.get(str(id_), []), **_sample(rows, names)}
            for id_, rows in shown.groupby("id", sort=False)
        ],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A word of a stranger's transcript must not end the script.
    text = text.replace("<", "\\u003c")
    template = files(__package__).joinpath("flow_page.html").read_text(encoding="utf-8")
    return template.replace("{{data}}", text)


def _sample(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Return words, and of each modality its largest flow and all in shares of it."""
    by_modality = {str(name): own for name, own in rows.groupby("modality", sort=False)}
    longest = max(by_modality.values(), key=len)
    flows = []
    for name in names:
        # Of a sample that is an image alone, sequences have no steps.
        values = by_modality.get(name, rows.iloc[:0])["flow"].to_numpy(np.float64)
        largest = float(f"{values.max(initial=0):.4g}")
        levels = np.rint(values * (LEVELS / largest)) if largest > 0 else np.zeros(len(values))
        flows.append([largest, levels.astype(int).tolist()])
    return {"words": longest["word"].to_list(), "flow": flows}
