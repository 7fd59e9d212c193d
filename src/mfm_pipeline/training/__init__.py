"""Training with Lightning: the loop, what it logs, checkpoints and resuming."""

from mfm_pipeline.training.fit import TrainedModel, fit
from mfm_pipeline.training.options import Monitor, TrainingOptions

__all__ = ["Monitor", "TrainedModel", "TrainingOptions", "fit"]
