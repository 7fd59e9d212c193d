"""MFM step by step, as the paper and its published settings describe it.

Written to be read, not to be fast: one `LSTMCell` call a step and a modality,
attention, gates and memory step by step, masks nowhere. A batch holds samples
of one length; samples of different lengths go through one at a time, cut to
their own steps. The tests hold the package against this, and
`benchmarks/test_training_step.py` times the package against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from mfm_pipeline.models import MFM, ModalitySpec, ModelOptions
from mfm_pipeline.models.per_modality import value_for

Sequences = dict[str, Tensor]
"""Each modality's ``(T, n, d)`` values."""

Y = "y"


def published_options(**changes: object) -> ModelOptions:
    """Return the published settings of CMU-MOSI."""
    settings: dict[str, object] = {
        "fusion": "mfn",
        "fusion_options": {
            "mfn": {
                "hidden": {"language": 88, "acoustic": 64, "visual": 48},
                "memory": 64,
                "window": 2,
                "attention": {"hidden": 128, "dropout": 0.5},
                "proposal": {"hidden": 128, "dropout": 0.5},
                "gates": {"hidden": 128, "dropout": 0.5},
            }
        },
        "discriminative": {"latent": 32, "factor": 16},
        "generative": {
            "latent": {"language": 32, "acoustic": 8, "visual": 80},
            "factor": {"language": 88, "default": 8},
            "dropout": {"language": 0.2, "acoustic": 0.2, "visual": 0.7},
        },
        "reconstruction": {"language": 1.0, "acoustic": 0.01, "visual": 0.5},
        "prior": "mmd",
        "prior_weight": 1.0,
    }
    return ModelOptions.model_validate(settings | changes)


PUBLISHED_FEATURES = {"language": 300, "acoustic": 5, "visual": 20}
PUBLISHED_STEPS = 20


def specs(features: Mapping[str, int]) -> dict[str, ModalitySpec]:
    """Return the specification of sequences of these numbers of features."""
    return {name: ModalitySpec(kind="sequence", shape=(size,)) for name, size in features.items()}


class LiteralMFN(nn.Module):
    """Memory Fusion Network, its window two steps wide."""

    def __init__(self, options: ModelOptions, features: Mapping[str, int]) -> None:
        super().__init__()
        mfn = options.fusion_options.mfn
        hidden = {name: value_for(name, mfn.hidden, "") for name in features}
        self.cells = nn.ModuleDict(
            {name: nn.LSTMCell(size, hidden[name]) for name, size in features.items()}
        )
        self.memory = mfn.memory
        window, memory = 2 * sum(hidden.values()), mfn.memory
        self.att1_fc1 = nn.Linear(window, mfn.attention.hidden)
        self.att1_fc2 = nn.Linear(mfn.attention.hidden, window)
        self.att2_fc1 = nn.Linear(window, mfn.proposal.hidden)
        self.att2_fc2 = nn.Linear(mfn.proposal.hidden, memory)
        self.gamma1_fc1 = nn.Linear(window + memory, mfn.gates.hidden)
        self.gamma1_fc2 = nn.Linear(mfn.gates.hidden, memory)
        self.gamma2_fc1 = nn.Linear(window + memory, mfn.gates.hidden)
        self.gamma2_fc2 = nn.Linear(mfn.gates.hidden, memory)
        self.att1_dropout = nn.Dropout(mfn.attention.dropout)
        self.att2_dropout = nn.Dropout(mfn.proposal.dropout)
        self.gamma_dropout = nn.Dropout(mfn.gates.dropout)

    def forward(self, sequences: Sequences, present: Mapping[str, bool]) -> Tensor:
        first = next(iter(sequences.values()))
        steps, n = first.shape[:2]
        h = {name: first.new_zeros(n, cell.hidden_size) for name, cell in self.cells.items()}
        c = dict(h)
        memory = first.new_zeros(n, self.memory)
        for t in range(steps):
            before = torch.cat(list(c.values()), dim=1)
            for name, cell in self.cells.items():
                if present[name]:
                    h[name], c[name] = cell(sequences[name][t], (h[name], c[name]))
            window = torch.cat([before, torch.cat(list(c.values()), dim=1)], dim=1)
            scores = self.att1_fc2(self.att1_dropout(torch.relu(self.att1_fc1(window))))
            attended = torch.softmax(scores, dim=1) * window
            proposal = torch.tanh(
                self.att2_fc2(self.att2_dropout(torch.relu(self.att2_fc1(attended))))
            )
            both = torch.cat([attended, memory], dim=1)
            gamma1 = torch.sigmoid(
                self.gamma1_fc2(self.gamma_dropout(torch.relu(self.gamma1_fc1(both))))
            )
            gamma2 = torch.sigmoid(
                self.gamma2_fc2(self.gamma_dropout(torch.relu(self.gamma2_fc1(both))))
            )
            memory = gamma1 * memory + gamma2 * proposal
        return torch.cat([*h.values(), memory], dim=1)


class LiteralDecoder(nn.Module):
    """LSTM whose first input is given and whose later ones are its outputs."""

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(size, size)
        self.output = nn.Linear(size, features)

    def forward(self, first: Tensor, steps: int) -> Tensor:
        h = c = torch.zeros_like(first)
        x = first
        out = []
        for _ in range(steps):
            h, c = self.cell(x, (h, c))
            x = h
            out.append(self.output(h))
        return torch.stack(out)


class LiteralMFM(nn.Module):
    """The published MFM for regression: point latents, MFN fusion."""

    def __init__(self, options: ModelOptions, features: Mapping[str, int], outputs: int) -> None:
        super().__init__()
        shared, own = options.discriminative, options.generative
        self.names = list(features)
        self.fusion = LiteralMFN(options, features)
        z = {name: value_for(name, own.latent, "") for name in features}
        f = {name: value_for(name, own.factor, "") for name in features}
        p = {name: value_for(name, own.dropout, "") for name in features}
        self.encoders = nn.ModuleDict({m: nn.LSTMCell(d, z[m]) for m, d in features.items()})
        states = sum(cell.hidden_size for cell in self.fusion.cells.values())
        self.to_z = nn.ModuleDict({m: nn.Linear(z[m], z[m]) for m in features})
        self.to_z[Y] = nn.Linear(states + self.fusion.memory, shared.latent)
        z[Y], f[Y], p[Y] = shared.latent, shared.factor, shared.dropout
        self.z_to_f1 = nn.ModuleDict({m: nn.Linear(z[m], f[m]) for m in z})
        self.z_to_f2 = nn.ModuleDict({m: nn.Linear(f[m], f[m]) for m in z})
        self.z_to_f_dropout = nn.ModuleDict({m: nn.Dropout(p[m]) for m in z})
        self.fy_to_y1 = nn.Linear(f[Y], f[Y])
        self.fy_to_y2 = nn.Linear(f[Y], outputs)
        self.fy_to_y_dropout = nn.Dropout(shared.head_dropout)
        self.decoders = nn.ModuleDict(
            {m: LiteralDecoder(f[Y] + f[m], d) for m, d in features.items()}
        )

    def forward(
        self,
        sequences: Sequences,
        present: Mapping[str, bool] | None = None,
        steps: int | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Return latents, reconstructions ``(T, n, d)`` and prediction."""
        here = dict.fromkeys(self.names, True) if present is None else present
        z = {}
        for name in self.names:
            cell, x = self.encoders[name], sequences[name]
            h = c = x.new_zeros(x.shape[1], cell.hidden_size)
            if here[name]:
                for step in x:
                    h, c = cell(step, (h, c))
            z[name] = self.to_z[name](h)
        z[Y] = self.to_z[Y](self.fusion(sequences, here))
        f = {}
        for name, latent in z.items():
            inner = self.z_to_f_dropout[name](torch.relu(self.z_to_f1[name](latent)))
            f[name] = torch.relu(self.z_to_f2[name](inner))
        y = self.fy_to_y2(self.fy_to_y_dropout(torch.relu(self.fy_to_y1(f[Y]))))
        length = len(sequences[self.names[0]]) if steps is None else steps
        reconstructions = {
            name: self.decoders[name](torch.cat([f[Y], f[name]], dim=1), length)
            for name in self.names
        }
        return z, reconstructions, y

    def beside(self, model: MFM, gradients: bool = False) -> dict[str, tuple[Tensor, Tensor]]:
        """Pair every parameter of the reference, or its gradient, with the package's."""

        def of(parameter: Tensor) -> Tensor:
            if not gradients:
                return parameter.detach()
            return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad

        ours = {id(p): of(p) for p in model.parameters()}
        pairs: dict[str, Tensor] = {}
        for name, theirs in self._linked(model):
            pairs[f"{name}.weight"], pairs[f"{name}.bias"] = (
                ours.pop(id(theirs.weight)),
                ours.pop(id(theirs.bias)),
            )
        for name, theirs in self._linked_lstms(model):
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                pairs[f"{name}.{part}"] = ours.pop(id(getattr(theirs, part)))
        gates = model.fusion.gates
        first = torch.cat(
            [ours.pop(id(gates.attended_weight)), ours.pop(id(gates.memory_weight))], 1
        )
        parts = [first, *(ours.pop(id(p)) for p in (gates.hidden_bias, gates.gate_weight))]
        parts.append(ours.pop(id(gates.gate_bias)))
        assert not ours, "a parameter of the model has no counterpart"
        for k, gate in enumerate(("fusion.gamma1", "fusion.gamma2")):
            pairs[f"{gate}_fc1.weight"] = parts[0].chunk(2)[k]
            pairs[f"{gate}_fc1.bias"] = parts[1].chunk(2)[k]
            pairs[f"{gate}_fc2.weight"] = parts[2][k]
            pairs[f"{gate}_fc2.bias"] = parts[3][k]
        mine = dict(self.named_parameters())
        assert mine.keys() == pairs.keys()
        return {name: (of(mine[name]), pairs[name]) for name in mine}

    def copy_from(self, model: MFM) -> None:
        """Take over every parameter of `model`."""
        for mine, theirs in self.beside(model).values():
            mine.copy_(theirs)

    def _linked(self, model: MFM) -> Iterator[tuple[str, nn.Module]]:
        yield "fusion.att1_fc1", model.fusion.attention[0]
        yield "fusion.att1_fc2", model.fusion.attention[3]
        yield "fusion.att2_fc1", model.fusion.proposal[0]
        yield "fusion.att2_fc2", model.fusion.proposal[3]
        for name in [*self.names, Y]:
            key = "discriminative" if name == Y else name
            yield f"to_z.{name}", model.latents[key].mean
            yield f"z_to_f1.{name}", model.factors[key][0]
            yield f"z_to_f2.{name}", model.factors[key][3]
        for name in self.names:
            yield f"decoders.{name}.output", model.decoders[name].output
        yield "fy_to_y1", model.head[0]
        yield "fy_to_y2", model.head[3]

    def _linked_lstms(self, model: MFM) -> Iterator[tuple[str, nn.Module]]:
        for name in self.names:
            yield f"fusion.cells.{name}", model.fusion.lstms[name]
            yield f"encoders.{name}", model.encoders[name].lstm
            yield f"decoders.{name}.cell", model.decoders[name].recurrence


def literal_statistic(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean kernel of all pairs, one pair after the other."""
    total = a.new_zeros(())
    for row in a:
        for other in b:
            total = total + torch.exp(-((row - other) ** 2).mean() / len(row))
    return total / (len(a) * len(b))


def literal_mmd(latent: Tensor, draws: Tensor) -> Tensor:
    """Return the biased estimate of the squared MMD, pair by pair."""
    return (
        literal_statistic(latent, latent)
        + literal_statistic(draws, draws)
        - 2 * literal_statistic(latent, draws)
    )


def tiled_mmd(latent: Tensor, draws: Tensor) -> Tensor:
    """Return the same by tiling, as published; for the benchmark."""

    def mean_kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-((a[:, None] - b[None]) ** 2).mean(2) / a.shape[1]).mean()

    return mean_kernel(latent, latent) + mean_kernel(draws, draws) - 2 * mean_kernel(latent, draws)
