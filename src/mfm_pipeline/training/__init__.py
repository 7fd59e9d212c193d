"""Training with Lightning: the loop, what it logs, checkpoints and resuming."""

from mfm_pipeline.training.fit import TrainedModel, fit
from mfm_pipeline.training.options import TrainingOptions

__all__ = ["TrainedModel", "TrainingOptions", "fit"]
