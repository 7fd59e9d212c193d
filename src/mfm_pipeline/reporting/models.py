"""Rows of the paper's tables from the comparison of all models, `train_baselines`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mfm_pipeline.evaluation.verdict import MFM
from mfm_pipeline.reporting.columns import (
    LOWER_IS_BETTER,
    SPREAD,
    is_of_metric,
    metric_base,
    names_of,
)

COLUMNS = ("model", "label", "family", "state", "compared", "difference", "p_holm", "note")
"""That a comparison has, beside metrics."""

AHEAD = "mfm_ahead_by"
NOTES = "notes"
"""In ``attrs``: what is to be said of cells, by method and column."""

_EARLIER = ("SOTA1", "SOTA2")
_FACTORIZED = f"{MFM}_"
"""Begins the name of MFM around another encoder, or with another prior."""

_OF_TABLE_7 = {
    "ef_lstm": "without factorization (early fusion)",
    "mfn": "without factorization (MFN)",
    "hsu_glass": "[23]",
    "mfm_ef_lstm": "MFM (early fusion)",
    "mfm_mfn": "MFM (MFN)",
    "mfm_kl": "MFM (KL prior)",
    "mfm": "MFM",
}
_OF_SECTION_3_2 = {"mfm_ef_lstm": "MFM (EF-LSTM)", "mfm_kl": ""}
"""Where the text calls it otherwise than the tables; "" for what is no other encoder."""


def everything(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return a row a model: MFM's lead, metrics (of several targets their means), sizes."""
    table = comparison.rename(
        columns={
            "label": "method",
            "difference": AHEAD,
            "difference_low": f"{AHEAD}_low",
            "difference_high": f"{AHEAD}_high",
        }
    )
    metrics = [name for name in _metrics(table) if "/" not in name]
    table["note"] = [
        _note(state, note) for state, note in zip(table["state"], table["note"], strict=True)
    ]
    table["compared"] = table["compared"].fillna("")
    sizes = [c for c in ("parameters", "trials", "seeds", "seconds") if c in table]
    lead = [AHEAD, f"{AHEAD}_low", f"{AHEAD}_high", "p_holm"]
    return table[["method", "family", "compared", *lead, *metrics, *sizes, "note"]]


def methods(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of every model by the paper's name; those that it lacks come last."""
    return _named(comparison, dict(zip(comparison["model"], comparison["label"], strict=True)))


def best_earlier(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1's rows: of each metric the second best and best earlier model, and MFM.

    Earlier models are all but MFM, around whatever encoder and with whatever prior.
    """
    metrics = [name for name in _metrics(comparison) if not name.endswith(SPREAD)]
    model = comparison["model"]
    earlier = comparison[(model != MFM) & ~model.str.startswith(_FACTORIZED)]
    rows: dict[str, dict[str, float]] = {name: {} for name in reversed(_EARLIER)}
    notes = {}
    for metric in metrics:
        lower = metric_base(metric) in LOWER_IS_BETTER
        ranked = earlier.dropna(subset=[metric]).sort_values(metric, ascending=lower, kind="stable")
        for name, (_, row) in zip(_EARLIER, ranked.iterrows(), strict=False):
            rows[name] |= {c: row[c] for c in (metric, f"{metric}{SPREAD}") if c in row}
            notes[name, metric] = row["label"]
    table = pd.DataFrame(list(rows.values()), columns=_metrics(comparison))
    table.insert(0, "method", list(rows))
    trivial = comparison.loc[comparison["family"] == "trivial", "model"].tolist()
    last = _named(comparison, {MFM: "MFM", **dict.fromkeys(trivial, "trivial predictor")})
    table = pd.concat([table.dropna(how="all", subset=metrics), last], ignore_index=True)
    table.attrs[NOTES] = notes
    return table


def without_factors(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return Table 7's rows, and MFM with a KL prior as one of its own."""
    return _named(comparison, _OF_TABLE_7)


def encoders(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of Section 3.2: fusion encoders by themselves, and in MFM."""
    labels = dict(zip(comparison["model"], comparison["label"], strict=True))
    around = [m.removeprefix(_FACTORIZED) for m in labels if m.startswith(_FACTORIZED)]
    pairs = [name for one in around for name in (one, f"{_FACTORIZED}{one}") if name in labels]
    names = {name: _OF_SECTION_3_2.get(name, labels[name]) for name in pairs}
    return _named(comparison, {name: label for name, label in names.items() if label})


def _named(comparison: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the metrics of some models, in the order of their names."""
    by_model = comparison.set_index("model")
    chosen = by_model.loc[[model for model in names if model in by_model.index]]
    table = chosen[_metrics(comparison)].copy()
    table.insert(0, "method", [names[model] for model in chosen.index])
    told = zip(table["method"], chosen["state"], chosen["note"], strict=True)
    notes = {(method, "method"): _note(state, note) for method, state, note in told}
    table.attrs = {NOTES: {cell: note for cell, note in notes.items() if note}}
    return table.reset_index(drop=True)


def _note(state: str, note: Any) -> str:
    told = "" if pd.isna(note) else str(note)
    return told if state == "complete" else f"{state}: {told}"


def _metrics(table: pd.DataFrame) -> list[str]:
    return [name for name in names_of(table) if is_of_metric(name)]
