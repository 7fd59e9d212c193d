"""Training with Lightning: the loop, what it logs, checkpoints and resuming."""

import logging

from mfm_pipeline.training.fit import TrainedModel, fit
from mfm_pipeline.training.options import TrainingOptions

# What Lightning says at its start is about devices that are not there.
for _name in ("lightning", "lightning.pytorch", "lightning.fabric"):
    logging.getLogger(_name).setLevel(logging.WARNING)

__all__ = ["TrainedModel", "TrainingOptions", "fit"]
