"""Training with Lightning: the loop, what it logs, checkpoints and resuming."""

from mfm_pipeline.training.fit import TrainedModel, fit
from mfm_pipeline.training.options import Monitor, TrainingOptions
from mfm_pipeline.training.predictor import TrainedPredictor, fit_predictor

__all__ = [
    "Monitor",
    "TrainedModel",
    "TrainedPredictor",
    "TrainingOptions",
    "fit",
    "fit_predictor",
]
