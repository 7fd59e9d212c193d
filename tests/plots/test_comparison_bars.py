"""Bars show the means and every seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.plots import plot_comparison


def scores(**methods: list[float]) -> pd.DataFrame:
    rows = [(m, seed, v) for m, values in methods.items() for seed, v in enumerate(values)]
    return pd.DataFrame(rows, columns=["method", "seed", "acc"])


def test_bars_are_means_with_spread_and_dots() -> None:
    table = scores(UM=[0.2, 0.4, 0.3], MFM=[0.9, 0.8, 0.85])
    figure = plot_comparison(
        table.sample(frac=1, random_state=0).sort_values("method"), "acc", "toy"
    )
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["MFM", "UM"]
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(tops, [0.85, 0.3])
    assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == "acc"
    dots = [c.get_offsets()[:, 1] for c in axes.collections if len(c.get_offsets()) == 3]
    np.testing.assert_allclose(sorted(dots[0]), [0.8, 0.85, 0.9])
    assert [text.get_text() for text in axes.texts] == ["0.850\n± 0.050", "0.300\n± 0.100"]
    assert figure.get_suptitle() == "toy: mean and standard deviation of 3 seeds"
    # Ours is told apart.
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()


@pytest.mark.parametrize("low", [0.9, 0.955, 0.9871])
def test_close_values_far_from_zero_get_a_floor_that_is_said(low: float) -> None:
    (axes,) = plot_comparison(scores(MM=[low], MFM=[low + 0.01]), "acc", "toy").axes
    floor, top = axes.get_ylim()
    assert 0 < floor < low and low - floor <= 0.05 and top > low + 0.01
    assert axes.get_ylabel() == f"acc (axis from {floor:g})"
    bar = axes.patches[0]
    assert bar.get_y() == floor and bar.get_y() + bar.get_height() == pytest.approx(low)


def test_one_seed_and_equal_values() -> None:
    figure = plot_comparison(scores(MM=[0.9], MFM=[0.9]), "acc", "toy")
    assert figure.get_suptitle() == "toy: one seed"
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.900", "0.900"]
    figure.canvas.draw()


def test_several_metrics_have_axes_of_their_own() -> None:
    table = scores(MM=[0.5, 0.6], MFM=[0.9, 0.8]).assign(
        mse=[np.nan, np.nan, 2.0, 1.0], f1=[0.1, 0.2, 0.3, 0.4]
    )
    figure = plot_comparison(table, ["acc", "mse", "f1"], "toy")
    drawn = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_ylabel() for axes in drawn] == ["acc", "mse", "f1"]
    # What a method does not have leaves its place empty, and the order is one.
    for axes, tops in zip(drawn, ([0.55, 0.85], [1.5], [0.15, 0.35]), strict=True):
        assert [label.get_text() for label in axes.get_xticklabels()] == ["MM", "MFM"]
        np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in axes.patches], tops)
        assert axes.patches[-1].get_x() == pytest.approx(1 - 0.3)
    figure.canvas.draw()
