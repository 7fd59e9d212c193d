"""The parts of a model, built from its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from torch import nn

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.factors import Factor, Head
from mfm_pipeline.models.grouped import SubspaceLinear
from mfm_pipeline.models.latents import (
    DISCRIMINATIVE,
    JOINT,
    GaussianLatent,
    Layer,
    PointLatent,
)
from mfm_pipeline.models.modality import KINDS, Decoder, encoder_name
from mfm_pipeline.models.options import DiscriminativeOptions, GenerativeOptions, ModelOptions
from mfm_pipeline.models.per_modality import value_for
from mfm_pipeline.models.spec import ModalitySpec


class Parts(NamedTuple):
    """What a model is made of, as `MFM` takes it.

    Attributes
    ----------
    reads : tuple of str
        Modalities that the label is inferred from.
    fusion : Encoder, optional
    encoders : dict of str to Encoder
    latents, factors : dict of str to Module
    decoders : dict of str to Decoder
    head : Module
    """

    reads: tuple[str, ...]
    fusion: Encoder | None
    encoders: dict[str, Encoder]
    latents: dict[str, nn.Module]
    factors: dict[str, nn.Module]
    decoders: dict[str, Decoder]
    head: nn.Module


def discriminative_layer(options: DiscriminativeOptions) -> Layer:
    """Return what makes the layer to Zy: linear, of which each head may see a share."""
    if options.share < 1:
        return partial(SubspaceLinear, groups=options.heads, share=options.share)
    return nn.Linear


def build_parts(
    options: ModelOptions, modalities: Mapping[str, ModalitySpec], *, outputs: int
) -> Parts:
    """Build every part that the options call for, and no other.

    Parameters
    ----------
    options : ModelOptions
    modalities : mapping of str to ModalitySpec
        Two or more.
    outputs : int
        Targets, labels or classes.

    Raises
    ------
    ParameterError
        If options do not fit the modalities.
    """
    _check_names(modalities)
    discriminative, generative = options.discriminative, options.generative
    generated = _chosen(modalities, options.generates)
    by_generative = options.predicts_from == "generative"
    named = options.generates if by_generative else options.reads
    read = _chosen(modalities, named)
    if not read:
        raise ParameterError(
            f"{'generates' if by_generative else 'reads'} is {', '.join(named or ())}; "
            f"expected one or more of {', '.join(modalities)}"
        )
    latent: Callable[..., nn.Module] = GaussianLatent
    if options.prior == "mmd":
        latent = partial(PointLatent, noise=options.noise)
    fusion = None if by_generative else options.chosen_fusion.build(read)
    encoders: dict[str, Encoder] = {}
    latents: dict[str, nn.Module] = {}
    factors: dict[str, nn.Module] = {}
    decoders: dict[str, Decoder] = {}
    if fusion is not None and options.predicts_from == "discriminative":
        latents[DISCRIMINATIVE] = latent(
            state_size=fusion.size,
            size=discriminative.latent,
            layer=discriminative_layer(discriminative),
        )
        factors[DISCRIMINATIVE] = Factor(
            latent_size=discriminative.latent,
            size=discriminative.factor,
            dropout=discriminative.dropout,
            groups=discriminative.heads,
        )
    if generative.joint:
        encoders[JOINT] = options.chosen_fusion.build(generated)
        size = sum(_size(name, generative) for name in generated)
        latents[JOINT] = latent(state_size=encoders[JOINT].size, size=size)
        factors[JOINT] = Factor(
            latent_size=size,
            size=sum(_factor_size(name, generative) for name in generated),
            dropout=sum(_dropout(name, generative) for name in generated) / len(generated),
        )
    own = options.generates_from != "discriminative" and not generative.joint
    for name, spec in generated.items():
        if own:
            size = _size(name, generative)
            encoders[name] = _encoder(name, spec, generative)
            latents[name] = latent(state_size=encoders[name].size, size=size)
            factors[name] = Factor(
                latent_size=size,
                size=_factor_size(name, generative),
                dropout=_dropout(name, generative),
            )
        decoders[name] = _decoder(name, spec, options, generated)
    return Parts(
        reads=tuple(read),
        fusion=fusion,
        encoders=encoders,
        latents=latents,
        factors=factors,
        decoders=decoders,
        head=Head(
            factor_size=_label_size(options, fusion, generated),
            outputs=outputs,
            dropout=discriminative.head_dropout,
            heads=discriminative.heads,
        ),
    )


def _encoder(name: str, spec: ModalitySpec, options: GenerativeOptions) -> Encoder:
    """Return Q(Zai | Xi)."""
    hidden = _size(name, options)
    if options.hidden is not None:
        hidden = value_for(name, options.hidden, "generative.hidden")
    return KINDS[spec.kind].encoder(
        encoder_name(name, spec.kind, options.encoder, "generative.encoder"),
        modality=name,
        shape=spec.shape,
        hidden=hidden,
        channels=value_for(name, options.channels, "generative.channels"),
    )


def _decoder(
    name: str, spec: ModalitySpec, options: ModelOptions, generated: Mapping[str, ModalitySpec]
) -> Decoder:
    """Return Fi, from the factors that reach it."""
    generative = options.generative
    factors = 0
    if options.generates_from != "generative":
        factors += options.discriminative.factor
    if options.generates_from != "discriminative":
        together = generated if generative.joint else (name,)
        factors += sum(_factor_size(other, generative) for other in together)
    hidden = generative.decoder
    return KINDS[spec.kind].decoder(
        modality=name,
        factors=factors,
        shape=spec.shape,
        hidden=None if hidden is None else value_for(name, hidden, "generative.decoder"),
        channels=value_for(name, generative.channels, "generative.channels"),
    )


def _label_size(
    options: ModelOptions, fusion: Encoder | None, generated: Mapping[str, ModalitySpec]
) -> int:
    """Return the size of what the label is read from."""
    if fusion is None:
        return sum(_factor_size(name, options.generative) for name in generated)
    return fusion.size if options.predicts_from == "fused" else options.discriminative.factor


def _size(name: str, options: GenerativeOptions) -> int:
    return value_for(name, options.latent, "generative.latent")


def _factor_size(name: str, options: GenerativeOptions) -> int:
    return value_for(name, options.factor, "generative.factor")


def _dropout(name: str, options: GenerativeOptions) -> float:
    return value_for(name, options.dropout, "generative.dropout")


def _chosen(
    modalities: Mapping[str, ModalitySpec], names: Sequence[str] | None
) -> dict[str, ModalitySpec]:
    """Return the modalities that are named, in the order of all; without names, all."""
    return {name: spec for name, spec in modalities.items() if names is None or name in names}


def _check_names(modalities: Mapping[str, ModalitySpec]) -> None:
    """Raise ParameterError unless modalities can be built and key the model's parts."""
    if len(modalities) < 2:
        raise ParameterError(
            f"modalities are {', '.join(modalities) or 'none'}; expected two or more"
        )
    for name, spec in modalities.items():
        if spec.kind not in KINDS:
            raise ParameterError(
                f"modality '{name}' is of kind '{spec.kind}'; expected one of {', '.join(KINDS)}"
            )
        taken = name in (DISCRIMINATIVE, JOINT) or hasattr(nn.ModuleDict, name)
        if taken or not name or "." in name:
            raise ParameterError(
                f"modality '{name}' cannot be called that; expected a name without a dot, other "
                f"than '{DISCRIMINATIVE}', '{JOINT}' and the attributes of torch.nn.ModuleDict"
            )
