"""Figures of missing modalities say what they show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mfm_pipeline.plots import plot_holes, plot_noise, plot_patterns


def test_each_cell_says_its_value_and_methods_without_any_are_left_out() -> None:
    table = pd.DataFrame(
        [
            ("surrogate", "language", 0.81),
            ("seq2seq", "language", np.nan),
            ("zeros", "language", 0.4),
            ("surrogate", "language+a$b", 0.6),
            ("zeros", "language+a$b", 0.2),
        ],
        columns=["method", "missing", "r"],
    )
    figure = plot_patterns(table, "r", 0.9, "Missing modalities, toy, protocol test")
    axes, bar = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["surrogate", "zeros"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["language", "language\n+ a$b"]
    cells = {tuple(map(int, text.get_position())): text for text in axes.texts}
    assert {place: text.get_text() for place, text in cells.items()} == {
        (0, 0): "0.810", (1, 0): "0.600", (0, 1): "0.400", (1, 1): "0.200",
    }  # fmt: skip
    # Readable on dark and on light.
    assert cells[0, 0].get_color() == "white" and cells[1, 1].get_color() == "black"
    assert bar.get_ylabel() == "r" and "missing" in axes.get_xlabel()
    assert figure.get_suptitle() == (
        "Missing modalities, toy, protocol test\n"
        "r of each method; full model with all present: 0.900"
    )
    figure.canvas.draw()


def curve(group: str, x: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {group: name, x: place, "seed": seed, "draw": draw, "acc": level - place + 0.1 * draw}
            for name, level in {"b": 0.9, "a": 0.7}.items()
            for place in (0.0, 0.5)
            for seed in range(2)
            for draw in range(3)
        ]
    )


def test_lines_are_means_in_the_order_of_the_table() -> None:
    for plot, group, x, axis in (
        (plot_holes, "method", "share", "test samples"),
        (plot_noise, "modality", "sd", "standard deviations"),
    ):
        figure = plot(curve(group, x), "acc", "toy")
        (axes,) = figure.axes
        lines = {line.get_label(): line for line in axes.lines}
        assert list(lines) == ["b", "a"]
        np.testing.assert_allclose(lines["b"].get_xdata(), [0.0, 0.5])
        np.testing.assert_allclose(lines["b"].get_ydata(), [1.0, 0.5])
        np.testing.assert_allclose(lines["a"].get_ydata(), [0.8, 0.3])
        assert axes.get_ylabel() == "acc" and axis in axes.get_xlabel()
        assert axes.get_legend().get_title().get_text() == group
        told = figure.get_suptitle().splitlines()
        assert told[0] == "toy" and "over 2 seeds and 3 draws of" in told[1]
        figure.canvas.draw()


def test_one_seed_and_one_draw_have_no_spread() -> None:
    single = curve("method", "share").query("seed == 0 and draw == 0")
    assert plot_holes(single, "acc", "toy").get_suptitle() == "toy\none seed, one draw"
