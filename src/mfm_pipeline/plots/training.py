"""Training curves with their parts."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mfm_pipeline.plots.style import COLOURS, MUTED, new_figure, tidy

SPLITS = {"train": MUTED, "valid": COLOURS[0]}


def plot_training(history: pd.DataFrame, monitor: str, source: str) -> Figure:
    """Plot every cost over the epochs, and mark the epoch whose weights were kept.

    Parameters
    ----------
    history : DataFrame
        One row an epoch, as `mfm_pipeline.training.fit` returns it.
    monitor : str
        The cost whose minimum chose the weights, such as ``valid/loss``.
    source : str
        Whose data it is, for the title.
    """
    names = [column.removeprefix("train/") for column in history if column.startswith("train/")]
    figure, grid = new_figure(3.2 * len(names), 3.0, ncols=len(names), squeeze=False)
    best = int(history["epoch"][history[monitor].idxmin()])
    for axes, name in zip(grid[0], names, strict=True):
        for split, colour in SPLITS.items():
            axes.plot(history["epoch"], history[f"{split}/{name}"], color=colour, label=split)
        axes.axvline(best, color=COLOURS[1], linewidth=0.8, linestyle="--")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        tidy(axes, title=name, x="epoch", y="cost" if axes is grid[0][0] else "")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(
        f"Training on {source}; weights of epoch {best} kept (lowest {monitor})",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    return figure
