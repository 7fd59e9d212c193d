"""Methods side by side: a bar each, with the spread over seeds, Figure 2(b)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mfm_pipeline.plots.style import COLOURS, MUTED, new_figure, tidy
from mfm_pipeline.plots.text import plain

_COLUMNS = 2
"""Metrics side by side."""


def plot_comparison(
    scores: pd.DataFrame,
    metric: str | Sequence[str],
    source: str,
    *,
    highlight: Sequence[str] = ("MFM",),
) -> Figure:
    """Plot the mean of each method as a bar and each seed as a dot.

    The axis starts at zero, or close below the lowest value where all values lie far
    from zero and close to each other; its label then says so.

    Parameters
    ----------
    scores : DataFrame
        One row a method and seed: ``method``, ``seed`` and a column a metric, NaN where
        a method does not have it. Methods stand in the order in which they first occur.
    metric : str or sequence of str
        Of several each has axes of its own.
    source : str
        Whose data it is, for the title.
    highlight : sequence of str
        Methods in colour; the others are grey.
    """
    metrics = [metric] if isinstance(metric, str) else list(metric)
    methods = [str(method) for method in scores["method"].unique()]
    columns = min(len(metrics), _COLUMNS)
    rows = -(-len(metrics) // columns)
    width = (1.25 if columns == 1 else 0.8) * len(methods) + 1.6
    figure, grid = new_figure(
        columns * width, 3.6 if rows == 1 else 2.7 * rows, nrows=rows, ncols=columns, squeeze=False
    )
    for axes, name in zip(grid.flat, metrics, strict=False):
        _draw_bars(axes, scores, name, methods, highlight)
    for axes in grid.flat[len(metrics) :]:
        axes.set_axis_off()
    seeds = scores["seed"].nunique()
    told = f"mean and standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    figure.suptitle(
        f"{plain(source, 60)}: {told}", fontsize=10, x=0.01, ha="left", parse_math=False
    )
    return figure


def _draw_bars(
    axes: Axes, scores: pd.DataFrame, metric: str, methods: list[str], highlight: Sequence[str]
) -> None:
    """Draw the bars of one metric; a method without it keeps its place, empty."""
    by_method = {
        str(method): group[metric].dropna().to_numpy(np.float64)
        for method, group in scores.groupby("method", sort=False)
    }
    floor, top = _limits(np.concatenate(list(by_method.values())))
    for place, method in enumerate(methods):
        found = by_method[method]
        if not len(found):
            continue
        mean, spread = found.mean(), found.std(ddof=1) if len(found) > 1 else 0.0
        colour = COLOURS[0] if method in highlight else MUTED
        axes.bar(place, mean - floor, bottom=floor, width=0.6, color=colour, alpha=0.75)
        if len(found) > 1:
            axes.errorbar(place, mean, spread, color="black", capsize=4, linewidth=1)
        # Beside each other, so that equal seeds both show.
        beside = np.linspace(-0.16, 0.16, len(found)) if len(found) > 1 else np.zeros(1)
        axes.scatter(
            place + beside, found, s=16, color="white", edgecolor="black", linewidth=0.7, zorder=3
        )
        told = f"{mean:.3f}" + (f"\n± {spread:.3f}" if len(found) > 1 else "")
        axes.annotate(
            told, (place, max(found.max(), mean + spread)), (0, 5), textcoords="offset points",
            fontsize=8, ha="center", va="bottom",
        )  # fmt: skip
    axes.set_xticks(range(len(methods)), [plain(name) for name in methods], parse_math=False)
    axes.set_xlim(-0.5, len(methods) - 0.5)
    axes.set_ylim(floor, top)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    label = plain(metric, 24)
    tidy(axes, y=label if floor == 0 else f"{label} (axis from {floor:g})")
    axes.yaxis.label.set_parse_math(False)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Return where the axis starts and ends, with room for what is written above bars."""
    low, high = values.min(), values.max()
    if low < 0 or high - low > low / 3:
        floor = min(0.0, low)
    else:
        width = max(high - low, 0.02 * high)
        step = 10.0 ** np.floor(np.log10(width))
        floor = max(0.0, float(np.round(np.floor((low - width) / step) * step, 10)))
    return floor, high + 0.3 * (high - floor)
