"""One HTML page on which to leaf through the gradient flow of many samples, Figure 4."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

LEVELS = 999
"""Heights that a bar can have: three digits a value keep the page small."""

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
    units = {name: _unit(flow.loc[flow["modality"] == name, "flow"]) for name in names}
    ids = list(flow["id"].unique())
    shown = flow[flow["id"].isin(ids[:most])]
    samples = [
        _sample(str(id_), rows, units, labels) for id_, rows in shown.groupby("id", sort=False)
    ]
    data = {
        "source": source,
        "levels": LEVELS,
        "more": f" (of {len(ids):,} in all)" if len(ids) > most else "",
        "modalities": [{"name": name, "unit": units[name]} for name in names],
        "samples": samples,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A word of a stranger's transcript must not end the script.
    text = text.replace("<", "\\u003c")
    template = files(__package__).joinpath("flow_page.html").read_text(encoding="utf-8")
    return template.replace("{{data}}", text)


def _unit(flow: pd.Series[float]) -> float:
    largest = float(flow.max())
    return largest / LEVELS if largest > 0 else 1.0


def _sample(
    id_: str, rows: pd.DataFrame, units: Mapping[str, float], labels: Mapping[str, Labels]
) -> dict[str, Any]:
    by_modality = {str(name): own for name, own in rows.groupby("modality", sort=False)}
    longest = max(by_modality.values(), key=len)
    return {
        "id": id_,
        "labels": labels.get(id_, []),
        "words": longest["word"].to_list(),
        "flow": [
            np.rint(by_modality[name]["flow"] / unit).astype(int).to_list()
            for name, unit in units.items()
        ],
    }
