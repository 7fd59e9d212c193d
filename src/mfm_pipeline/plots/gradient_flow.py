"""Gradient flow through time of one sample, Figure 4."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline.plots.style import COLOURS, new_figure, tidy
from mfm_pipeline.plots.text import plain


def plot_gradient_flow(flow: pd.DataFrame, title: str) -> Figure:
    """Plot a row a modality, words along the axis.

    Parameters
    ----------
    flow : DataFrame
        Rows of one sample, as `mfm_pipeline.interpretation.flow_table` returns them. Steps
        without words are numbered from 1.
    title : str
        Which sample of whose data it is, and what is said of it.
    """
    by_modality = {str(name): rows for name, rows in flow.groupby("modality", sort=False)}
    steps = max(len(rows) for rows in by_modality.values())
    width = float(np.clip(0.34 * steps + 2.0, 5.0, 18.0))
    figure, grid = new_figure(
        width, 1.25 * len(by_modality) + 1.5, nrows=len(by_modality), squeeze=False
    )
    for k, (axes, (name, rows)) in enumerate(zip(grid[:, 0], by_modality.items(), strict=True)):
        places = np.arange(len(rows))
        axes.bar(places, rows["flow"], width=0.8, color=COLOURS[k % len(COLOURS)], alpha=0.8)
        axes.set_xlim(-0.6, steps - 0.4)
        axes.set_ylim(0, 1.08 * max(float(rows["flow"].max()), np.finfo(float).tiny))
        axes.locator_params(axis="y", nbins=3)
        tidy(axes, title=plain(name))
        axes.set_title(plain(name), fontsize=10, loc="left", fontweight="bold", parse_math=False)
        named = name == list(by_modality)[-1] or len(rows) != steps
        words = rows["word"].to_list() if named else []
        labels = [plain(word, 14) or str(k + 1) for k, word in enumerate(words)]
        axes.set_xticks(
            places, labels or [""] * len(places), rotation=45, ha="right",
            rotation_mode="anchor", parse_math=False,
        )  # fmt: skip
    figure.supylabel("gradient flow  ‖∂x̂ / ∂fy‖²", fontsize=9)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
    return figure
