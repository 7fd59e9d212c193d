"""Predicted against true, or a confusion matrix."""

from __future__ import annotations

from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfm_pipeline.plots.style import COLOURS, MUTED, new_figure, tidy


def plot_predictions(predictions: pd.DataFrame, classes: tuple[str, ...], source: str) -> Figure:
    """Plot the test predictions of any task.

    Parameters
    ----------
    predictions : DataFrame
        As `mfm_pipeline.evaluation.predict_corpus` returns it.
    classes : tuple of str
        Names of the targets, labels or classes.
    source : str
        Whose data it is, for the title.
    """
    test = predictions[predictions["split"] == "test"]
    if "true" in test:
        figure, grid = new_figure(1.2 * len(classes) + 2.2, 1.0 * len(classes) + 1.8)
        _confusion(grid, test["true"], test["predicted"], classes)
    else:
        columns = min(4, len(classes))
        rows = ceil(len(classes) / columns)
        width, height = (4.2, 4.2) if len(classes) == 1 else (2.4 * columns, 2.4 * rows)
        figure, grid = new_figure(width, height, nrows=rows, ncols=columns, squeeze=False)
        for axes in grid.flat[len(classes) :]:
            axes.set_visible(False)
        for axes, name in zip(grid.flat, classes, strict=False):
            true, predicted = test[f"true/{name}"], test[f"predicted/{name}"]
            if f"probability/{name}" in test:
                _confusion(axes, true.astype(int), predicted.astype(int), (0, 1))
                axes.set_title(name, fontsize=10, loc="left", fontweight="bold")
            else:
                _scatter(axes, name, true, predicted)
    figure.suptitle(f"Test predictions on {source}", fontsize=10, x=0.01, ha="left")
    return figure


def _scatter(axes: Axes, name: str, true: pd.Series[float], predicted: pd.Series[float]) -> None:
    low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    margin = 0.05 * (high - low)
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=MUTED, linewidth=0.8, linestyle="--")
    axes.scatter(true, predicted, s=10, color=COLOURS[0], alpha=0.5, linewidths=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    tidy(axes, title=name, x="true", y="predicted")


def _confusion(
    axes: Axes,
    true: pd.Series[str] | pd.Series[int],
    predicted: pd.Series[str] | pd.Series[int],
    classes: tuple[str, ...] | tuple[int, ...],
) -> None:
    counts = np.array([[((true == t) & (predicted == p)).sum() for p in classes] for t in classes])
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        share = f"\n{shares[row, column]:.0%}" if counts[row, column] else ""
        axes.text(
            column,
            row,
            f"{counts[row, column]}{share}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if shares[row, column] > 0.5 else "black",
        )
    axes.set_xticks(range(len(classes)), [str(c) for c in classes])
    axes.set_yticks(range(len(classes)), [str(c) for c in classes])
    tidy(axes, x="predicted", y="true")
