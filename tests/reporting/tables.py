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

NAN = float("nan")

BASELINES = pd.DataFrame(
    {
        "model": [
            "majority",
            "gbt",
            "thmm",
            "ef_lstm",
            "tfn",
            "mfn",
            "mfm_ef_lstm",
            "mfm_kl",
            "mfm",
        ],
        "label": [
            "Majority",
            "GBT",
            "THMM",
            "EF-LSTM",
            "TFN",
            "MFN",
            "MFM (early fusion)",
            "MFM (KL prior)",
            "MFM",
        ],
        "family": ["trivial", "classical", "hidden states", *["deep"] * 3, *["factorized"] * 3],
        "state": ["complete"] * 4 + ["failed"] + ["complete"] * 4,
        "trials": [1, 4, 4, 4, 1, 4, 4, 4, 4],
        "seeds": [3, 3, 3, 3, 0, 3, 3, 3, 3],
        "parameters": [1, 20, 300, 4000, NAN, 50000, 600, 700, 800],
        "seconds": [0.1, 1.0, 2.0, 3.0, NAN, 5.0, 6.0, 7.0, 8.0],
        "mae": [1.4, 0.8, NAN, 1.0, NAN, 0.95, 0.97, 1.1, 0.9],
        "mae_sd": [0.0, 0.01, NAN, 0.02, NAN, 0.03, 0.04, 0.05, 0.06],
        "r": [0.0, 0.75, NAN, 0.6, NAN, 0.64, 0.62, 0.5, 0.7],
        "r_sd": [0.0, 0.01, NAN, 0.02, NAN, 0.03, 0.04, 0.05, 0.06],
        "acc_2": [0.5, 0.8, 0.6, 0.74, NAN, 0.77, 0.75, 0.7, 0.79],
        "acc_2_sd": [0.0, 0.01, 0.02, 0.02, NAN, 0.03, 0.04, 0.05, 0.06],
        "compared": ["r", "r", "acc_2", "r", "", "r", "r", "r", "r"],
        "difference": [0.7, -0.05, 0.19, 0.1, NAN, 0.06, 0.08, 0.2, NAN],
        "difference_low": [0.6, -0.09, 0.1, 0.05, NAN, -0.01, 0.02, 0.1, NAN],
        "difference_high": [0.8, 0.01, 0.3, 0.15, NAN, 0.1, 0.15, 0.3, NAN],
        "p_value": [0.001, 0.1, 0.001, 0.001, NAN, 0.1, 0.01, 0.001, NAN],
        "p_holm": [0.007, 0.2, 0.007, 0.007, NAN, 0.2, 0.03, 0.007, NAN],
        "setting": ["{}"] * 9,
        "note": ["", "", "", "", "MfmError: it broke", "", "", "", ""],
    }
)
"""Of all models, with one that is ahead of MFM, one that only classifies, and one that failed."""

VERDICT = (
    "MFM does not win: GBT is ahead by 0.050 in r [-0.010, 0.090]; MFM is ahead of 6 of 7, "
    "significantly (Holm, 5 %) of 5."
)
