"""Figure 4 and the bars of Table 6."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline.plots import plot_gradient_flow, plot_ratios


def texts_of(figure: Figure) -> str:
    figure.draw_without_rendering()
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    found += [label.get_text() for axes in figure.axes for label in axes.get_xticklabels()]
    found += [axes.get_title(loc="left") for axes in figure.axes]
    return "\n".join(found)


def flow_of(words: list[str], *, image: bool = False) -> pd.DataFrame:
    steps = len(words)
    tables = [
        pd.DataFrame({"modality": name, "step": range(steps), "word": words, "flow": 1.0 + k})
        for k, name in enumerate(("language", "acoustic"))
    ]
    if image:
        tables.insert(0, pd.DataFrame({"modality": ["face"], "step": 0, "word": "", "flow": 0.5}))
    return pd.concat(tables).assign(id="v[0]")


def test_a_row_a_modality_with_the_words_below() -> None:
    figure = plot_gradient_flow(flow_of(["so", "", "$good$", "字"]), "v[0]")
    assert len(figure.axes) == 2
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights == [[1.0] * 4, [2.0] * 4]
    labels = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert labels == ["so", "2", "$good$", "□"]
    assert {"language", "acoustic"} <= set(texts_of(figure).splitlines())


def test_images_are_one_bar_and_no_flow_is_drawn_too() -> None:
    table = flow_of([f"w{k}" for k in range(60)], image=True)
    table["flow"] = 0.0
    figure = plot_gradient_flow(table, "v[0]")
    assert [len(axes.patches) for axes in figure.axes] == [1, 60, 60]
    assert figure.get_figwidth() <= 18
    figure.draw_without_rendering()


def test_ratios_have_intervals_or_say_that_there_are_none() -> None:
    table = pd.DataFrame(
        {
            "modality": ["language", "acoustic", "visual"],
            "ratio": [0.72, np.nan, 1.3],
            "ratio_low": [0.64, np.nan, 1.1],
            "ratio_high": [0.8, np.nan, 1.6],
        }
    )
    figure = plot_ratios(table, "toy (synthetic data), test")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [0.72, 1.3]
    text = texts_of(figure)
    assert "not defined" in text and "0.72\n[0.64, 0.80]" in text and "visual" in text
    assert axes.get_ylim()[1] > 1.6
    assert plot_ratios(table.iloc[1:2], "toy").axes
