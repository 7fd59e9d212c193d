"""Training curves with their parts."""

from __future__ import annotations

from math import ceil

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
    names = [
        column.removeprefix("train/") for column in map(str, history) if column.startswith("train/")
    ]
    columns = min(3, len(names))
    rows = ceil(len(names) / columns)
    epochs, monitored = history["epoch"].to_numpy(), history[monitor].to_numpy()
    figure, grid = new_figure(
        3.0 * columns, 2.3 * rows + 0.4, nrows=rows, ncols=columns, squeeze=False
    )
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    best = int(epochs[monitored.argmin()])
    for axes, name in zip(grid.flat, names, strict=False):
        for split, colour in SPLITS.items():
            axes.plot(history["epoch"], history[f"{split}/{name}"], color=colour, label=split)
        axes.axvline(best, color=COLOURS[1], linewidth=0.8, linestyle="--")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        tidy(axes, title=name, x="epoch", y="cost")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(
        f"Training on {source}; weights of epoch {best} kept (lowest {monitor})",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    return figure
