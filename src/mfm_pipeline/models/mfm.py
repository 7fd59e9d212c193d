"""The Multimodal Factorization Model of Figure 1 and Equations 1 to 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mfm_pipeline.data import Task
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.factors import Factor, Head
from mfm_pipeline.models.grouped import SubspaceLinear
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.latents import GaussianLatent, Latent, Layer, PointLatent
from mfm_pipeline.models.modality import KINDS, Decoder, encoder_name
from mfm_pipeline.models.options import DiscriminativeOptions, ModelOptions
from mfm_pipeline.models.per_modality import value_for
from mfm_pipeline.models.spec import ModalitySpec
from mfm_pipeline.models.statistics import Statistics

DISCRIMINATIVE = "discriminative"
"""Key of Zy among the latents; every other key is a modality."""


class Factors(NamedTuple):
    """Factors of a batch.

    Attributes
    ----------
    discriminative : Tensor, shape (n, fy)
        Fy, shared by all modalities and the label.
    generative : dict of str to Tensor, shape (n, fa)
        Fai of each modality.
    """

    discriminative: Tensor
    generative: dict[str, Tensor]


class MfmOutput(NamedTuple):
    """Everything that one pass through the model yields.

    Attributes
    ----------
    latents : dict of str to Latent
        Zy under `DISCRIMINATIVE`, Zai under the name of its modality.
    factors : Factors
    reconstructions : dict of str to Tensor
        X̂i of each modality: ``(n, T, d)``, left-justified as `Inputs` are, or
        images ``(n, C, H, W)`` from 0 to 1.
    heads : Tensor, shape (n, heads, outputs)
        Ŷ of each head, raw: standardised targets, or logits.
    """

    latents: dict[str, Latent]
    factors: Factors
    reconstructions: dict[str, Tensor]
    heads: Tensor

    @property
    def prediction(self) -> Tensor:
        """Ŷ, raw: the mean of the heads, ``(n, outputs)``."""
        return self.heads.mean(dim=1)


class MFM(nn.Module):
    """Encoders, factor networks, decoders and head, wired as in Figure 1.

    Built from ready parts, so that each can be swapped; `build` makes them
    from options. Parts that belong to a modality are keyed by its name.

    Parameters
    ----------
    fusion : Encoder
        State of Q(Zy | X1:M).
    encoders : mapping of str to Encoder
        State of each Q(Zai | Xi).
    latents : mapping of str to Module
        From each state to its `Latent`; with `DISCRIMINATIVE` for Zy.
    factors : mapping of str to Module
        Gy under `DISCRIMINATIVE`, and each Gai.
    decoders : mapping of str to Decoder
        Each Fi.
    head : Module
        D.
    task : {"regression", "multiclass", "multilabel"}
    outputs : int
        Targets, labels or classes.
    steps : int
        Steps that decoders produce where no inputs say how many.
    reads : sequence of str, optional
        Modalities that the fusion encoder reads; by default those that have an
        encoder.

    Attributes
    ----------
    modalities : tuple of str
        Those that are generated.
    target_center, target_scale : Tensor, shape (outputs,)
        Regression: what a raw prediction of 0 and a difference of 1 stand for.
        0 and 1 unless `set_target_scale` is called.
    """

    target_center: Tensor
    target_scale: Tensor

    def __init__(
        self,
        *,
        fusion: Encoder,
        encoders: Mapping[str, Encoder],
        latents: Mapping[str, nn.Module],
        factors: Mapping[str, nn.Module],
        decoders: Mapping[str, Decoder],
        head: nn.Module,
        task: Task,
        outputs: int,
        steps: int,
        reads: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.modalities = tuple(encoders)
        self.reads = self.modalities if reads is None else tuple(reads)
        expected = {DISCRIMINATIVE, *encoders}
        if set(latents) != expected or set(factors) != expected or set(decoders) != set(encoders):
            raise ValueError(
                f"parts are keyed {sorted(latents)}, {sorted(factors)} and {sorted(decoders)}; "
                f"expected the modalities {', '.join(encoders)} and '{DISCRIMINATIVE}'"
            )
        self.fusion = fusion
        self.encoders = nn.ModuleDict(encoders)
        self.latents = nn.ModuleDict(latents)
        self.factors = nn.ModuleDict(factors)
        self.decoders = nn.ModuleDict(decoders)
        self.head = head
        self.task = task
        self.steps = steps
        self.register_buffer("target_center", torch.zeros(outputs))
        self.register_buffer("target_scale", torch.ones(outputs))

    @classmethod
    def build(
        cls,
        options: ModelOptions,
        modalities: Mapping[str, ModalitySpec],
        *,
        outputs: int,
        steps: int,
        task: Task,
        target_center: NDArray[np.floating] | Tensor | None = None,
        target_scale: NDArray[np.floating] | Tensor | None = None,
    ) -> MFM:
        """Build the model that `options` describe.

        Parameters
        ----------
        options : ModelOptions
        modalities : mapping of str to ModalitySpec
            Two or more.
        outputs : int
            Targets, labels or classes.
        steps : int
            Steps T of the corpus.
        task : {"regression", "multiclass", "multilabel"}
        target_center, target_scale : array of float, shape (outputs,), optional
            Location and spread of the training targets; regression only.

        Raises
        ------
        ParameterError
            If options do not fit the modalities.
        """
        _check_names(modalities)
        discriminative, generative = options.discriminative, options.generative
        latent: Callable[..., nn.Module] = GaussianLatent
        if options.prior == "mmd":
            latent = partial(PointLatent, noise=options.noise)
        read = _chosen(modalities, options.reads)
        if not read:
            raise ParameterError(
                f"reads is {', '.join(options.reads or ())}; "
                f"expected one or more of {', '.join(modalities)}"
            )
        fusion = options.chosen_fusion.build(read)
        layer = discriminative_layer(discriminative)
        latents = {
            DISCRIMINATIVE: latent(state_size=fusion.size, size=discriminative.latent, layer=layer)
        }
        factors = {
            DISCRIMINATIVE: Factor(
                latent_size=discriminative.latent,
                size=discriminative.factor,
                dropout=discriminative.dropout,
                groups=discriminative.heads,
            )
        }
        encoders: dict[str, Encoder] = {}
        decoders: dict[str, Decoder] = {}
        for name, spec in _chosen(modalities, options.generates).items():
            size = value_for(name, generative.latent, "generative.latent")
            factor = value_for(name, generative.factor, "generative.factor")
            hidden = size
            if generative.hidden is not None:
                hidden = value_for(name, generative.hidden, "generative.hidden")
            kind = KINDS[spec.kind]
            channels = value_for(name, generative.channels, "generative.channels")
            encoders[name] = kind.encoder(
                encoder_name(name, spec.kind, generative.encoder, "generative.encoder"),
                modality=name,
                shape=spec.shape,
                hidden=hidden,
                channels=channels,
            )
            latents[name] = latent(state_size=encoders[name].size, size=size)
            dropout = value_for(name, generative.dropout, "generative.dropout")
            factors[name] = Factor(latent_size=size, size=factor, dropout=dropout)
            decoder = generative.decoder
            decoders[name] = kind.decoder(
                modality=name,
                factors=discriminative.factor + factor,
                shape=spec.shape,
                hidden=None if decoder is None else value_for(name, decoder, "generative.decoder"),
                channels=channels,
            )
        model = cls(
            fusion=fusion,
            encoders=encoders,
            latents=latents,
            factors=factors,
            decoders=decoders,
            head=Head(
                factor_size=discriminative.factor,
                outputs=outputs,
                dropout=discriminative.head_dropout,
                heads=discriminative.heads,
            ),
            task=task,
            outputs=outputs,
            steps=steps,
            reads=tuple(read),
        )
        if target_center is not None or target_scale is not None:
            model.set_target_scale(
                0.0 if target_center is None else target_center,
                1.0 if target_scale is None else target_scale,
            )
        return model

    def set_target_scale(
        self,
        center: NDArray[np.floating] | Tensor | float,
        scale: NDArray[np.floating] | Tensor | float,
    ) -> None:
        """Set what raw predictions of a regression are measured in.

        Raises
        ------
        ValueError
            If the task is not a regression, or a scale is not positive.
        """
        if self.task != "regression":
            raise ValueError(f"targets of a {self.task} task have no scale")
        if not (torch.as_tensor(scale) > 0).all():
            raise ValueError(f"target scale is {scale}; expected positive numbers")
        self.target_center.copy_(torch.as_tensor(center))
        self.target_scale.copy_(torch.as_tensor(scale))

    def calibrate(self, train: Inputs) -> None:
        """Let parts that standardise what they read measure the training split."""
        for part in self.modules():
            if isinstance(part, Statistics):
                part.fit(train)

    def forward(self, inputs: Inputs) -> MfmOutput:
        """Infer latents, and generate modalities and label from them."""
        latents = self.encode(inputs)
        factors = self.factorize({name: latent.sample for name, latent in latents.items()})
        steps = next((mask.shape[1] for mask in inputs.steps.values()), self.steps)
        reconstructions = self.decode(factors, steps)
        return MfmOutput(latents, factors, reconstructions, self.head(factors.discriminative))

    def encode(self, inputs: Inputs) -> dict[str, Latent]:
        """Infer every latent, Equation 3: Q(Zy | X1:M) and each Q(Zai | Xi)."""
        inputs = inputs.gather()
        states: dict[str, Tensor] = {}
        for kind, alike in _by_class(self.encoders).items():
            states |= kind.together(alike, inputs)
        states[DISCRIMINATIVE] = self.fusion(inputs)
        return {name: latent(states[name]) for name, latent in self.latents.items()}

    def factorize(self, latents: Mapping[str, Tensor]) -> Factors:
        """Map latent samples ``(n, z)`` to factors: Fy = Gy(Zy), Fai = Gai(Zai).

        Latents may be those of some modalities only; Zy has to be there.
        """
        factors = {name: self.factors[name](latent) for name, latent in latents.items()}
        return Factors(factors.pop(DISCRIMINATIVE), factors)

    def decode(self, factors: Factors, steps: int | None = None) -> dict[str, Tensor]:
        """Generate X̂i = Fi(Fy, Fai) of each modality in `factors`; sequences left-justified."""
        length = self.steps if steps is None else steps
        chosen = {name: self.decoders[name] for name in factors.generative}
        sequences: dict[str, Tensor] = {}
        for kind, alike in _by_class(chosen).items():
            sequences |= kind.together(alike, factors.discriminative, factors.generative, length)
        return {name: sequences[name] for name in chosen}

    def predict(self, inputs: Inputs) -> Tensor:
        """Predict the label alone, in the units of `to_target_units`.

        Returns
        -------
        Tensor, shape (n, outputs)
        """
        latent: Latent = self.latents[DISCRIMINATIVE](self.fusion(inputs.gather()))
        factor = self.factors[DISCRIMINATIVE](latent.sample)
        return self.to_target_units(self.head(factor).mean(dim=1))

    def to_target_units(self, prediction: Tensor) -> Tensor:
        """Map a raw prediction back: to the targets' units, or to probabilities."""
        if self.task == "multiclass":
            return prediction.softmax(dim=-1)
        if self.task == "multilabel":
            return prediction.sigmoid()
        return self.target_center + self.target_scale * prediction

    def standardise(self, targets: Tensor) -> Tensor:
        """Map targets to what the raw prediction is compared with."""
        if self.task != "regression":
            return targets
        return (targets - self.target_center) / self.target_scale


def discriminative_layer(options: DiscriminativeOptions) -> Layer:
    """Return what makes the layer to Zy: linear, of which each head may see a share."""
    if options.share < 1:
        return partial(SubspaceLinear, groups=options.heads, share=options.share)
    return nn.Linear


def _by_class(parts: nn.ModuleDict | Mapping[str, nn.Module]) -> dict[Any, dict[str, Any]]:
    """Group parts by their class, which may be faster at running them together."""
    groups: dict[Any, dict[str, Any]] = {}
    for name, part in parts.items():
        groups.setdefault(type(part), {})[name] = part
    return groups


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
        taken = name == DISCRIMINATIVE or hasattr(nn.ModuleDict, name)
        if taken or not name or "." in name:
            raise ParameterError(
                f"modality '{name}' cannot be called that; expected a name without a dot, "
                f"other than '{DISCRIMINATIVE}' and the attributes of torch.nn.ModuleDict"
            )
