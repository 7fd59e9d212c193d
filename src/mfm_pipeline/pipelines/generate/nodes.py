"""Nodes that generate images from a trained MFM's latents, and score them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from mfm_pipeline import generation
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import print_table
from mfm_pipeline.generation import SAMPLERS, Judge, Sampler, SamplerOptions, as_inputs
from mfm_pipeline.models import MFM, Blueprint, Inputs
from mfm_pipeline.models.completed import Complete
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.models.per_modality import check_modalities, value_for
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.pipelines.generate.figures import Scene
from mfm_pipeline.pipelines.generate.options import GenerationOptions, JudgeOptions
from mfm_pipeline.pipelines.provenance import stated
from mfm_pipeline.pipelines.tags import tag_run
from mfm_pipeline.pipelines.trials import check_same_data
from mfm_pipeline.training import TrainingOptions, fit
from mfm_pipeline.training.surrogate import fit_network, lessons_of, network_name

log = logging.getLogger(__name__)

State = dict[str, Any]
SamplerStates = dict[str, dict[str, Any]]

MOST_LATENTS = 20_000
"""Training samples that samplers are fitted to, at most."""

CHOSEN = "chosen"
"""What a choice of samplers is called that differs between latents."""


def train_judges(corpus: Corpus, judge: JudgeOptions, checkpoints: Path) -> State:
    """Train a classifier for each image modality, apart from the model that it judges.

    Returns
    -------
    dict
        Their states as one: descriptions by modality, weights by ``<modality>.<name>``.

    Raises
    ------
    DataError
        If the corpus has no images, or its samples no classes.
    """
    images = [name for name, modality in corpus.train.modalities.items() if modality.is_image]
    task = corpus.train.targets.task
    if not images or task != "multiclass":
        raise DataError(
            f"corpus {corpus.name}: found {len(images)} image modalities and a {task} task; "
            "expected images of classes"
        )
    tag_run(corpus)
    judges = {}
    for name in images:
        log.info("judge of %s, a classifier trained on real images", name)
        alone = {"reads": (name,), "generates": (), "prior_weight": 0.0}
        with mlflow.start_run(nested=True, run_name=f"judge of {name}"):
            trained = fit(
                corpus, judge.model.model_copy(update=alone), judge.training, checkpoints / name
            )
        judges[name] = trained.blueprint.to_state(trained.model)
    return {
        "description": {name: state["description"] for name, state in judges.items()},
        "weights": {
            f"{name}.{key}": values
            for name, state in judges.items()
            for key, values in state["weights"].items()
        },
    }


def train_surrogates(
    model: State,
    corpus: Corpus,
    surrogate: SurrogateOptions,
    training: TrainingOptions,
    checkpoints: Path,
) -> State:
    """Train what infers Zy, and Zai, from some modalities alone (Equation 5).

    Returns
    -------
    dict
        State of the surrogate inference, with the full model in it.
    """
    full = _model(model, corpus)
    blueprint = Blueprint.model_validate(model["description"])
    plan = SurrogateBlueprint(model=blueprint, options=surrogate)
    training = training.model_copy(update={"resume": False})
    lessons = lessons_of(corpus, plan, full)
    networks = []
    for patterns in plan.networks:
        name = network_name(patterns)
        log.info("surrogate from %s", name)
        with mlflow.start_run(nested=True, run_name=f"surrogate from {name}"):
            trained = fit_network(plan, patterns, full, lessons, training, checkpoints / name)
        networks.append(trained.network)
    return plan.to_state(plan.assemble(full, networks))


def fit_samplers(model: State, corpus: Corpus, options: GenerationOptions) -> SamplerStates:
    """Fit every kind of sampler to the latents of the training split.

    A kind that was not chosen is left out if there are too few latents for it.

    Raises
    ------
    ParameterError
        If the options name a latent that the model does not have.
    DataError
        If there are too few latents for a kind that was chosen.

    Returns
    -------
    dict of str to dict
        By kind, the arrays of `mfm_pipeline.generation.to_arrays` as lists.
    """
    network = _model(model, corpus)
    check_modalities(options.samplers, network.latents, "generation.samplers")
    rng = np.random.default_rng(options.seed)
    chosen = np.sort(rng.permutation(len(corpus.train))[:MOST_LATENTS])
    latents = _latents(network, corpus.train.select(chosen))
    states: SamplerStates = {}
    for kind in SAMPLERS:
        of_kind = SamplerOptions(sampler=kind, components=options.samplers.components)
        try:
            fitted = generation.fit_samplers(latents, of_kind, seed=options.seed)
        except DataError as error:
            if kind in options.samplers.sampler.values():
                raise
            log.warning("%s is left out: %s", kind, error)
            continue
        arrays = generation.to_arrays(fitted)
        states[kind] = {key: array.tolist() for key, array in arrays.items()}
    return states


def match_posterior(
    model: State, samplers: SamplerStates, corpus: Corpus, options: GenerationOptions
) -> pd.DataFrame:
    """Measure how well each kind of sampler matches the latents of the split that is scored."""
    network = _model(model, corpus)
    by_kind = _by_kind(samplers)
    latents = _latents(network, corpus.splits[options.split])
    table = generation.posterior_match(
        latents,
        by_kind,
        generator=torch.Generator().manual_seed(options.seed),
        kernel=Blueprint.model_validate(model["description"]).options.kernel,
    )
    title = f"Match of samplers and latents (squared MMD), {corpus.label}, {options.split}"
    print_table(table, title)
    return _stated(table, model, corpus, options)


def score_images(
    model: State,
    surrogate: State,
    samplers: SamplerStates,
    judges: State,
    corpus: Corpus,
    options: GenerationOptions,
) -> pd.DataFrame:
    """Score what each kind of sampler leads to, beside the same number for real images.

    Returns
    -------
    DataFrame
        ``sampler``, and what `mfm_pipeline.generation.score_generation` returns.
    """
    network = _model(model, corpus)
    infer = _inference(surrogate)
    split = corpus.splits[options.split]
    labels = torch.from_numpy(split.targets.values)
    tables = []
    for kind, chosen in _all_choices(samplers, options).items():
        table = generation.score_generation(
            network,
            Inputs.from_split(split),
            labels,
            chosen,
            {name: judge_of(judges, name, corpus) for name in judges["description"]},
            options.scores,
            generator=torch.Generator().manual_seed(options.seed),
            infer=infer,
        )
        table.insert(0, "sampler", kind)
        tables.append(table)
    return _stated(pd.concat(tables, ignore_index=True), model, corpus, options)


def report_scores(
    scores: pd.DataFrame, corpus: Corpus, options: GenerationOptions
) -> dict[str, float]:
    """Print the scores of the chosen sampler, and return them as metrics.

    Returns
    -------
    dict of str to float
        ``generation/<score>/<modality>`` and ``real/<score>/<modality>``.
    """
    of_chosen = scores[scores["sampler"] == _chosen_kind(options)].drop(columns="sampler")
    title = f"Generated images, {corpus.label}, {options.split}"
    print_table(of_chosen, f"{title}; drawn from: {_chosen_kind(options)}")
    keys = of_chosen["score"] + "/" + of_chosen["modality"]
    return {
        f"{prefix}/{key}": float(value)
        for prefix, column in (("generation", "generated"), ("real", "real"))
        for key, value in zip(keys, of_chosen[column], strict=True)
        if not pd.isna(value)
    }


def plot_images(
    model: State,
    surrogate: State,
    samplers: SamplerStates,
    corpus: Corpus,
    options: GenerationOptions,
) -> dict[str, Figure]:
    """Draw Figure 2(c): what is generated with one latent fixed, or taken from elsewhere.

    Returns
    -------
    dict of str to Figure
        By file name.
    """
    network = _model(model, corpus)
    chosen = _all_choices(samplers, options)[_chosen_kind(options)]
    scene = Scene(
        network,
        corpus.splits[options.split],
        chosen,
        source=f"{corpus.label}, {options.split}",
        columns=options.columns,
        seed=options.seed,
        infer=_inference(surrogate),
    )
    return scene.figures()


def _inference(surrogate: State) -> Complete:
    _, inference = SurrogateBlueprint.from_state(surrogate)
    return inference.eval().complete


def _stated(
    table: pd.DataFrame, model: State, corpus: Corpus, options: GenerationOptions
) -> pd.DataFrame:
    return stated(
        table, corpus, seeds=[options.seed], settings={"generation": options}, model=model
    )


def _model(state: State, corpus: Corpus) -> MFM:
    blueprint, network = Blueprint.from_state(state)
    blueprint.check_split(corpus.test)
    check_same_data(blueprint, corpus)
    images = {name for name, modality in corpus.test.modalities.items() if modality.is_image}
    if not images <= set(network.modalities):
        raise DataError(
            f"the model generates {', '.join(network.modalities) or 'no modality'}; expected all "
            f"of {', '.join(sorted(images))}, as one that was trained with generates: null does"
        )
    if not network.factorized:
        raise DataError(
            f"the model has the latents {', '.join(network.latents)}; expected "
            f"'{DISCRIMINATIVE}' and one of each modality, as one has that was trained with "
            "predicts_from: discriminative, generates_from: both and no joint latent"
        )
    return network


def _latents(network: MFM, split: Split) -> dict[str, Tensor]:
    """Return the latents of a split, each of the samples that have what it is inferred from."""
    known = {name: split.modalities[name].present for name in network.modalities}
    known[DISCRIMINATIVE] = split.has_any(network.reads)
    latents = generation.infer_latents(network, Inputs.from_split(split))
    return {name: latent[torch.from_numpy(known[name])] for name, latent in latents.items()}


def judge_of(judges: State, modality: str, corpus: Corpus) -> Judge:
    """Return the judge of a modality: logits, and the factor Fy as features."""
    prefix = f"{modality}."
    weights = {
        key.removeprefix(prefix): values
        for key, values in judges["weights"].items()
        if key.startswith(prefix)
    }
    blueprint, network = Blueprint.from_state(
        {"description": judges["description"][modality], "weights": weights}
    )
    blueprint.check_split(corpus.test)

    def judge(images: Tensor) -> tuple[Tensor, Tensor]:
        latents = network.encode(as_inputs({modality: images}))
        factors = network.factorize({name: latent.sample for name, latent in latents.items()})
        return network.head(factors.discriminative).mean(dim=1), factors.discriminative

    return judge


def _by_kind(samplers: SamplerStates) -> dict[str, dict[str, Sampler]]:
    return {
        kind: generation.from_arrays({key: np.array(values) for key, values in arrays.items()})
        for kind, arrays in samplers.items()
    }


def _chosen_kind(options: GenerationOptions) -> str:
    """Return the one kind of sampler that all latents have, or `CHOSEN`."""
    kinds = list(dict.fromkeys(options.samplers.sampler.values()))
    return kinds[0] if len(kinds) == 1 else CHOSEN


def _all_choices(
    samplers: SamplerStates, options: GenerationOptions
) -> dict[str, dict[str, Sampler]]:
    """Return the samplers of each kind, and those chosen, if they are of several."""
    by_kind = _by_kind(samplers)
    if _chosen_kind(options) != CHOSEN:
        return by_kind
    latents = next(iter(by_kind.values()))
    chosen = {
        name: by_kind[value_for(name, options.samplers.sampler, "samplers.sampler")][name]
        for name in latents
    }
    return {**by_kind, CHOSEN: chosen}
