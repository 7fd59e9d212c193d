"""Gradient flow of Equation 13: how much each step of each modality owes to Fy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mfm_pipeline.data import Split
from mfm_pipeline.interpretation.evaluating import evaluating
from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.modality import Decoder

BATCH_SIZE = 64
_RANK_TOLERANCE = 1e-12


def decoder_flow(
    decoder: Decoder, discriminative: Tensor, generative: Tensor, steps: int
) -> Tensor:
    """Return ``||d x̂ / d fy||_F^2`` of what a decoder generates, step by step, exactly.

    Fy enters a decoder by a linear map W. So nothing changes along directions that W
    maps to zero, and of an orthonormal basis of all directions only the rows of W's
    singular value decomposition count: the norm is the sum of the squares of as many
    forward derivatives as W has rank, at most the decoder's size, however wide Fy is
    and however many features a step has. All of them run side by side in one pass.

    Parameters
    ----------
    decoder : Decoder
    discriminative : Tensor, shape (n, fy)
    generative : Tensor, shape (n, fa)
    steps : int
        Steps T.

    Returns
    -------
    Tensor, shape (n, T), or (n, 1) for images
        An image is one step.
    """
    directions = _entered_directions(decoder, discriminative)
    return decoder.squared_derivatives(discriminative, generative, steps, directions)


def gradient_flow(model: MFM, inputs: Inputs, *, batch_size: int = BATCH_SIZE) -> dict[str, Tensor]:
    """Return Equation 13 for every sample, step and modality that the model generates.

    Parameters
    ----------
    model : MFM
    inputs : Inputs
    batch_size : int
        Samples at once.

    Returns
    -------
    dict of str to Tensor
        ``(n, T)``, left-justified as `Inputs` are, of sequences; ``(n, 1)`` of images.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in model.modalities}
    steps = next((mask.shape[1] for mask in inputs.steps.values()), model.steps)
    with evaluating(model), torch.no_grad():
        for batch in inputs.batches(batch_size):
            latents = model.encode(batch)
            factors = model.factorize({name: latent.sample for name, latent in latents.items()})
            for name, generative in factors.generative.items():
                decoder: Decoder = model.decoders[name]  # type: ignore[assignment]
                flow = decoder_flow(decoder, factors.discriminative, generative, steps)
                parts[name].append(flow)
    return {name: torch.cat(flows) for name, flows in parts.items()}


def flow_table(model: MFM, split: Split, *, batch_size: int = BATCH_SIZE) -> pd.DataFrame:
    """Return the gradient flow of a split as a table.

    Returns
    -------
    DataFrame
        One row a sample, modality and step that the sample has, images one a sample:
        ``id``, ``modality``, ``step`` (as the contract pads: the last is T - 1; of
        images 0), ``word`` (empty where there is none), ``flow``. Samples without any
        modality that the model reads have no rows.
    """
    inputs = Inputs.from_split(split)
    known = split.has_any(model.reads)
    mask = split.step_mask
    tables = []
    for name, flow in gradient_flow(model, inputs, batch_size=batch_size).items():
        if split.modalities[name].is_image:
            rows, steps = np.flatnonzero(known), np.zeros(int(known.sum()), np.int64)
            words, values = np.full(len(rows), ""), flow[:, 0].numpy()[rows]
        else:
            assert mask is not None
            rows, steps = np.nonzero(mask & known[:, None])
            words = np.full(len(rows), "") if split.words is None else split.words[rows, steps]
            values = inputs.restore(flow).numpy()[rows, steps]
        table = {"id": split.ids[rows], "modality": name, "step": steps, "word": words}
        tables.append(pd.DataFrame(table | {"flow": values.astype(np.float64)}))
    return pd.concat(tables, ignore_index=True)


def _entered_directions(decoder: Decoder, discriminative: Tensor) -> Tensor:
    """Return an orthonormal basis, in rows, of the directions of Fy that reach the decoder."""
    size = discriminative.shape[1]
    weight = decoder.entry_weight()
    if weight is None or weight.shape[0] >= size:
        return torch.eye(size, dtype=discriminative.dtype, device=discriminative.device)
    _, singular, rows = torch.linalg.svd(weight[:, :size], full_matrices=False)
    basis: Tensor = rows[singular > _RANK_TOLERANCE * singular[0]]
    return basis
