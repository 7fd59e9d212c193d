"""Tables as the pipelines leave them, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from mfm_pipeline.datasets import StatedTableDataset

STATEMENT = {
    "corpus": "cmu_mosi",
    "synthetic": False,
    "data": "d1",
    "seeds": [0],
    "settings": {"model.fusion": "mfn", "model.prior": "mmd", "training.epochs": 3},
    "protocol": None,
    "model": "m1",
    "run": "0123abcd",
    "date": "2026-01-02T03:04:05+00:00",
    "version": "9.9",
}


def leave(folder: Path, corpus: str, name: str, table: pd.DataFrame, /, **states: Any) -> None:
    """Write a table of results with a statement, which may name another corpus."""
    table = table.copy()
    table.attrs = {**STATEMENT, "corpus": corpus, **states}
    StatedTableDataset(filepath=str(folder / corpus / f"{name}.csv")).save(table)


def comparison(**metrics: tuple[float, float]) -> pd.DataFrame:
    """Return metrics of MFM and the trivial predictor."""
    rows = [(metric, ours, trivial) for metric, (ours, trivial) in metrics.items()]
    return pd.DataFrame(rows, columns=["metric", "MFM", "trivial"])


SENTIMENT = comparison(
    mae=(0.9, 1.4), r=(0.7, 0.0), acc_7=(0.3, 0.2), acc_2=(0.79, 0.5), f1=(0.79, 0.4)
)

ABLATIONS = pd.DataFrame(
    {
        "model": ["M_A", "MFM"],
        "parameters": [12345, 23456],
        "seeds": [3, 3],
        "seconds": [1.25, 200.0],
        "r": [0.5, 0.625],
        "r_sd": [0.01, 0.02],
        "mse/language": [None, 0.03],
        "mse/language_sd": [None, 0.001],
    }
)

MISSING = pd.DataFrame(
    {
        "protocol": ["test"] * 4,
        "method": ["model", "surrogate", "zeros", "surrogate"],
        "missing": ["none", "language", "language", "language+visual"],
        "observed": ["language+acoustic+visual", "acoustic+visual", "acoustic+visual", "acoustic"],
        "samples": [10] * 4,
        "seeds": [1] * 4,
        "r": [0.7, 0.5, 0.1, 0.25],
        "mae": [0.5, 0.75, 0.625, 1.0],
        "mse/language": [None, 0.5, 1.0, 0.75],
    }
)

INFORMATION = pd.DataFrame(
    {
        "modality": ["language", "visual", "acoustic"],
        "ratio": [1.25, 0.75, 0.5],
        "ratio_low": [1.0, 0.5, 0.25],
        "ratio_high": [1.5, 1.0, 0.75],
        "kernel": ["rbf"] * 3,
        "bandwidth": ["1.0"] * 3,
        "time": ["mean"] * 3,
    }
)
