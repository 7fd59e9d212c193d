"""An LSTM that returns every state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mfm_pipeline.models.recurrent.lstm_states import lstm_states


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

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return all states.

        Parameters
        ----------
        values : Tensor, shape (n, T, d)

        Returns
        -------
        hidden, cells : Tensor, shape (T, n, size)
        """
        return lstm_states(
            values.transpose(0, 1),
            self.weight_ih,
            self.weight_hh,
            self.bias_ih + self.bias_hh,
            steps=values.shape[1],
        )


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

    def forward(self, first: Tensor, steps: int) -> Tensor:  # type: ignore[override]
        """Return the hidden states.

        Parameters
        ----------
        first : Tensor, shape (n, size)
        steps : int
            Steps T to run.

        Returns
        -------
        Tensor, shape (T, n, size)
        """
        hidden, _ = lstm_states(
            first[None],
            self.weight_ih,
            self.weight_ih + self.weight_hh,
            self.bias_ih + self.bias_hh,
            steps=steps,
        )
        return hidden
