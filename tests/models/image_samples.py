"""Splits and corpora of images, alone and beside a sequence, and small models of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from mfm_pipeline.data import Corpus, Modality, Split, Targets, Task
from mfm_pipeline.models import MFM, Blueprint, Inputs, ModelOptions
from mfm_pipeline.objectives import Costs, Objective

SMALL = {
    "fusion": "late_fusion",
    "fusion_options": {"late_fusion": {"hidden": 8, "channels": [4, 5]}},
    "discriminative": {"latent": 6, "factor": 5},
    "generative": {"latent": 3, "factor": 4, "hidden": 7, "channels": [4, 5]},
}
#: A grey and a colour modality; nine rows of seven pixels halve to four of three.
SHAPES = {"digits": (1, 9, 7), "blended": (3, 8, 8)}


def image_modality(
    shape: tuple[int, int, int], present: np.ndarray, *, seed: int = 0, shared: bool = False
) -> Modality:
    """Return random images; `shared` ones are fewer than samples, in any order."""
    rng = np.random.default_rng(seed)
    n = len(present)
    count = max(2, n // 2) if shared else n
    images = rng.integers(1, 256, (count, *shape)).astype(np.uint8)
    rows = rng.integers(0, count, n) if shared else None
    return Modality(images, present, rows=rows)


def image_split(
    shapes: Mapping[str, tuple[int, int, int]] = SHAPES,
    *,
    n: int = 6,
    seed: int = 0,
    shared: bool = True,
) -> Split:
    """Return samples of images; the first has none, the second the first modality alone."""
    modalities = {}
    for k, (name, shape) in enumerate(shapes.items()):
        present = np.ones(n, dtype=bool)
        present[0] = False
        present[1] = k == 0
        modalities[name] = image_modality(shape, present, seed=seed + k, shared=shared)
    classes = np.arange(n) % 3
    return Split(
        modalities,
        Targets(classes, ("0", "1", "2"), "multiclass"),
        np.array([f"v[{i}]" for i in range(n)]),
    )


def mixed_corpus(
    task: Task = "regression", *, sizes: tuple[int, int, int] = (96, 24, 40), seed: int = 0
) -> Corpus:
    """Return an image and a sequence a sample, either of which may be absent.

    The target is the sum of two factors: brightness of the left half of the image and
    level of the sequence are the first, those of the right half the second.
    """
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(2, 4))

    def split(name: str, n: int) -> Split:
        factor = rng.normal(size=(n, 2))
        halves = np.repeat(factor, 4, axis=1)[:, None, None]
        pixels = 128 + 40 * halves + 5 * rng.normal(size=(n, 1, 8, 8))
        has_image, has_sequence = rng.random((2, n)) > 0.1
        steps = (np.arange(5) >= rng.integers(0, 4, n)[:, None]) & has_sequence[:, None]
        values = (factor @ loadings)[:, None] + 0.1 * rng.normal(size=(n, 5, 4))
        values = np.where(steps[..., None], values, np.nan).astype(np.float32)
        modalities = {
            "picture": Modality(pixels.clip(0, 255).astype(np.uint8), has_image),
            "speech": Modality(values, has_sequence, steps),
        }
        ids = np.array([f"{name}_{i}" for i in range(n)])
        return Split(modalities, _targets(task, factor.sum(axis=1, keepdims=True)), ids)

    names = ("train", "valid", "test")
    return Corpus("mixed", {k: split(k, n) for k, n in zip(names, sizes, strict=True)})


def _targets(task: Task, signal: np.ndarray) -> Targets:
    if task == "multiclass":
        classes = np.digitize(signal[:, 0], (-0.6, 0.6)).astype(np.int64)
        return Targets(classes, ("0", "1", "2"), task)
    if task == "multilabel":
        return Targets((np.hstack([signal, -signal]) > 0).astype(np.float32), ("up", "down"), task)
    return Targets(signal.astype(np.float32), ("level",), task)


def model_of(split: Split, **changes: object) -> MFM:
    torch.manual_seed(0)
    options = ModelOptions.model_validate(SMALL | changes)
    return Blueprint.of(split, options).build().eval()


def costs_of(model: MFM, split: Split, inputs: Inputs, **changes: object) -> Costs:
    torch.manual_seed(1)
    options = ModelOptions.model_validate(SMALL | changes)
    objective = Objective.build(options, split.modalities, split.targets.task)
    return objective(model(inputs), inputs, torch.from_numpy(split.targets.values))
