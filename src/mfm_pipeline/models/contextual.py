"""Contextual LSTMs over the segments of a video (BC-LSTM; Poria et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mfm_pipeline.models.factors import Head
from mfm_pipeline.models.inputs import Inputs


class ContextualLSTM(nn.Module):
    """An LSTM in both directions a modality over segments, then one over all of them.

    Each step is a segment; the prediction is read at the sample's own.

    Parameters
    ----------
    features : mapping of str to int
        Features of each modality, without `place`.
    place : str
        Modality whose only step is the sample itself.
    hidden : int
        Size of each direction of each LSTM.
    outputs : int
        Targets, labels or classes.
    dropout : float
        On what each LSTM gives, and before the label.
    """

    def __init__(
        self,
        *,
        features: Mapping[str, int],
        place: str,
        hidden: int,
        outputs: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.place = place
        self.unimodal = nn.ModuleDict(
            {name: _both_ways(size, hidden) for name, size in features.items()}
        )
        self.fused = _both_ways(2 * hidden * len(features), hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = Head(factor_size=2 * hidden, outputs=outputs, dropout=dropout)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return raw predictions, ``(n, outputs)``."""
        # A sequence has a step at least; of an empty one no state is read.
        lengths = inputs.lengths.clamp(min=1)
        found = [
            self.dropout(_run(cast("nn.LSTM", lstm), inputs.values[name], lengths))
            for name, lstm in self.unimodal.items()
        ]
        states = self.dropout(_run(self.fused, torch.cat(found, dim=2), lengths))
        own = inputs.steps[self.place].to(states.dtype)
        prediction: Tensor = self.head((states * own[:, :, None]).sum(dim=1))[:, 0]
        return prediction


def _both_ways(features: int, hidden: int) -> nn.LSTM:
    return nn.LSTM(features, hidden, batch_first=True, bidirectional=True)


def _run(lstm: nn.LSTM, values: Tensor, lengths: Tensor) -> Tensor:
    """Return states at every step, ``(n, T, 2 hidden)``; the way back begins at the last one."""
    packed = pack_padded_sequence(values, lengths.cpu(), batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=values.shape[1])
    return states
