"""Many models side by side: what is drawn where, and that nothing is cut."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from mfm_pipeline import plots

FAMILIES = ("trivial", "classical", "kernels", "hidden states", "deep", "factorized")


def models(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, count)
    return pd.DataFrame(
        {
            "label": [f"MODEL-{i} $x" for i in range(count - 1)] + ["MFM"],
            "family": [FAMILIES[i * len(FAMILIES) // count] for i in range(count)],
            "mean": values,
            "sd": np.where(np.arange(count) % 2, 0.05, np.nan),
            "rank": values * count,
            # Of ranks an interval may be beside its point.
            "low": values * count + 0.5,
            "high": values * count + 2.0,
        }
    )


def drawn(kind: str, table: pd.DataFrame) -> Figure:
    if kind == "scores":
        return plots.plot_scores(table, "r", "toy (synthetic data)", highlight="MFM")
    return plots.plot_ranks(table, "toy (synthetic data)", "mean rank in r", highlight="MFM")


@pytest.mark.parametrize("kind", ["scores", "ranks"])
def test_the_best_is_at_the_top_and_no_label_is_cut(kind: str) -> None:
    table = models(35)
    figure = drawn(kind, table)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    names = [label.get_text() for label in axes.get_yticklabels()]
    column, rises = ("mean", True) if kind == "scores" else ("rank", False)
    assert names == table.sort_values(column, ascending=rises)["label"].tolist()
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    boxes += [text.get_window_extent() for text in axes.texts]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    by_height = sorted(boxes[:35], key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 for below, above in itertools.pairwise(by_height))
    assert "toy (synthetic data)" in figure.get_suptitle()
    (legend,) = figure.legends
    assert tuple(text.get_text() for text in legend.get_texts()) == FAMILIES


@pytest.mark.parametrize("kind", ["scores", "ranks"])
def test_points_and_intervals_are_those_given(kind: str) -> None:
    table = models(6)
    figure = drawn(kind, table)
    (axes,) = figure.axes
    column = "mean" if kind == "scores" else "rank"
    ordered = table.sort_values(column, ascending=kind == "scores").reset_index(drop=True)
    lines, *points = axes.collections
    found = {
        round(float(y)): float(x) for dots in points for x, y in np.asarray(dots.get_offsets())
    }
    assert found == pytest.approx(dict(enumerate(ordered[column])))
    spread = ordered["sd"].fillna(0)
    low = ordered["mean"] - spread if kind == "scores" else ordered["low"]
    high = ordered["mean"] + spread if kind == "scores" else ordered["high"]
    ends = [segment[:, 0].tolist() for segment in lines.get_segments()]
    np.testing.assert_allclose(ends, np.column_stack([low, high]))
    # MFM alone has another marker.
    assert [len(dots.get_offsets()) for dots in points] == [5, 1]


def test_scores_are_written_with_their_spread_and_lines_mark_mfm_and_the_trivial() -> None:
    table = models(6)
    (axes,) = drawn("scores", table).axes
    told = {text.get_text() for text in axes.texts}
    for row in table.itertuples():
        spread = "" if np.isnan(row.sd) else f" ± {row.sd:.3f}"
        assert f"{row.mean:.3f}{spread}" in told
    places = {float(np.asarray(line.get_xdata())[0]) for line in axes.lines}
    assert places == {table["mean"].iloc[0], table["mean"].iloc[5]}


def test_a_trivial_model_far_from_the_others_is_an_arrow_at_the_edge() -> None:
    """So that it leaves room for what differs little."""
    table = models(6).assign(mean=[0.0, 0.80, 0.81, 0.82, 0.83, 0.84], sd=0.01)
    figure = drawn("scores", table)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    left, right = axes.get_xlim()
    assert 0.7 < left < 0.79 and 0.85 < right < 0.9
    arrow, *points = [one for one in axes.collections if isinstance(one, PathCollection)]
    assert np.asarray(arrow.get_offsets()).tolist() == [[0, 0]]
    assert sum(len(dots.get_offsets()) for dots in points) == 5
    assert "0.000 ± 0.010" in {text.get_text() for text in axes.texts}
    # As near as the others are to each other, it is a point among them, with its line.
    near = drawn("scores", table.assign(mean=[0.76, 0.80, 0.81, 0.82, 0.83, 0.84]))
    assert near.axes[0].get_xlim()[0] < 0.76 and len(near.axes[0].lines) == 2


def test_trivial_models_alone_are_points() -> None:
    (axes,) = drawn("scores", models(6).iloc[:1]).axes
    points = [one for one in axes.collections if isinstance(one, PathCollection)]
    assert [len(dots.get_offsets()) for dots in points] == [1, 0] and len(axes.lines) == 1
