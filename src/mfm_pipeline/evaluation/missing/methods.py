"""Methods that infer samples which lack modalities, beside the surrogate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from mfm_pipeline.data import Split
from mfm_pipeline.evaluation.missing.fills import Fill, MeanFill, fill_in, over, zeros
from mfm_pipeline.evaluation.missing.neighbours import NeighbourFill
from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.completed import FULL, NOTHING, Completed

Method = Callable[[Inputs], Completed]
"""From a batch whose samples may lack modalities to what is inferred of them."""

ABSENT, ZEROS, MEAN, NEIGHBOURS = "absent", "zeros", "mean", "knn"
GENERATIVE, DISCRIMINATIVE = "seq2seq", "discriminative"


class FilledModel:
    """A model that knows nothing of surrogates, with or without something in the holes.

    Parameters
    ----------
    model : MFM
    fill : Fill, optional
        Takes the place of what is missing, and counts as its reconstruction. Without,
        the model is told what is absent, and what it generates then counts.
    """

    def __init__(self, model: MFM, fill: Fill | None = None) -> None:
        self.model = model
        self.fill = fill

    def __call__(self, inputs: Inputs) -> Completed:
        """Infer a batch."""
        inputs = inputs.gather()
        values = {} if self.fill is None else self.fill(inputs)
        output = self.model(fill_in(inputs, values))
        reconstructions = dict(output.reconstructions)
        for name, value in values.items():
            missing = over(~inputs.present[name], value)
            reconstructions[name] = torch.where(
                missing, value, reconstructions.get(name, inputs.values[name])
            )
        return Completed(
            latents={name: latent.sample for name, latent in output.latents.items()},
            heads=output.heads,
            prediction=self.model.to_target_units(output.prediction),
            reconstructions=reconstructions,
            inferred_by=_inferred_by(inputs, self.model.reads),
        )


class GenerativeOnly:
    """A model that makes what is missing from what is observed, and says nothing of the label.

    Parameters
    ----------
    model : MFM
        Of which the reconstructions count alone.
    """

    def __init__(self, model: MFM) -> None:
        self.method = FilledModel(model)

    def __call__(self, inputs: Inputs) -> Completed:
        """Infer a batch; heads and prediction have no outputs."""
        completed = self.method(inputs)
        return completed._replace(
            heads=completed.heads[..., :0], prediction=completed.prediction[:, :0]
        )


def fillings(model: MFM, train: Split, k: int) -> dict[str, Method]:
    """Return the methods that need no training, by name.

    Parameters
    ----------
    model : MFM
    train : Split
        What means are taken of, and where neighbours are looked for.
    k : int
        Neighbours.
    """
    return {
        ABSENT: FilledModel(model),
        ZEROS: FilledModel(model, zeros),
        MEAN: FilledModel(model, MeanFill(train)),
        NEIGHBOURS: FilledModel(model, NeighbourFill(train, k)),
    }


def _inferred_by(inputs: Inputs, reads: tuple[str, ...]) -> np.ndarray:
    anything = torch.stack([inputs.present[name] for name in reads]).any(dim=0)
    return np.where(anything.numpy(), FULL, NOTHING)
