"""Is MFM ahead of all other models? One line, as the table and the report begin."""

from __future__ import annotations

import numpy as np
import pandas as pd

MFM = "mfm"
SIGNIFICANT = 0.05
"""Corrected p-values below are called so."""

_LEVEL = 1e-12
"""Differences within are rounding: neither model is ahead."""


def verdict(table: pd.DataFrame) -> str:
    """Say whether MFM is ahead of all others, and if not, who is ahead of it.

    Parameters
    ----------
    table : DataFrame
        A row a model: ``model``, ``label``, ``compared`` (the metric), ``difference`` of MFM
        and the model (NaN where there is none), ``difference_low``, ``difference_high``,
        ``p_holm``.
    """
    own = table.loc[table["model"] == MFM, "compared"].replace("", np.nan).dropna()
    others = table[table["difference"].notna()]
    if own.empty or others.empty:
        which = "MFM has no score" if own.empty else "no other model has a score"
        return f"Nothing to compare: {which}."
    metric = str(own.iloc[0])
    ahead = others[others["difference"] > _LEVEL]
    rivals = others[others["difference"] < -_LEVEL]
    sure = f"significantly (Holm, 5 %) of {int((ahead['p_holm'] < SIGNIFICANT).sum())}"
    if rivals.empty:
        level = len(others) - len(ahead)
        told = (
            f"{len(ahead)} of {len(others)} others, level with {level}"
            if level
            else (f"all {len(others)} others")
        )
        # What only classifies is compared in another metric.
        metrics = " or ".join(sorted(others["compared"].unique(), key=lambda m: m != metric))
        return f"MFM is ahead of {told}, in {metrics}; {sure}."
    in_metric = rivals[rivals["compared"] == metric]
    best = (rivals if in_metric.empty else in_metric).sort_values("difference").iloc[0]
    how = "significantly ahead" if best["p_holm"] < SIGNIFICANT else "ahead"
    more = f" {len(rivals) - 1} more are ahead;" if len(rivals) > 2 else ""
    more = " one more is ahead;" if len(rivals) == 2 else more
    return (
        f"MFM does not win: {best['label']} is {how} by {-best['difference']:.3f} in "
        f"{best['compared']} [{-best['difference_high']:.3f}, {-best['difference_low']:.3f}];"
        f"{more} MFM is ahead of {len(ahead)} of {len(others)}, {sure}."
    )
