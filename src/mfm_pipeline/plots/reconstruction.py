"""Reconstruction error a modality."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline.plots.style import COLOURS, MUTED, new_figure, tidy


def plot_reconstruction(errors: pd.DataFrame, source: str) -> Figure:
    """Plot the spread of each modality's reconstruction error over test samples.

    Parameters
    ----------
    errors : DataFrame
        As `mfm_pipeline.evaluation.reconstruction_errors` returns it; empty if the
        model generates nothing, which the figure then says.
    source : str
        Whose data it is, for the title.
    """
    modalities = list(errors["modality"].unique())
    figure, axes = new_figure(1.6 * max(2, len(modalities)) + 2.4, 3.4)
    for position, name in enumerate(modalities):
        of_modality = errors[errors["modality"] == name]
        for offset, column, colour in ((-0.18, "mse", COLOURS[0]), (0.18, "mse_of_mean", MUTED)):
            axes.boxplot(
                of_modality[column],
                positions=[position + offset],
                widths=0.3,
                showfliers=False,
                patch_artist=True,
                boxprops={"facecolor": colour, "alpha": 0.6, "linewidth": 0.6},
                medianprops={"color": "black"},
            )
    axes.set_xticks(range(len(modalities)), modalities)
    axes.set_ylim(bottom=0)
    tidy(axes, y="mean square error a sample")
    if modalities:
        handles = [axes.patches[0], axes.patches[1]]
        axes.legend(handles, ["MFM", "training mean"], fontsize=8, frameon=False)
    else:
        told = {"ha": "center", "va": "center", "fontsize": 8, "color": MUTED}
        axes.text(0.5, 0.5, "the model generates nothing", transform=axes.transAxes, **told)
        axes.set_axis_off()
    figure.suptitle(f"Reconstruction on {source}, test", fontsize=10, x=0.01, ha="left")
    return figure
