"""The Multimodal Factorization Model of Figure 1 and Equations 1 to 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mfm_pipeline.data import Task
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.inputs import Inputs
from mfm_pipeline.models.latents import DISCRIMINATIVE as DISCRIMINATIVE
from mfm_pipeline.models.latents import JOINT, Latent
from mfm_pipeline.models.modality import Decoder
from mfm_pipeline.models.options import ModelOptions
from mfm_pipeline.models.parts import build_parts
from mfm_pipeline.models.spec import ModalitySpec
from mfm_pipeline.models.statistics import Statistics


class Factors(NamedTuple):
    """Factors of a batch.

    Attributes
    ----------
    discriminative : Tensor, shape (n, fy)
        Fy, shared by all modalities and the label; of size 0 in a model without.
    generative : dict of str to Tensor, shape (n, fa)
        What each modality is generated from beside Fy: its Fai, the one joint Fa, or
        nothing, of size 0.
    """

    discriminative: Tensor
    generative: dict[str, Tensor]


class MfmOutput(NamedTuple):
    """Everything that one pass through the model yields.

    Attributes
    ----------
    latents : dict of str to Latent
        Zy under `DISCRIMINATIVE`, Zai under the name of its modality, a Za of all
        modalities under `JOINT`.
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
    from options. Parts that belong to a modality are keyed by its name. Models that lack
    some of Figure 1, as those of Figure 3 do, lack its parts: which ones are there says
    what the label and each modality come from.

    Parameters
    ----------
    fusion : Encoder, optional
        State of Q(Zy | X1:M); None if the label comes from the generative factors.
    encoders : mapping of str to Encoder
        State of each Q(Zai | Xi), or of the one Q(Za | X1:M) under `JOINT`; none if
        modalities are generated from Fy alone.
    latents : mapping of str to Module
        From each encoder's state to its `Latent`; with `DISCRIMINATIVE` for Zy, unless
        the label comes from the fusion encoder's state or the generative factors.
    factors : mapping of str to Module
        Gy under `DISCRIMINATIVE`, and each Gai, for the same keys.
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
        Modalities that the label is inferred from; by default those that are
        generated.

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
        fusion: Encoder | None,
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
        self.modalities = tuple(decoders)
        self.reads = self.modalities if reads is None else tuple(reads)
        own = set(encoders)
        if (
            own not in (set(decoders), {JOINT}, set())
            or set(latents) not in (own, {DISCRIMINATIVE, *own})
            or set(factors) != set(latents)
        ):
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
        model = cls(
            **build_parts(options, modalities, outputs=outputs)._asdict(),
            task=task,
            outputs=outputs,
            steps=steps,
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

    @property
    def factorized(self) -> bool:
        """Whether Y comes from Fy and each X̂i from Fy and its own Fai, as in Figure 1."""
        return bool(self.modalities) and set(self.latents) == {DISCRIMINATIVE, *self.modalities}

    def forward(self, inputs: Inputs) -> MfmOutput:
        """Infer latents, and generate modalities and label from them."""
        if not len(self.latents):
            state = self._fuse(inputs.gather())
            return MfmOutput({}, Factors(state[:, :0], {}), {}, self.head(state))
        latents = self.encode(inputs)
        factors = self.factorize({name: latent.sample for name, latent in latents.items()})
        steps = next((mask.shape[1] for mask in inputs.steps.values()), self.steps)
        reconstructions = self.decode(factors, steps, inputs.present)
        return MfmOutput(latents, factors, reconstructions, self.head(self._of_label(factors)))

    def encode(self, inputs: Inputs) -> dict[str, Latent]:
        """Infer every latent, Equation 3: Q(Zy | X1:M) and each Q(Zai | Xi)."""
        inputs = inputs.gather()
        states: dict[str, Tensor] = {}
        for kind, alike in _by_class(self.encoders).items():
            states |= kind.together(alike, inputs)
        if DISCRIMINATIVE in self.latents:
            states[DISCRIMINATIVE] = self._fuse(inputs)
        return {name: latent(states[name]) for name, latent in self.latents.items()}

    def factorize(self, latents: Mapping[str, Tensor]) -> Factors:
        """Map latent samples ``(n, z)`` to factors: Fy = Gy(Zy), Fai = Gai(Zai).

        Latents may be those of some modalities only; Zy has to be there, in a model
        that has it.
        """
        factors = {name: self.factors[name](latent) for name, latent in latents.items()}
        nothing = next(iter(factors.values()))[:, :0]
        discriminative = factors.pop(DISCRIMINATIVE, nothing)
        if JOINT in factors:
            factors = dict.fromkeys(self.modalities, factors[JOINT])
        elif set(self.factors) <= {DISCRIMINATIVE}:
            factors = dict.fromkeys(self.modalities, nothing)
        return Factors(discriminative, factors)

    def decode(
        self,
        factors: Factors,
        steps: int | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Generate X̂i = Fi(Fy, Fai) of each modality in `factors`; sequences left-justified.

        Parameters
        ----------
        factors : Factors
        steps : int, optional
            Of sequences; by default those of the corpus.
        present : mapping of str to Tensor of bool, shape (n,), optional
            Samples that have the modality: in training mode no other counts in batch
            normalisation, and of what is not there the image is zero. By default all.
        """
        length = self.steps if steps is None else steps
        chosen = {name: self.decoders[name] for name in factors.generative}
        sequences: dict[str, Tensor] = {}
        for kind, alike in _by_class(chosen).items():
            sequences |= kind.together(
                alike, factors.discriminative, factors.generative, length, present or {}
            )
        return {name: sequences[name] for name in chosen}

    def predict(self, inputs: Inputs) -> Tensor:
        """Predict the label alone, in the units of `to_target_units`.

        Returns
        -------
        Tensor, shape (n, outputs)
        """
        return self.to_target_units(self.read(inputs).mean(dim=1))

    def read(self, inputs: Inputs) -> Tensor:
        """Return Ŷ of each head alone, raw, ``(n, heads, outputs)``."""
        heads: Tensor = self.head(self._label_state(inputs.gather()))
        return heads

    def _label_state(self, inputs: Inputs) -> Tensor:
        """Return what the head reads, by way of nothing that it does not come from."""
        if self.fusion is None:
            latents = self.encode(inputs)
            return self._of_label(self.factorize({k: z.sample for k, z in latents.items()}))
        state = self._fuse(inputs)
        if DISCRIMINATIVE not in self.latents:
            return state
        latent: Latent = self.latents[DISCRIMINATIVE](state)
        factor: Tensor = self.factors[DISCRIMINATIVE](latent.sample)
        return factor

    def _of_label(self, factors: Factors) -> Tensor:
        """Return the factors that the label is generated from: Fy, or every Fai."""
        if self.fusion is None:
            return torch.cat(list(factors.generative.values()), dim=1)
        return factors.discriminative

    def _fuse(self, inputs: Inputs) -> Tensor:
        assert self.fusion is not None
        state: Tensor = self.fusion(inputs)
        return state

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


def _by_class(parts: nn.ModuleDict | Mapping[str, nn.Module]) -> dict[Any, dict[str, Any]]:
    """Group parts by their class, which may be faster at running them together."""
    groups: dict[Any, dict[str, Any]] = {}
    for name, part in parts.items():
        groups.setdefault(type(part), {})[name] = part
    return groups
