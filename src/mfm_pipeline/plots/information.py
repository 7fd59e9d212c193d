"""How much of each modality is Fy's and how much its own, Table 6 as bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline.plots.style import COLOURS, MUTED, new_figure, tidy
from mfm_pipeline.plots.text import plain


def plot_ratios(information: pd.DataFrame, source: str) -> Figure:
    """Plot the ratio of each modality as a bar with its interval.

    Parameters
    ----------
    information : DataFrame
        Of one kernel, as `mfm_pipeline.interpretation.information` returns it. Where
        the ratio is not defined, the figure says so.
    source : str
        Whose data it is, for the title.
    """
    figure, axes = new_figure(1.5 * len(information) + 2.0, 3.6)
    told = {"fontsize": 8, "ha": "center", "va": "bottom", "textcoords": "offset points"}
    for place, row in enumerate(information.itertuples()):
        ratio, low, high = (float(getattr(row, f"ratio{of}")) for of in ("", "_low", "_high"))
        if np.isnan(ratio):
            axes.annotate("not defined", (place, 0), (0, 4), color=MUTED, **told)
            continue
        axes.bar(place, ratio, width=0.55, color=COLOURS[0], alpha=0.75)
        axes.vlines(place, low, high, color="black", linewidth=1)
        axes.hlines([low, high], place - 0.06, place + 0.06, color="black", linewidth=1)
        axes.annotate(
            f"{ratio:.2f}\n[{low:.2f}, {high:.2f}]", (place, max(ratio, high)), (0, 4), **told
        )
    axes.axhline(1, color=MUTED, linewidth=0.8, linestyle="--")
    names = [plain(str(name)) for name in information["modality"]]
    axes.set_xticks(range(len(names)), names, parse_math=False)
    top = np.nanmax([1.0, *information["ratio"], *information["ratio_high"]])
    axes.set_ylim(0, 1.25 * top)
    tidy(axes, y="HSIC with Fy / HSIC with its own Fa")
    figure.suptitle(plain(source, 60), fontsize=10, x=0.01, ha="left", parse_math=False)
    return figure
