"""All scores of a model's generated images, beside those of real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import nan
from typing import NamedTuple

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from mfm_pipeline.errors import DataError
from mfm_pipeline.generation.conditional import (
    generate,
    generate_given,
    generate_missing,
    infer_latents,
)
from mfm_pipeline.generation.observations import as_inputs
from mfm_pipeline.generation.samplers import Sampler
from mfm_pipeline.generation.scores import (
    Judge,
    Judged,
    agreement,
    diversity,
    frechet_distance,
    image_style,
    judge_images,
    style_consistency,
)
from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.completed import Complete
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.options import Options

ALL = "all"
"""What stands for the modality of a score that takes all of them."""


class ScoreOptions(Options):
    """How much is generated for the scores."""

    samples: int = Field(
        default=2000, ge=4, description="Test samples whose latents are given, at most."
    )
    draws: int = Field(default=5, ge=2, description="Draws of the other latents for each.")
    batch_size: int = Field(default=256, ge=1, description="Samples generated or judged at once.")


class ScoreRow(NamedTuple):
    """One row of the table; `score_generation` says what its columns hold."""

    score: str
    modality: str
    generated: float
    real: float
    chance: float = nan


class _Scene(NamedTuple):
    """What every score starts from: a model, and real samples with labels and latents."""

    model: MFM
    samplers: Mapping[str, Sampler]
    judges: Mapping[str, Judge]
    options: ScoreOptions
    generator: torch.Generator
    inputs: Inputs
    labels: Tensor
    latents: dict[str, Tensor]
    real: dict[str, Judged]
    infer: Complete | None

    def judge(self, generated: Mapping[str, Tensor]) -> dict[str, Judged]:
        """Let each judge look at the images ``(m, r, C, H, W)`` of its modality."""
        return {
            name: judge_images(self.judges[name], images.flatten(0, 1), self.options.batch_size)
            for name, images in generated.items()
            if name in self.judges
        }


def score_generation(
    model: MFM,
    inputs: Inputs,
    labels: Tensor,
    samplers: Mapping[str, Sampler],
    judges: Mapping[str, Judge],
    options: ScoreOptions,
    *,
    generator: torch.Generator,
    infer: Complete | None = None,
) -> pd.DataFrame:
    """Score what a trained model generates.

    ==================================  ===============================================
    score                               of generated images
    ==================================  ===============================================
    ``label_consistency``               share that the judge reads as the label that Zy
                                        was inferred with; each Zai drawn
    ``diversity_of_label/<of>``         mean distance between those of one label
    ``diversity_of_zy/<of>``            mean distance between those of one Zy
    ``frechet_of_zy``                   Fréchet distance of their features to real ones
    ``joint_coherence``                 share about whose class all judges agree; all
                                        latents drawn
    ``frechet_of_joint``                Fréchet distance of their features to real ones
    ``coherence_from_<modality>``       share that the judge reads as the label of the
                                        one observed modality; other Zai drawn
    ``style_consistency/<of>``          `style_consistency` with the real images whose
                                        Zai were kept; Zy that of another label
    ==================================  ===============================================

    ``<of>`` is ``pixels``, ``features`` (the judge's) or ``latent`` (Zai).

    Parameters
    ----------
    model : MFM
    inputs : Inputs
        Of the test split.
    labels : Tensor of int64, shape (n,)
        Its classes.
    samplers : mapping of str to Sampler
    judges : mapping of str to Judge
        By modality; modalities without a judge are not scored.
    options : ScoreOptions
    generator : torch.Generator
        Of the samples chosen and of all draws.
    infer : callable, optional
        What infers Zy from one modality, see `generate_missing`.

    Returns
    -------
    DataFrame
        ``score``, ``modality``, and the number for ``generated`` images and for
        ``real`` ones; ``chance`` is what it would be if what was given had no
        influence, NaN where that says nothing. What is real about Fréchet distances
        is another half of the real images, as large as what was generated; about
        style consistency, the reconstructions of the real images, with their own Zy;
        about coherence, the pairs (triples, ...) themselves.

    Raises
    ------
    DataError
        If fewer than four samples have all judged modalities, or all of one label.
    """
    scene = _set_scene(model, inputs, labels, samplers, judges, options, generator, infer)
    rows = [
        *_zy_given(scene),
        *_joint(scene),
        *_one_observed(scene),
        *_style_kept(scene),
    ]
    return pd.DataFrame(rows, columns=ScoreRow._fields)


def _set_scene(
    model: MFM,
    inputs: Inputs,
    labels: Tensor,
    samplers: Mapping[str, Sampler],
    judges: Mapping[str, Judge],
    options: ScoreOptions,
    generator: torch.Generator,
    infer: Complete | None,
) -> _Scene:
    whole = torch.stack([inputs.present[name] for name in judges]).all(dim=0)
    usable = whole.nonzero().flatten()
    order = torch.randperm(len(usable), generator=generator)[: options.samples]
    chosen = usable[order[: len(order) // 2 * 2]]
    if len(chosen) < 4 or len(torch.unique(labels[chosen])) < 2:
        raise DataError(
            f"{len(usable)} samples have all of {', '.join(judges)}, of "
            f"{len(torch.unique(labels[usable]))} label(s); expected four or more, of two or more"
        )
    shown = inputs[chosen]
    real = {
        name: judge_images(judge, shown.values[name], options.batch_size)
        for name, judge in judges.items()
    }
    latents = infer_latents(model, shown, batch_size=options.batch_size)
    return _Scene(
        model, samplers, judges, options, generator, shown, labels[chosen], latents, real, infer
    )


def _zy_given(scene: _Scene) -> Iterator[ScoreRow]:
    draws, m = scene.options.draws, len(scene.labels)
    generated = generate_given(
        scene.model,
        {DISCRIMINATIVE: scene.latents[DISCRIMINATIVE]},
        scene.samplers,
        draws,
        generator=scene.generator,
        modalities=list(scene.judges),
        batch_size=scene.options.batch_size,
    )
    labels = scene.labels.repeat_interleave(draws)
    zy = torch.arange(m).repeat_interleave(draws)
    for name, made in scene.judge(generated).items():
        real = scene.real[name]
        read = agreement(labels, made.classes)
        accuracy = agreement(scene.labels, real.classes).value
        yield ScoreRow("label_consistency", name, read.value, accuracy, read.chance)
        for of, ours, theirs in (
            ("pixels", made.images, real.images),
            ("features", made.features, real.features),
        ):
            among_real = diversity(theirs, scene.labels)
            yield ScoreRow(f"diversity_of_label/{of}", name, diversity(ours, labels), among_real)
            yield ScoreRow(f"diversity_of_zy/{of}", name, diversity(ours, zy), among_real)
        yield _frechet("frechet_of_zy", name, made.features[::draws], real.features)


def _joint(scene: _Scene) -> Iterator[ScoreRow]:
    generated = generate_given(
        scene.model,
        {},
        scene.samplers,
        len(scene.labels),
        generator=scene.generator,
        modalities=list(scene.judges),
        batch_size=scene.options.batch_size,
    )
    made = scene.judge(generated)
    if len(made) > 1:
        agreed = agreement(*(each.classes for each in made.values()))
        real = agreement(*(each.classes for each in scene.real.values()))
        yield ScoreRow("joint_coherence", ALL, agreed.value, real.value, agreed.chance)
    for name, each in made.items():
        yield _frechet("frechet_of_joint", name, each.features, scene.real[name].features)


def _one_observed(scene: _Scene) -> Iterator[ScoreRow]:
    for observed in scene.judges:
        generated = generate_missing(
            scene.model,
            scene.inputs,
            [observed],
            scene.samplers,
            1,
            generator=scene.generator,
            infer=scene.infer,
            batch_size=scene.options.batch_size,
        )
        for name, made in scene.judge(generated).items():
            read = agreement(scene.labels, made.classes)
            accuracy = agreement(scene.labels, scene.real[name].classes).value
            yield ScoreRow(f"coherence_from_{observed}", name, read.value, accuracy, read.chance)


def _style_kept(scene: _Scene) -> Iterator[ScoreRow]:
    model, size = scene.model, scene.options.batch_size
    other, differs = _partners(scene.labels)
    zy = scene.latents[DISCRIMINATIVE]
    kept = generate(model, scene.latents, batch_size=size)
    swapped = generate(model, scene.latents | {DISCRIMINATIVE: zy[other]}, batch_size=size)
    found_kept, found_swapped = (
        infer_latents(model, as_inputs(generated), batch_size=size) for generated in (kept, swapped)
    )
    for name, real in scene.real.items():
        style = image_style(real.images)
        scale = style.std(dim=0).clamp(min=1e-6)
        for of, given, same, changed in (
            ("latent", scene.latents[name], found_kept[name], found_swapped[name]),
            (
                "pixels",
                style / scale,
                image_style(kept[name].clamp(0, 1)) / scale,
                image_style(swapped[name].clamp(0, 1)) / scale,
            ),
        ):
            ours = style_consistency(
                given[differs],
                changed[differs],
                scene.labels[differs],
                scene.labels[other[differs]],
            )
            ceiling = style_consistency(given, same, scene.labels, scene.labels).value
            yield ScoreRow(f"style_consistency/{of}", name, ours.value, ceiling, ours.chance)


def _frechet(score: str, name: str, generated: Tensor, real: Tensor) -> ScoreRow:
    """Compare equally many generated and real images with the first half of the real ones."""
    half = len(real) // 2
    first, second = real[:half], real[half:]
    return ScoreRow(
        score,
        name,
        frechet_distance(generated[half : 2 * half], first),
        frechet_distance(second, first),
    )


def _partners(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return a permutation of samples, and where it leads to another label, ``(n,)`` each.

    That is everywhere unless more than half have one label.
    """
    order = torch.argsort(labels, stable=True)
    other = torch.empty_like(order)
    other[order] = order.roll(len(order) // 2)
    return other, labels[other] != labels
