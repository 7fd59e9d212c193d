"""Modalities that samples lack, generated from those that they have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline.data import BoolArray, Modality, Split
from mfm_pipeline.evaluation.predict import completed_batches
from mfm_pipeline.models.completed import NOTHING, Complete
from mfm_pipeline.models.inputs import Inputs


def fill_split(infer: Complete, split: Split, batch_size: int) -> Split:
    """Put what is generated where a sample has nothing of a modality.

    It is marked as `Modality.generated`, and lies at the steps of the sample, which are
    those from the first that anything observed. What is observed stays as it is; a sample
    with nothing observed stays empty, and so does a modality that the model generates not.

    Parameters
    ----------
    infer : callable
        From `Inputs` to `Completed`.
    split : Split
        As the model was trained on: values are in its units.
    batch_size : int

    Returns
    -------
    Split
    """
    made: dict[str, list[NDArray[np.float32]]] = {}
    able: list[BoolArray] = []
    for batch, done in completed_batches(infer, split, batch_size):
        able.append(done.inferred_by != NOTHING)
        for name, values in done.reconstructions.items():
            lacking = ~batch.present[name]
            made.setdefault(name, []).append(_contract(batch, name, values)[lacking].numpy())
    whose = np.concatenate(able)
    modalities = {
        name: _filled(modality, np.concatenate(made[name]), whose, split.step_mask)
        if name in made
        else modality
        for name, modality in split.modalities.items()
    }
    return replace(split, modalities=modalities)


def _contract(batch: Inputs, name: str, values: Tensor) -> Tensor:
    """Return reconstructions as the contract has them: left-padded, or uint8."""
    if name in batch.steps:
        return batch.restore(values)
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def _filled(
    modality: Modality, made: NDArray[np.generic], whose: BoolArray, mask: BoolArray | None
) -> Modality:
    """Put `made`, of the samples that lack the modality in their order, where it is usable."""
    lacking = ~modality.present
    generated = lacking & whose
    chosen = made[generated[lacking]]
    present = modality.present | generated
    if modality.steps is None:
        if modality.rows is None:
            values = modality.values.copy()
            values[generated] = chosen
            return replace(modality, values=values, present=present, generated=generated)
        # Samples share images: what is made comes behind those that are there.
        rows = modality.rows.copy()
        rows[generated] = len(modality.values) + np.arange(len(chosen))
        values = np.concatenate([modality.values, chosen])
        return Modality(values, present, rows=rows, generated=generated)
    assert mask is not None
    values, steps = modality.values.copy(), modality.steps.copy()
    values[generated] = chosen
    steps[generated] = mask[generated]
    return replace(modality, values=values, present=present, steps=steps, generated=generated)
