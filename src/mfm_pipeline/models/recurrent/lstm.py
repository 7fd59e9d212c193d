"""An LSTM that returns every state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mfm_pipeline.models.recurrent.lstm_states import Run, States, lstm_states


class LSTM(nn.Module):
    """One LSTM over a sequence, from a zero state.

    Parameters are named and initialised as those of `torch.nn.LSTMCell`.

    Parameters
    ----------
    features : int
        Features of one step.
    size : int
        Size of the LSTM.
    """

    def __init__(self, *, features: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight_ih = nn.Parameter(torch.empty(4 * size, features))
        self.weight_hh = nn.Parameter(torch.empty(4 * size, size))
        self.bias_ih = nn.Parameter(torch.empty(4 * size))
        self.bias_hh = nn.Parameter(torch.empty(4 * size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(self.size), 1 / math.sqrt(self.size))

    def run(self, values: Tensor) -> Run:
        """Return what `lstm_states` needs to run this LSTM over ``(n, T, d)`` values."""
        bias = self.bias_ih + self.bias_hh
        return Run(values.transpose(0, 1), self.weight_ih, self.weight_hh, bias)

    def forward(self, values: Tensor) -> States:
        """Return all states, ``(T, n, size)``, for values ``(n, T, d)``."""
        (states,) = lstm_states([self.run(values)], values.shape[1])
        return states


class FeedbackLSTM(LSTM):
    """LSTM whose first input is given and whose every later input is its output.

    From the second step on, input and hidden state are the same vector, so
    that one product with ``weight_ih + weight_hh`` serves both.

    Parameters
    ----------
    size : int
        Size of the input and of the LSTM.
    """

    def __init__(self, *, size: int) -> None:
        super().__init__(features=size, size=size)

    def run(self, first: Tensor) -> Run:
        """Return what `lstm_states` needs to run from a first input ``(n, size)``."""
        weight = self.weight_ih + self.weight_hh
        return Run(first[None], self.weight_ih, weight, self.bias_ih + self.bias_hh)

    def forward(self, first: Tensor, steps: int) -> States:  # type: ignore[override]
        """Return all states, ``(steps, n, size)``, from a first input ``(n, size)``."""
        (states,) = lstm_states([self.run(first)], steps)
        return states
