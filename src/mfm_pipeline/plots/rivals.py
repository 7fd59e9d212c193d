"""Many models side by side: their scores, and their ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfm_pipeline.plots.style import COLOURS, MUTED, new_figure, tidy
from mfm_pipeline.plots.text import plain

_ROW = 0.21
"""Inches of height a model."""

_FAMILIES = ("classical", "kernels", "hidden states", "deep", "factorized")
_COLOURS = dict(zip(_FAMILIES, COLOURS, strict=False))
"""The trivial family, and any other, is grey."""


def plot_scores(scores: pd.DataFrame, metric: str, source: str, *, highlight: str) -> Figure:
    """Plot mean and standard deviation over seeds of each model, the best at the top.

    Parameters
    ----------
    scores : DataFrame
        One row a model: ``label``, ``family``, ``mean``, ``sd`` (NaN for one seed); in the
        order of families. A model of the family ``trivial`` is a line as well; further from
        the others than they are from each other, it is an arrow at the edge.
    metric : str
    source : str
        Whose data it is, for the title.
    highlight : str
        Label of the model that has a line of its own.
    """
    table = scores.sort_values("mean", kind="stable").reset_index(drop=True)
    figure, axes = _figure(len(table))
    colours = _colours(scores)
    spread = table["sd"].fillna(0)
    ends = table["mean"] - spread, table["mean"] + spread
    far = _far(table, ends)
    _draw(axes, table, "mean", ends, colours, highlight, far)
    for label in (*table.loc[table["family"] == "trivial", "label"], highlight):
        value = table.loc[table["label"] == label, "mean"]
        if len(value) and not far[value.index[0]]:
            axes.axvline(value.iloc[0], color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
    for place, (mean, sd) in enumerate(zip(table["mean"], table["sd"], strict=True)):
        told = f"{mean:.3f}" + (f" ± {sd:.3f}" if np.isfinite(sd) else "")
        axes.text(1.01, place, told, transform=axes.get_yaxis_transform(), fontsize=7, va="center")
    title = f"{plain(source, 60)}: {plain(metric)} on test, mean and standard deviation of seeds"
    _finish(figure, axes, table, colours, title, plain(metric))
    return figure


def plot_ranks(ranks: pd.DataFrame, source: str, over: str, *, highlight: str) -> Figure:
    """Plot the mean rank of each model with an interval, the best at the top.

    Parameters
    ----------
    ranks : DataFrame
        One row a model: ``label``, ``family``, ``rank``, ``low``, ``high``; 1 is the best.
    source : str
        Whose data it is, for the title.
    over : str
        What ranks are the mean over, and what the interval is of.
    highlight : str
        Label of the model that stands out.
    """
    table = ranks.sort_values("rank", ascending=False, kind="stable").reset_index(drop=True)
    figure, axes = _figure(len(table))
    colours = _colours(ranks)
    # Ranks of resamples lie closer together: an interval may be beside its point.
    near = np.zeros(len(table), dtype=int)
    _draw(axes, table, "rank", (table["low"], table["high"]), colours, highlight, near)
    axes.set_xlim(0.5, len(table) + 0.5)
    _finish(figure, axes, table, colours, f"{plain(source, 50)}: {over}", "rank (1 is the best)")
    return figure


def _far(
    table: pd.DataFrame, ends: tuple[pd.Series[float], pd.Series[float]]
) -> NDArray[np.signedinteger[Any]]:
    """Return -1 or 1 of trivial models far below or above all others, else 0."""
    trivial = (table["family"] == "trivial").to_numpy()
    low, high = ends[0][~trivial].min(), ends[1][~trivial].max()
    below, above = table["mean"] < 2 * low - high, table["mean"] > 2 * high - low
    return np.where(trivial, above.astype(int) - below.astype(int), 0)


def _figure(models: int) -> tuple[Figure, Axes]:
    figure, axes = new_figure(7.2, 1.5 + _ROW * models)
    return figure, axes


def _colours(table: pd.DataFrame) -> dict[str, str]:
    """Return a colour a family, the same whichever of them there are."""
    return {family: _COLOURS.get(family, MUTED) for family in dict.fromkeys(table["family"])}


def _draw(
    axes: Axes,
    table: pd.DataFrame,
    value: str,
    ends: tuple[pd.Series[float], pd.Series[float]],
    colours: Mapping[str, str],
    highlight: str,
    far: NDArray[np.signedinteger[Any]],
) -> None:
    """Draw a point and an interval a row; at the edge what is far below or above, -1 or 1."""
    places = np.arange(len(table))
    own = [colours[family] for family in table["family"]]
    near = far == 0
    low, high = (end[near] for end in ends)
    shown = [colour for colour, inside in zip(own, near, strict=True) if inside]
    axes.hlines(places[near], low, high, colors=shown, linewidth=1.2)
    for place in places[~near]:
        edge, marker = (1, ">") if far[place] > 0 else (0, "<")
        axes.scatter(
            edge, place, s=24, marker=marker, color=own[place], zorder=3, clip_on=False,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    marked = (table["label"] == highlight).to_numpy()
    for which, marker, size in ((near & ~marked, "o", 20), (near & marked, "D", 42)):
        axes.scatter(
            table[value][which], places[which], s=size, marker=marker, zorder=3,
            color=[colour for colour, chosen in zip(own, which, strict=True) if chosen],
        )  # fmt: skip


def _finish(
    figure: Figure,
    axes: Axes,
    table: pd.DataFrame,
    colours: Mapping[str, str],
    title: str,
    x: str,
) -> None:
    axes.set_yticks(range(len(table)), [plain(name) for name in table["label"]], parse_math=False)
    axes.set_ylim(-0.7, len(table) - 0.3)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    tidy(axes, x=x)
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=5, color=colour, label=family)
        for family, colour in colours.items()
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False
    )
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
