"""Pairs, judges and scores that all models of `compare_multivae.py` share."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from mfm_pipeline import generation
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.datasets import WeightsDataset
from mfm_pipeline.generation import Judge, SamplerOptions
from mfm_pipeline.generation.scores import Judged, agreement, frechet_distance, judge_images
from mfm_pipeline.models import MFM, Inputs, ModelOptions
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.pipelines.comparing import ComparisonOptions
from mfm_pipeline.pipelines.generate.nodes import judge_of, train_judges
from mfm_pipeline.pipelines.generate.options import GenerationOptions
from mfm_pipeline.pipelines.pair_digits.nodes import build_corpus, pair_digits, read_digits
from mfm_pipeline.training import TrainingOptions

ROOT = Path(__file__).resolve().parents[1]
SAMPLERS = ("prior", "mixture")
SCORED = ("valid", "test")


class Shared(NamedTuple):
    """What is the same for all models, on the side of the project."""

    corpus: Corpus
    splits: dict[str, Split]
    judges: dict[str, Judge]
    real: dict[str, dict[str, Judged]]
    model: ModelOptions
    training: TrainingOptions
    comparison: ComparisonOptions
    generation: GenerationOptions
    work: Path
    peers: Path


def prepare(given: argparse.Namespace) -> Shared:
    """Pair the images, train the judges, and write the pairs for the other environment."""
    work: Path = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{work / 'mlflow.db'}"
    parameters, corpus = _read(given)
    _check_same(parameters, work / "parameters.json")
    kept = WeightsDataset(path=str(work / "judges"))
    if not kept.exists():
        kept.save(train_judges(corpus, parameters["judge"], work / "judge_checkpoints"))
    state = kept.load()
    options: GenerationOptions = parameters["generation"]
    splits = {name: _some(corpus.splits[name], options) for name in SCORED}
    splits = {"train": corpus.train, **splits}
    pairs = {
        f"{split_name}/{name}": modality.values[modality.rows]
        for split_name, split in splits.items()
        for name, modality in split.modalities.items()
    }
    np.savez(work / "pairs.npz", **pairs)
    judges = {name: judge_of(state, name, corpus) for name in corpus.train.modalities}
    return Shared(
        corpus=corpus,
        splits=splits,
        judges=judges,
        real={
            split: {name: _see(judge, pairs[f"{split}/{name}"]) for name, judge in judges.items()}
            for split in SCORED
        },
        model=parameters["model"],
        training=parameters["training"],
        comparison=parameters["comparison"],
        generation=options,
        work=work,
        peers=given.peers,
    )


def _read(given: argparse.Namespace) -> tuple[dict[str, Any], Corpus]:
    """Return the parameters of digits, and the pairs as `pair_digits` makes them."""
    digits: dict[str, Any] = {}
    if given.pairs:
        digits["pairs"] = {"count": given.pairs}
    if given.epochs:
        digits["training"] = {"epochs": given.epochs}
    if given.seeds:
        digits["comparison"] = {"seeds": given.seeds}
    runtime: dict[str, Any] = {"digits": digits}
    if given.raw_root:
        runtime["raw_root"] = str(given.raw_root.resolve())
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env=given.env, runtime_params=runtime) as session:
        context = session.load_context()
        parameters = context.params["digits"]
        mnist, svhn = (context.catalog.load(f"digits.raw_{name}") for name in ("mnist", "svhn"))
    images = parameters["images"]
    sets = read_digits(mnist, svhn, images)
    pairs = pair_digits(sets, parameters["pairs"])
    return parameters, build_corpus(sets, pairs, images)


def _check_same(parameters: dict[str, Any], path: Path) -> None:
    """Refuse to mix trainings of different parameters."""
    plain = {name: options.model_dump(mode="json") for name, options in parameters.items()}
    text = json.dumps(plain, indent=2, sort_keys=True) + "\n"
    if path.exists() and path.read_text() != text:
        raise SystemExit(f"{path}: parameters have changed since; give another --work")
    path.write_text(text)


def _some(split: Split, options: GenerationOptions) -> Split:
    """Return as many samples as are scored."""
    order = np.random.default_rng(options.seed).permutation(len(split))
    return split.select(np.sort(order[: options.scores.samples]))


def generate(model: MFM, seed: int, shared: Shared) -> dict[str, np.ndarray]:
    """Return of MFM what `multivae_peers.generate` returns of a peer."""
    made: dict[str, np.ndarray] = {}
    inputs = {name: Inputs.from_split(split) for name, split in shared.splits.items()}
    latents = {name: generation.infer_latents(model, each) for name, each in inputs.items()}
    generator = torch.Generator().manual_seed(seed)
    components = shared.generation.samplers.components
    for kind in SAMPLERS:
        options = SamplerOptions(sampler=kind, components=components)
        samplers = generation.fit_samplers(latents["train"], options, seed=seed)
        for split in SCORED:
            joint = generation.generate_given(
                model, {}, samplers, len(inputs[split]), generator=generator
            )
            images = {f"joint/{name}": values[0] for name, values in joint.items()}
            for observed in model.modalities:
                missing = generation.generate_missing(
                    model, inputs[split], [observed], samplers, 1, generator=generator
                )
                images |= {f"from_{observed}/{name}": each[:, 0] for name, each in missing.items()}
            for name, values in images.items():
                pixels = (values.clamp(0, 1) * 255).round().to(torch.uint8)
                made[f"{split}/{kind}/{name}"] = pixels.numpy()
    return made | {f"{name}/latent": each[DISCRIMINATIVE].numpy() for name, each in latents.items()}


def score(generated: Mapping[str, np.ndarray], shared: Shared) -> dict[str, dict[str, float]]:
    """Return scores by ``<split>/<sampler>``: coherences, probe, Fréchet distances."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(generated["train/latent"], shared.splits["train"].targets.values)
    scores: dict[str, dict[str, float]] = {}
    for split in SCORED:
        labels = shared.splits[split].targets.values
        accuracy = float(probe.score(generated[f"{split}/latent"], labels))
        for sampler in SAMPLERS:
            prefix = f"{split}/{sampler}"
            scores[prefix] = {
                **_coherences(generated, prefix, torch.from_numpy(labels), shared),
                "probe": accuracy,
                **_distances(generated, prefix, shared.real[split], shared),
            }
    return scores


def _coherences(
    generated: Mapping[str, np.ndarray], prefix: str, labels: Tensor, shared: Shared
) -> dict[str, float]:
    joint = [
        _see(judge, generated[f"{prefix}/joint/{name}"]).classes
        for name, judge in shared.judges.items()
    ]
    coherences = {"joint": agreement(*joint).value}
    for observed in shared.judges:
        for name, judge in shared.judges.items():
            if name != observed:
                made = _see(judge, generated[f"{prefix}/from_{observed}/{name}"])
                coherences[f"{observed}_to_{name}"] = agreement(labels, made.classes).value
    return coherences


def _distances(
    generated: Mapping[str, np.ndarray], prefix: str, real: Mapping[str, Judged], shared: Shared
) -> dict[str, float]:
    return {
        f"frechet_{name}": frechet_distance(
            _see(judge, generated[f"{prefix}/joint/{name}"]).features, real[name].features
        )
        for name, judge in shared.judges.items()
    }


def _see(judge: Judge, images: np.ndarray) -> Judged:
    return judge_images(judge, torch.from_numpy(images).float() / 255, 500)
