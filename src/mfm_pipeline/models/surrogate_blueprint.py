"""What surrogate inference is built from: all that has to lie beside its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from mfm_pipeline.data.patterns import pattern_name
from mfm_pipeline.data.patterns import patterns as all_patterns
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.blueprint import Blueprint
from mfm_pipeline.models.latents import DISCRIMINATIVE, Layer
from mfm_pipeline.models.mfm import MFM
from mfm_pipeline.models.parts import discriminative_layer
from mfm_pipeline.models.per_modality import value_for
from mfm_pipeline.models.surrogate import (
    Pattern,
    SurrogateInference,
    SurrogateLatent,
    SurrogateNetwork,
    conditioned_size,
    generating_half,
)
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.options import Options


class SurrogateBlueprint(Options):
    """Everything that surrogate inference is built from, as JSON can hold it.

    Parameters
    ----------
    model : Blueprint
        Of the full model.
    options : SurrogateOptions

    Raises
    ------
    ParameterError
        If the model generates nothing, or patterns are not of its modalities.
    """

    model: Blueprint
    options: SurrogateOptions

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of patterns: those that the full model reads or generates."""
        names = tuple(self.model.modalities)
        reads = names if self.model.options.reads is None else self.model.options.reads
        return tuple(name for name in names if name in reads or name in self.generated)

    @property
    def generated(self) -> tuple[str, ...]:
        """Modalities that the full model generates."""
        names = tuple(self.model.modalities)
        generates = self.model.options.generates
        return names if generates is None else tuple(n for n in names if n in generates)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """What may be observed, each in the order of the modalities."""
        model = self.model.options
        if not (
            self.generated
            and model.predicts_from == "discriminative"
            and model.generates_from == "both"
            and not model.generative.joint
        ):
            raise ParameterError(
                f"model: generates {', '.join(self.generated) or 'nothing'}, predicts from "
                f"'{model.predicts_from}', generates from '{model.generates_from}', joint is "
                f"{model.generative.joint}; surrogate inference expects one or more modalities "
                f"that are generated from Fy and a Fai each, and Y from Fy (MFM, Figure 1)"
            )
        known = self.modalities
        if self.options.patterns is None:
            return tuple(all_patterns(known))
        for pattern in self.options.patterns:
            for name in pattern:
                if name not in known:
                    raise ParameterError(
                        f"surrogate.patterns: {pattern_name(pattern)} names modality '{name}'; "
                        f"expected among {', '.join(known)}"
                    )
            if not 0 < len(set(pattern)) < len(known):
                raise ParameterError(
                    f"surrogate.patterns: '{pattern_name(pattern)}' lacks nothing, or everything; "
                    f"expected some of {', '.join(known)}, but not all"
                )
        ordered = [tuple(n for n in known if n in one) for one in self.options.patterns]
        return tuple(dict.fromkeys(ordered))

    @property
    def networks(self) -> tuple[tuple[Pattern, ...], ...]:
        """Patterns of each network: one each, or one network for all."""
        if self.options.form == "amortised":
            return (self.patterns,)
        return tuple((pattern,) for pattern in self.patterns)

    def build_network(self, patterns: Sequence[Pattern], full: MFM) -> SurrogateNetwork:
        """Return a network for some patterns, newly initialised.

        Parameters
        ----------
        patterns : sequence of tuple of str
            One of `networks`.
        full : MFM
            Whose generating half is copied if it is to be trained along.
        """
        options = self.model.options
        known = self.modalities
        observed = {n: s for n, s in self.model.modalities.items() if any(n in p for p in patterns)}
        fusion = options.fusion if self.options.fusion is None else self.options.fusion
        presence = [n for n in observed if any(n not in p for p in patterns)]
        sizes = {
            name: value_for(name, options.generative.latent, "generative.latent")
            for name in known
            if name in self.generated and any(name not in p for p in patterns)
        }
        latents = {}
        for name, size in {DISCRIMINATIVE: options.discriminative.latent, **sizes}.items():
            encoder = getattr(options.fusion_options, fusion).build(observed)
            read = conditioned_size(encoder.size, len(presence))
            last: Layer = nn.Linear
            if name == DISCRIMINATIVE:
                last = discriminative_layer(options.discriminative)
            layer: nn.Module
            if self.options.hidden is None:
                layer = last(read, size)
            else:
                hidden = self.options.hidden
                layer = nn.Sequential(nn.Linear(read, hidden), nn.ReLU(), last(hidden, size))
            latents[name] = SurrogateLatent(
                encoder=encoder, layer=layer, size=size, presence=presence
            )
        generator = generating_half(full) if self.options.fine_tune else None
        return SurrogateNetwork(patterns=patterns, latents=latents, generator=generator)

    def assemble(self, full: MFM, networks: Sequence[SurrogateNetwork]) -> SurrogateInference:
        """Return the full model with its networks, in evaluation mode."""
        return SurrogateInference(full=full, networks=networks, modalities=self.modalities).eval()

    def to_state(self, inference: SurrogateInference) -> dict[str, Any]:
        """Return description and weights, plain enough for any file."""
        return {"description": self.model_dump(mode="json"), "weights": inference.state_dict()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> tuple[SurrogateBlueprint, SurrogateInference]:
        """Rebuild surrogate inference, in evaluation mode, from what `to_state` returned."""
        blueprint = cls.model_validate(state["description"])
        full = blueprint.model.build()
        networks = [blueprint.build_network(patterns, full) for patterns in blueprint.networks]
        inference = blueprint.assemble(full, networks)
        inference.load_state_dict(state["weights"])
        return blueprint, inference
