"""Missing modalities: each method on each pattern, and curves over holes and noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mfm_pipeline.plots.style import COLOURS, new_figure, tidy
from mfm_pipeline.plots.text import plain

_MARKERS = "osD^vPX*"
_BELOW_TEXT = 0.55
"""Share of the colour scale above which text is white."""


def plot_patterns(table: pd.DataFrame, metric: str, whole: float, title: str) -> Figure:
    """Draw a heat map of a metric, a row a method and a column a pattern of what is missing.

    Parameters
    ----------
    table : DataFrame
        ``method``, ``missing`` (``language+acoustic``) and the column `metric`, one row
        each; methods without any value have no row.
    metric : str
    whole : float
        What the full model reaches with all modalities, for the title.
    title : str
    """
    known = table[table[metric].notna()]
    grid = known.pivot(index="method", columns="missing", values=metric).reindex(
        index=known["method"].unique(), columns=known["missing"].unique()
    )
    values = grid.to_numpy(np.float64)
    rows, columns = values.shape
    figure, axes = new_figure(1.05 * columns + 2.6, 0.42 * rows + 1.9)
    image = axes.imshow(values, cmap="Blues", aspect="auto")
    low, high = image.get_clim()
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        dark = high > low and (value - low) / (high - low) > _BELOW_TEXT
        axes.text(
            column, row, f"{value:.3f}",
            ha="center", va="center", fontsize=8, color="white" if dark else "black",
        )  # fmt: skip
    labels = ["\n+ ".join(plain(name) for name in str(c).split("+")) for c in grid.columns]
    axes.set_xticks(range(columns), labels, parse_math=False)
    axes.set_yticks(range(rows), [plain(str(m)) for m in grid.index], parse_math=False)
    tidy(axes, x="missing from every test sample")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label(metric, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    _title(figure, f"{title}\n{metric} of each method; full model with all present: {whole:.3f}")
    return figure


def plot_holes(curve: pd.DataFrame, metric: str, title: str) -> Figure:
    """Draw a metric against the share of test samples that lose modalities.

    Parameters
    ----------
    curve : DataFrame
        A row a method, share, seed and draw: ``method``, ``share`` (0 to 1), ``seed``,
        ``draw`` and `metric`.
    metric : str
    title : str
    """
    figure, axes = new_figure(6.4, 4.0)
    _lines(axes, curve, "method", "share", metric)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    tidy(axes, x="test samples that lose modalities", y=metric)
    _title(figure, f"{title}\n{_spread_of(curve, 'holes')}")
    return figure


def plot_noise(curve: pd.DataFrame, metric: str, title: str) -> Figure:
    """Draw a metric against Gaussian noise on one modality.

    Parameters
    ----------
    curve : DataFrame
        A row a modality, level, seed and draw: ``modality``, ``sd``, ``seed``, ``draw``
        and `metric`.
    metric : str
    title : str
    """
    figure, axes = new_figure(6.4, 4.0)
    _lines(axes, curve, "modality", "sd", metric)
    tidy(axes, x="noise, in standard deviations of each feature in train", y=metric)
    _title(figure, f"{title}\n{_spread_of(curve, 'noise')}")
    return figure


def _lines(axes: Axes, curve: pd.DataFrame, group: str, x: str, y: str) -> None:
    """Draw the mean of each group as a line, with its standard deviation around it."""
    for place, (name, points) in enumerate(curve.groupby(group, sort=False)):
        colour = COLOURS[place % len(COLOURS)]
        by_x = points.groupby(x)[y]
        mean, spread = by_x.mean(), by_x.std().fillna(0.0)
        axes.fill_between(mean.index, mean - spread, mean + spread, color=colour, alpha=0.1, lw=0)
        # Markers grow smaller, so that lines on top of each other both show.
        axes.plot(
            mean.index, mean, color=colour, linewidth=1.5, marker=_MARKERS[place % len(_MARKERS)],
            markersize=max(7.0 - place, 3.0), label=plain(str(name)),
        )  # fmt: skip
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    legend = axes.legend(
        fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), title=group
    )
    legend.get_title().set_fontsize(8)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _spread_of(curve: pd.DataFrame, drawn: str) -> str:
    """Say what a point is the mean of, and the band the standard deviation."""
    seeds, draws = curve["seed"].nunique(), curve["draw"].nunique()
    told = [f"{seeds} seeds"] if seeds > 1 else []
    if draws > 1:
        told.append(f"{draws} draws of {drawn}")
    return (
        f"mean and standard deviation over {' and '.join(told)}" if told else "one seed, one draw"
    )


def _title(figure: Figure, title: str) -> None:
    lines = "\n".join(plain(line, 90) for line in title.splitlines())
    figure.suptitle(lines, fontsize=10, x=0.01, ha="left", parse_math=False)
