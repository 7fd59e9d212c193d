"""Parameters of training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mfm_pipeline.options import Options

Monitor = Literal["valid/loss", "valid/task", "valid/error"]
"""What may be watched on the validation split; the last one of multiclass tasks alone."""


class PlateauOptions(Options):
    """Divide the learning rate when the monitored cost no longer falls.

    Parameters
    ----------
    factor : float
        What the learning rate is multiplied by.
    patience : int
        Epochs without a new best before it is.
    """

    factor: float = Field(0.1, gt=0, lt=1)
    patience: int = Field(10, ge=0)


class TrainingOptions(Options):
    """Parameters of training.

    Parameters
    ----------
    seed : int
        Of initial weights, order of samples, dropout and prior draws.
    resume : bool
        Go on from the last finished epoch of the run that was broken off.
    epochs, batch_size : int
    learning_rate, weight_decay : float
        Of Adam (AdamW's decoupled decay).
    standardise_targets : bool
        Learn regression targets in units of train's median and spread;
        predictions are mapped back.
    schedule : {"plateau", "cosine", "constant"}
    plateau : PlateauOptions
    early_stopping : int
        Epochs without a new best after which training stops; 0 for never.
    monitor : str
        The cost that is watched on the validation split, as MLflow names it;
        ``valid/error`` is the share of wrong classes, of multiclass tasks.
    gradient_clip : float
        Largest norm of the gradient; 0 for no clipping.
    averaging : float
        Decay a step of the exponential average of the weights that is
        validated and kept; 0 for none.
    samples_every : int
        Epochs between figures of newly generated images in the MLflow run, of
        corpora with images and classes; 0 for none.
    accelerator, devices, strategy, precision
        As Lightning's ``Trainer`` takes them; several devices are driven by
        forked processes (``ddp_fork``) unless another strategy is named.
    compile : bool
        Pass the model through ``torch.compile``.
    """

    seed: int = Field(0, ge=0, lt=2**31)
    resume: bool = False
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    weight_decay: float = Field(0.0, ge=0, le=1)
    standardise_targets: bool = True
    schedule: Literal["plateau", "cosine", "constant"] = "plateau"
    plateau: PlateauOptions = PlateauOptions()
    early_stopping: int = Field(0, ge=0)
    monitor: Monitor = "valid/loss"
    gradient_clip: float = Field(1.0, ge=0)
    averaging: float = Field(0.0, ge=0, lt=1)
    samples_every: int = Field(0, ge=0)
    accelerator: str = "auto"
    devices: int | Literal["auto"] = 1
    strategy: str = "auto"
    precision: Literal["32-true", "64-true", "16-mixed", "bf16-mixed", "bf16-true", "16-true"] = (
        "32-true"
    )
    compile: bool = False
