"""Inputs of which only some modalities are seen, and inputs made of what was generated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Inputs


def observing(inputs: Inputs, names: Collection[str]) -> Inputs:
    """Return the same samples as if they had the modalities in `names` alone.

    Raises
    ------
    ParameterError
        If a name is not that of a modality, or there is none.
    """
    if not names or not set(names) <= set(inputs.present):
        raise ParameterError(
            f"observed modalities are {', '.join(names) or 'none'}; "
            f"expected some of {', '.join(inputs.present)}"
        )
    present = {
        name: mask if name in names else torch.zeros_like(mask)
        for name, mask in inputs.present.items()
    }
    known = torch.stack(list(present.values())).any(dim=0)
    return replace(
        inputs,
        values={
            name: values if name in names else torch.zeros_like(values)
            for name, values in inputs.values.items()
        },
        steps={
            name: mask if name in names else torch.zeros_like(mask)
            for name, mask in inputs.steps.items()
        },
        present=present,
        lengths=inputs.lengths.where(known, torch.zeros_like(inputs.lengths)),
    )


def as_inputs(generated: Mapping[str, Tensor]) -> Inputs:
    """Return generated modalities as inputs of a model.

    Parameters
    ----------
    generated : mapping of str to Tensor
        Every modality of the model: sequences ``(n, T, d)``, all of whose steps
        count, or images ``(n, C, H, W)``, which are clipped to [0, 1] and rounded to
        the 256 levels that images come in.
    """
    n = len(next(iter(generated.values())))
    values, steps = {}, {}
    lengths = torch.zeros(n, dtype=torch.int64)
    for name, value in generated.items():
        if value.dim() == 4:
            values[name] = (value.clamp(0, 1) * 255).round() / 255
            continue
        values[name] = value
        steps[name] = value.new_ones(value.shape[:2], dtype=torch.bool)
        lengths.fill_(value.shape[1])
    present = {name: torch.ones(n, dtype=torch.bool) for name in generated}
    return Inputs(values, steps, present, lengths)
