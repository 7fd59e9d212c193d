"""Figures: data in, figure out."""

from mfm_pipeline.plots.aligned_sample import choose_sample, plot_aligned_sample
from mfm_pipeline.plots.comparison_bars import plot_comparison
from mfm_pipeline.plots.data import plot_data
from mfm_pipeline.plots.flow_page import flow_page
from mfm_pipeline.plots.gradient_flow import plot_gradient_flow
from mfm_pipeline.plots.image_grid import plot_image_grid, plot_style_transfer
from mfm_pipeline.plots.information import plot_ratios
from mfm_pipeline.plots.missing import plot_holes, plot_noise, plot_patterns
from mfm_pipeline.plots.predictions import plot_predictions
from mfm_pipeline.plots.reconstruction import plot_reconstruction
from mfm_pipeline.plots.rivals import plot_ranks, plot_scores
from mfm_pipeline.plots.training import plot_training

__all__ = [
    "choose_sample",
    "flow_page",
    "plot_aligned_sample",
    "plot_comparison",
    "plot_data",
    "plot_gradient_flow",
    "plot_holes",
    "plot_image_grid",
    "plot_noise",
    "plot_patterns",
    "plot_predictions",
    "plot_ranks",
    "plot_ratios",
    "plot_reconstruction",
    "plot_scores",
    "plot_style_transfer",
    "plot_training",
]
