"""Figures show the numbers that they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mfm_pipeline.plots import plot_predictions, plot_reconstruction, plot_training


def test_training_curves_mark_the_best_epoch() -> None:
    history = pd.DataFrame(
        {
            "epoch": [0, 1, 2],
            "train/loss": [3.0, 2, 1],
            "valid/loss": [3.0, 1, 2],
            "train/reconstruction/visual": [1.0, 1, 1],
            "valid/reconstruction/visual": [2.0, 2, 2],
        }
    )
    figure = plot_training(history, "valid/loss", "toy (synthetic data)")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == ["loss", "reconstruction/visual"]
    np.testing.assert_array_equal(shown[0].lines[1].get_ydata(), [3, 1, 2])
    np.testing.assert_array_equal(shown[0].lines[2].get_xdata(), [1, 1])
    title = figure.get_suptitle()
    assert "epoch 1" in title and "synthetic" in title


def test_predictions_of_test_alone() -> None:
    table = pd.DataFrame(
        {"split": ["train", "test"], "true/a": [9.0, 1.0], "predicted/a": [9.0, 2.0]}
    )
    (axes,) = plot_predictions(table, ("a",), "toy").axes
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), [[1.0, 2.0]])


def test_confusion_counts() -> None:
    table = pd.DataFrame({"split": "test", "true": ["a", "a", "b"], "predicted": ["a", "b", "b"]})
    (axes,) = plot_predictions(table, ("a", "b"), "toy").axes
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["1\n50%", "1\n50%", "0", "1\n100%"]


def test_reconstruction_medians() -> None:
    errors = pd.DataFrame({"modality": ["x"] * 3, "mse": [1.0, 2, 9], "mse_of_mean": [4.0, 5, 6]})
    (axes,) = plot_reconstruction(errors, "toy").axes
    medians = {line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1}
    assert {2.0, 5.0} <= medians
