"""How the hidden states of an LSTM change with its first input, in forward mode.

`torch.func` finds the same, in some thirty operations a step on as many tangents as there
are gates. Here what a step does to a change of the state is one small matrix a sample, for
the cell and for the hidden state, and two batched products take all directions a step on.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from mfm_pipeline.models.recurrent.lstm_states import Run


def hidden_tangents(run: Run, directions: Tensor, steps: int) -> Iterator[Tensor]:
    """Yield the derivative of the hidden state after each step.

    Of `lstm_states`, whose equations these are the derivatives of: with z the gates before
    their activation, ``dz = weight dh``,
    ``dc_t = f dc_{t-1} + c_{t-1} f' dz_f + g i' dz_i + i g' dz_g`` and
    ``dh_t = tanh(c_t) o' dz_o + o (1 - tanh(c_t)^2) dc_t``.

    Parameters
    ----------
    run : Run
        With inputs of the first step alone.
    directions : Tensor, shape (r, d)
        Of the first input, the same for all samples.
    steps : int

    Yields
    ------
    Tensor, shape (n, r, h)
    """
    (drive,) = functional.linear(run.inputs, run.input_weight, run.bias)
    n, size = len(drive), run.weight.shape[1]
    weights = tuple(part.contiguous() for part in run.weight.t().chunk(4, dim=1))
    dc = dh = drive.new_zeros(n, len(directions), size)
    h = c = drive.new_zeros(n, size)
    for t in range(steps):
        gates = drive if t == 0 else functional.linear(h, run.weight, run.bias)
        i, f, g, o = gates.chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        by_i, by_f, by_g = g * i * (1 - i), c * f * (1 - f), i * (1 - g.square())
        c = f * c + i * g
        squashed = c.tanh()
        h = o * squashed
        by_o = squashed * o * (1 - o)
        if t == 0:
            # The change of the first input takes the place of that of the state.
            before, parts = directions.expand(n, -1, -1), run.input_weight.t().chunk(4, dim=1)
        else:
            before, parts = dh, weights
        cell = parts[0] * by_i[:, None]
        cell.addcmul_(parts[1], by_f[:, None]).addcmul_(parts[2], by_g[:, None])
        dc = torch.baddbmm(f[:, None] * dc, before, cell)
        dh = torch.baddbmm(
            (o * (1 - squashed.square()))[:, None] * dc, before, parts[3] * by_o[:, None]
        )
        yield dh
