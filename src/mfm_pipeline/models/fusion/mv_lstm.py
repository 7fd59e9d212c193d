"""Multi-view LSTM (MV-LSTM; Rajagopalan et al. 2016): one memory, divided by modality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion.base import FusionOptions, sequences_only
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.per_modality import DEFAULT, SizePerModality, value_for
from mfm_pipeline.models.pooling import last_state
from mfm_pipeline.models.recurrent.lstm_states import Run, lstm_states
from mfm_pipeline.models.spec import ModalitySpec


class MultiViewLSTM(Encoder):
    """An LSTM over each modality, whose units also see hidden states of the others.

    Of the d units of a modality, the first ceil(alpha d) see the hidden state of their own
    modality at the step before, the last ceil(beta d) that of all others; which makes the
    modalities apart (alpha 1, beta 0), coupled (0, 1), fully connected (1, 1), or a mix of
    them. Inputs reach the units of their own modality alone.

    That is one LSTM over all modalities side by side, which lacks some connections; those
    that there are lie in its parameters row by row. The state is its hidden state after each
    sample's own last step, that of an absent modality zero.

    Parameters
    ----------
    features : mapping of str to int
        Features of each modality.
    hidden : mapping of str to int
        Units of each modality.
    alpha, beta : float
    """

    input_places: Tensor
    recurrent_places: Tensor

    def __init__(
        self, *, features: Mapping[str, int], hidden: Mapping[str, int], alpha: float, beta: float
    ) -> None:
        super().__init__()
        self.modalities = tuple(features)
        self.units = dict(hidden)
        self.size = sum(hidden.values())
        places = {
            "input": block_diagonal([torch.ones(hidden[m], d) for m, d in features.items()]),
            "recurrent": connections(list(hidden.values()), alpha, beta),
        }
        for name, one in places.items():
            self.register_buffer(f"{name}_places", one.repeat(4, 1).bool(), persistent=False)
        self.weight_ih = nn.Parameter(torch.empty(int(self.input_places.sum())))
        self.weight_hh = nn.Parameter(torch.empty(int(self.recurrent_places.sum())))
        self.bias = nn.Parameter(torch.empty(4 * self.size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as those of an LSTM of a modality's size."""
        bound = 1 / math.sqrt(self.size / len(self.modalities))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the last hidden states, ``(n, size)``."""
        values = torch.cat([inputs.values[name] for name in self.modalities], dim=2)
        run = Run(
            values.transpose(0, 1),
            _spread(self.weight_ih, self.input_places),
            _spread(self.weight_hh, self.recurrent_places),
            self.bias,
        )
        ((hidden, _),) = lstm_states([run], steps=values.shape[1])
        parts = torch.split(hidden, list(self.units.values()), dim=2)
        last = [
            last_state(part, inputs.lengths, inputs.present[name])
            for name, part in zip(self.modalities, parts, strict=True)
        ]
        return torch.cat(last, dim=1)


def _spread(weights: Tensor, places: Tensor) -> Tensor:
    """Return a matrix with weights where connections are, row by row, and zeros elsewhere."""
    return weights.new_zeros(places.shape).masked_scatter(places, weights)


def block_diagonal(blocks: Sequence[Tensor]) -> Tensor:
    """Return a matrix with blocks along its diagonal, and zeros elsewhere."""
    # It has no types.
    result: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return result


def connections(hidden: list[int], alpha: float, beta: float) -> Tensor:
    """Return which unit sees which unit's hidden state: 1 where it does, else 0.

    Parameters
    ----------
    hidden : list of int
        Units of each modality.
    alpha, beta : float
        Shares of its units that see their own modality, and the others.

    Returns
    -------
    Tensor, shape (sum of hidden, sum of hidden)
        A row a unit that sees.
    """
    blocks = []
    for view, units in enumerate(hidden):
        place = torch.arange(units)
        sees_own = (place < math.ceil(alpha * units)).float()
        sees_others = (place >= units - math.ceil(beta * units)).float()
        blocks.append(
            torch.cat(
                [
                    (sees_own if other == view else sees_others)[:, None].expand(-1, size)
                    for other, size in enumerate(hidden)
                ],
                dim=1,
            )
        )
    return torch.cat(blocks)


class MultiViewLSTMOptions(FusionOptions):
    """Options of the multi-view LSTM."""

    hidden: SizePerModality = Field(default={DEFAULT: 32}, description="Units of each modality.")
    alpha: float = Field(
        default=2 / 3, ge=0, le=1, description="Share of units that see their own modality."
    )
    beta: float = Field(
        default=1 / 3, ge=0, le=1, description="Share of units that see the other modalities."
    )

    @model_validator(mode="after")
    def _remembers(self) -> MultiViewLSTMOptions:
        if self.alpha == self.beta == 0:
            raise ValueError("alpha and beta are 0; expected one above, else nothing is remembered")
        return self

    def build(self, modalities: Mapping[str, ModalitySpec]) -> MultiViewLSTM:
        """Return the encoder for these modalities."""
        features = sequences_only(modalities, "mv_lstm")
        return MultiViewLSTM(
            features=features,
            hidden={
                name: value_for(name, self.hidden, "fusion_options.mv_lstm.hidden")
                for name in features
            },
            alpha=self.alpha,
            beta=self.beta,
        )
