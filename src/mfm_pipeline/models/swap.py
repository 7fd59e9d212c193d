"""Swapped styles: what is read from a modality that was generated in another sample's style."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.mfm import DISCRIMINATIVE, MFM, Factors, MfmOutput


class Swapped(NamedTuple):
    """What is read from one modality with the styles of a batch swapped.

    Attributes
    ----------
    heads : Tensor, shape (n, heads, outputs)
        Ŷ of each head, raw.
    known : Tensor of bool, shape (n,)
        Where the sample that the style is taken from has the modality.
    """

    heads: Tensor
    known: Tensor


def read_swapped(
    model: MFM, output: MfmOutput, inputs: Inputs, modalities: Collection[str]
) -> dict[str, Swapped]:
    """Generate modalities with the styles of a batch swapped, and read the label from each.

    Each Fai is that of the sample before, the first one's that of the last; Fy stays.
    What is generated, X̂i = Fi(Fy, Fai), is read by Q(Zy | X1:M), Gy and D with no other
    modality beside it. They read as in evaluation mode, and their weights get no gradient
    from here: it is the decoders that learn to be read, as with the latent code of InfoGAN
    (Chen et al., 2016) or the swapped codes of Jha et al. (Cycle-Consistent VAEs, 2018).

    Parameters
    ----------
    model : MFM
    output : MfmOutput
        Of the model on `inputs`.
    inputs : Inputs
        A batch.
    modalities : collection of str
        What to generate and read; what the model does not both is left out.

    Returns
    -------
    dict of str to Swapped
    """
    if DISCRIMINATIVE not in model.latents or not len(model.encoders):
        return {}
    read = [name for name in model.modalities if name in model.reads and name in modalities]
    styles = {name: output.factors.generative[name].roll(1, dims=0) for name in read}
    steps = next((mask.shape[1] for mask in inputs.steps.values()), model.steps)
    owners = inputs[torch.arange(len(inputs), device=output.heads.device).roll(1)]
    factors = Factors(output.factors.discriminative, styles)
    generated = model.decode(factors, steps, owners.present)
    swapped = {}
    with _reading_only(model):
        for name, values in generated.items():
            heads = model.read(_alone(name, values, owners))
            swapped[name] = Swapped(heads, owners.present[name])
    return swapped


def _alone(name: str, values: Tensor, owners: Inputs) -> Inputs:
    """Return the owners of styles with one modality, generated, in place of all they have."""
    known = owners.observed(name)
    known = known.reshape(known.shape + (1,) * (values.dim() - known.dim()))
    generated = replace(owners, values=owners.values | {name: torch.where(known, values, 0)})
    lost = {other: mask for other, mask in owners.present.items() if other != name}
    return generated.without(lost)


@contextmanager
def _reading_only(model: MFM) -> Iterator[None]:
    """Put the model in evaluation mode and its weights out of reach of gradients."""
    training = model.training
    learned = [weights for weights in model.parameters() if weights.requires_grad]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for weights in learned:
            weights.requires_grad_(True)
