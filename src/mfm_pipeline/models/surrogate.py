"""Surrogate inference of Section 2.3: latents of samples that lack modalities, Equation 5."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mfm_pipeline.models.completed import FULL, NOTHING, SURROGATE, UNSEEN, Completed
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.mfm import MFM
from mfm_pipeline.models.statistics import Statistics

Pattern = tuple[str, ...]
"""Modalities that are observed, in the model's order."""


class SurrogateLatent(nn.Module):
    """Deterministic mapping from what is observed to one latent.

    Parameters
    ----------
    encoder : Encoder
        State of what is observed.
    layer : Module
        From what `conditioned_size` counts to the latent, in units of its spread.
    size : int
        Of the latent, z.
    presence : sequence of str
        Modalities that may be there or not. The layer reads the state, the state times
        the presence of each, and presence: so its weights differ by what is there.

    Attributes
    ----------
    center : Tensor, shape (z,)
    spread : Tensor, shape ()
        Mean of the latent, and its root mean square distance from it by feature, over
        training samples; 0 and 1 unless `set_scale` is called.
    """

    center: Tensor
    spread: Tensor

    def __init__(
        self, *, encoder: Encoder, layer: nn.Module, size: int, presence: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.layer = layer
        self.presence = tuple(presence)
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("spread", torch.ones(()))

    def set_scale(self, latents: Tensor) -> None:
        """Measure the latents ``(n, z)`` that are to be inferred."""
        center = latents.double().mean(dim=0)
        spread = (latents - center).square().mean().sqrt()
        self.center.copy_(center)
        self.spread.copy_(spread if spread > 1e-6 else torch.ones(()))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the latent of every sample, ``(n, z)``."""
        state = self.encoder(inputs)
        if self.presence:
            there = torch.stack([inputs.present[name] for name in self.presence], dim=1)
            there = there.to(state.dtype)
            products = (there[:, :, None] * state[:, None]).flatten(1)
            state = torch.cat([state, products, there], dim=1)
        latent: Tensor = self.center + self.spread * self.layer(state)
        return latent


def conditioned_size(state: int, presence: int) -> int:
    """Return what a surrogate's layer reads of a state, given modalities of varying presence."""
    return state * (1 + presence) + presence


class SurrogateNetwork(nn.Module):
    """Q(Zy | observed), and Q(Zai | observed) of what may be missing.

    Parameters
    ----------
    patterns : sequence of tuple of str
        What may be observed.
    latents : mapping of str to SurrogateLatent
        With `mfm.DISCRIMINATIVE` for Zy.
    generator : MFM, optional
        A generating half of its own (see `generating_half`); by default the full model's.
    """

    def __init__(
        self,
        *,
        patterns: Sequence[Pattern],
        latents: Mapping[str, SurrogateLatent],
        generator: MFM | None = None,
    ) -> None:
        super().__init__()
        self.patterns = tuple(patterns)
        self.latents: Mapping[str, SurrogateLatent] = nn.ModuleDict(latents)  # type: ignore[assignment]
        self.generator = generator

    def calibrate(self, train: Inputs) -> None:
        """Let parts that standardise what they read measure the training split."""
        for part in self.modules():
            if isinstance(part, Statistics):
                part.fit(train)

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return each latent that is inferred, ``(n, z)``."""
        inputs = inputs.gather()
        return {name: latent(inputs) for name, latent in self.latents.items()}


class SurrogateInference(nn.Module):
    """The full model, and what stands in for its inference where modalities are missing.

    Parameters
    ----------
    full : MFM
    networks : iterable of SurrogateNetwork
        No two for the same pattern.
    modalities : sequence of str
        Those that make up patterns, in the order of the corpus.
    """

    def __init__(
        self, *, full: MFM, networks: Iterable[SurrogateNetwork], modalities: Sequence[str]
    ) -> None:
        super().__init__()
        self.full = full
        self.networks: Sequence[SurrogateNetwork] = nn.ModuleList(networks)  # type: ignore[assignment]
        self.modalities = tuple(modalities)

    @torch.no_grad()
    def complete(self, inputs: Inputs) -> Completed:
        """Infer latents, label and all modalities of samples, whatever they lack.

        Zy and each missing Zai come from the network that knows the sample's pattern, Zai
        of what is observed from the full model, as everything does where nothing is
        missing, or where no network knows the pattern.

        Parameters
        ----------
        inputs : Inputs
            In evaluation mode, which the caller sets.
        """
        present = torch.stack([inputs.present[name] for name in self.modalities], dim=1)
        rows_of: dict[Pattern, list[int]] = {}
        for row, there in enumerate(present.tolist()):
            pattern = tuple(n for n, yes in zip(self.modalities, there, strict=True) if yes)
            rows_of.setdefault(pattern, []).append(row)
        order: list[int] = []
        parts: list[Completed] = []
        for pattern, rows in rows_of.items():
            order += rows
            chosen = torch.tensor(rows, device=present.device)
            parts.append(self._complete_alike(inputs[chosen], pattern))
        return _in_order(parts, order)

    def network_for(self, pattern: Pattern) -> SurrogateNetwork | None:
        """Return the network that knows a pattern, if there is one."""
        for network in self.networks:
            if pattern in network.patterns:
                return network
        return None

    def _complete_alike(self, inputs: Inputs, pattern: Pattern) -> Completed:
        """Complete samples of which the same is observed."""
        latents = {name: latent.mean for name, latent in self.full.encode(inputs).items()}
        generator, inferred_by = self.full, FULL
        if pattern != self.modalities:
            network = self.network_for(pattern)
            inferred_by = UNSEEN if pattern else NOTHING
            if network is not None:
                inferred_by = SURROGATE
                inferred = network(inputs)
                latents |= {k: v for k, v in inferred.items() if k not in pattern}
                generator = network.generator or self.full
        factors = generator.factorize(latents)
        steps = next((mask.shape[1] for mask in inputs.steps.values()), self.full.steps)
        heads = generator.head(factors.discriminative)
        return Completed(
            latents,
            heads,
            self.full.to_target_units(heads.mean(dim=1)),
            generator.decode(factors, steps),
            np.full(len(inputs), inferred_by),
        )


def generating_half(model: MFM) -> MFM:
    """Return a copy of a model that can generate and predict from latents, but not infer them."""
    half = copy.deepcopy(model)
    half.fusion, half.encoders, half.latents = None, nn.ModuleDict(), nn.ModuleDict()
    return half


def _in_order(parts: Sequence[Completed], order: Sequence[int]) -> Completed:
    """Return groups of samples as one, each sample in its place."""
    place = torch.from_numpy(np.argsort(np.asarray(order, np.int64)))

    def joined(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(tensors))[place.to(tensors[0].device)]

    first = parts[0]
    return Completed(
        {name: joined([part.latents[name] for part in parts]) for name in first.latents},
        joined([part.heads for part in parts]),
        joined([part.prediction for part in parts]),
        {
            name: joined([part.reconstructions[name] for part in parts])
            for name in first.reconstructions
        },
        np.concatenate([part.inferred_by for part in parts])[place.numpy()],
    )
