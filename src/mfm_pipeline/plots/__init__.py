"""Figures: data in, figure out."""

from mfm_pipeline.plots.predictions import plot_predictions
from mfm_pipeline.plots.reconstruction import plot_reconstruction
from mfm_pipeline.plots.training import plot_training

__all__ = ["plot_predictions", "plot_reconstruction", "plot_training"]
