"""Sequences: encoders Q(Zai | Xi) and the LSTM decoder Fi."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.modality.base import Decoder, ModalityKind
from mfm_pipeline.models.pooling import last_state
from mfm_pipeline.models.recurrent.lstm import LSTM, FeedbackLSTM
from mfm_pipeline.models.recurrent.lstm_states import lstm_states
from mfm_pipeline.models.recurrent.lstm_tangents import hidden_tangents
from mfm_pipeline.models.statistics import Statistics


class LSTMSequenceEncoder(Encoder):
    """An LSTM over one modality; its hidden state after a sample's last step.

    Parameters
    ----------
    modality : str
        Name of the modality that is read.
    features : int
        Features of one step.
    hidden : int
        Size of the LSTM.
    """

    def __init__(self, *, modality: str, features: int, hidden: int) -> None:
        super().__init__()
        self.modality = modality
        self.lstm = LSTM(features=features, size=hidden)
        self.size = hidden

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the last hidden states, ``(n, hidden)``."""
        (state,) = self.together({self.modality: self}, inputs).values()
        return state

    @classmethod
    def together(cls, encoders: Mapping[str, Self], inputs: Inputs) -> dict[str, Tensor]:
        """Run all LSTMs in one loop."""
        runs = [encoder.lstm.run(inputs.values[encoder.modality]) for encoder in encoders.values()]
        states = lstm_states(runs, steps=len(runs[0].inputs))
        return {
            name: last_state(hidden, inputs.lengths, inputs.present[encoder.modality])
            for (name, encoder), (hidden, _) in zip(encoders.items(), states, strict=True)
        }


class SequenceDecoder(Decoder):
    """Decoder LSTM of Appendix B and one linear layer on each of its steps.

    The first input of the LSTM is [Fy, Fai], which is as large as its state
    unless a linear layer comes before it; each later input is its own
    previous output.

    Parameters
    ----------
    recurrence : FeedbackLSTM
        From its first input to as many hidden features a step.
    features : int
        Features of one step of the modality.
    entry : Module, optional
        From [Fy, Fai] to the first input.
    """

    def __init__(
        self, *, recurrence: FeedbackLSTM, features: int, entry: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.entry = nn.Identity() if entry is None else entry
        self.recurrence = recurrence
        self.output = nn.Linear(recurrence.size, features)

    def forward(self, discriminative: Tensor, generative: Tensor, steps: int) -> Tensor:
        """Reconstruct the sequence, ``(n, steps, features)``."""
        (sequence,) = self.together(
            {"": self}, discriminative, {"": generative}, steps, {}
        ).values()
        return sequence

    def entry_weight(self) -> Tensor | None:
        """Return the weight of the entry, or where there is none that of the LSTM's input."""
        if isinstance(self.entry, nn.Linear):
            return self.entry.weight
        return self.recurrence.weight_ih if isinstance(self.entry, nn.Identity) else None

    def squared_derivatives(
        self, discriminative: Tensor, generative: Tensor, steps: int, directions: Tensor
    ) -> Tensor:
        """Return the same as any decoder, faster: see `hidden_tangents`."""
        if not isinstance(self.entry, nn.Linear | nn.Identity):
            return super().squared_derivatives(discriminative, generative, steps, directions)
        first = self.entry(torch.cat([discriminative, generative], dim=-1))
        beside = directions.new_zeros(len(directions), generative.shape[1])
        entering = torch.cat([directions, beside], dim=-1)
        if isinstance(self.entry, nn.Linear):
            entering = entering @ self.entry.weight.t()
        tangents = hidden_tangents(self.recurrence.run(first), entering, steps)
        squares = [self._squared_length(tangent) for tangent in tangents]
        return torch.stack(squares, dim=1)

    def _squared_length(self, tangent: Tensor) -> Tensor:
        """Return ``(n,)`` from a change of the hidden state ``(n, r, h)``."""
        change = tangent.flatten(0, 1) @ self.output.weight.t()
        return change.square().sum(dim=1).view(tangent.shape[:2]).sum(dim=1)

    @classmethod
    def together(
        cls,
        decoders: Mapping[str, Self],
        discriminative: Tensor,
        generative: Mapping[str, Tensor],
        steps: int,
        present: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Run all LSTMs in one loop; there are no statistics of a batch."""
        runs = [
            decoder.recurrence.run(
                decoder.entry(torch.cat([discriminative, generative[name]], dim=-1))
            )
            for name, decoder in decoders.items()
        ]
        return {
            name: decoder.output(hidden).transpose(0, 1)
            for (name, decoder), (hidden, _) in zip(
                decoders.items(), lstm_states(runs, steps), strict=True
            )
        }


class SequenceKind(ModalityKind):
    """Sequences ``(n, T, d)``."""

    encoders = ("lstm", "statistics")

    def encoder(
        self,
        name: str,
        *,
        modality: str,
        shape: tuple[int, ...],
        hidden: int,
        channels: Sequence[int] = (),
    ) -> Encoder:
        """Return an LSTM of size `hidden`, or statistics, whose size follows from d."""
        self.check_encoder(name, modality)
        (features,) = shape
        if name == "statistics":
            return Statistics(modality=modality, features=features)
        return LSTMSequenceEncoder(modality=modality, features=features, hidden=hidden)

    def decoder(
        self,
        *,
        modality: str,
        factors: int,
        shape: tuple[int, ...],
        hidden: int | None = None,
        channels: Sequence[int] = (),
    ) -> SequenceDecoder:
        """Return a decoder whose LSTM has the size `hidden`, or that of the factors."""
        (features,) = shape
        entry = None if hidden is None else nn.Linear(factors, hidden)
        recurrence = FeedbackLSTM(size=factors if hidden is None else hidden)
        return SequenceDecoder(recurrence=recurrence, features=features, entry=entry)
