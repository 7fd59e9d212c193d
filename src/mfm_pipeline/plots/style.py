"""One look for every figure."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#3366aa", "#dd7733", "#449955", "#aa4477", "#886644", "#55aacc")
MUTED = "#8a8a8a"


def new_figure(width: float, height: float, **subplots: Any) -> tuple[Figure, Any]:
    """Return a figure of its own, in inches, with axes; pyplot keeps none of it."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**subplots)


def tidy(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Label axes and take away what carries no data."""
    axes.set_title(title, fontsize=10, loc="left", fontweight="bold")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
