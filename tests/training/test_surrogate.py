"""Training of surrogate networks: what it minimises, what it changes, and what it never sees."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mfm_pipeline.data import Corpus
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation.metrics import pearson_r
from mfm_pipeline.features.holes import punch
from mfm_pipeline.models import MFM, Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.models.surrogate import SurrogateInference
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.training import TrainingOptions, fit
from mfm_pipeline.training.surrogate import fit_network, fit_surrogate, lessons_of
from mfm_pipeline.training.surrogate_module import VIEWS, SurrogateTraining, _views
from tests.conftest import MakeCorpus
from tests.models.image_samples import SMALL as SMALL_IMAGES
from tests.models.image_samples import image_split

SMALL: dict[str, Any] = {
    "fusion": "statistics",
    "discriminative": {"latent": 8, "factor": 8, "heads": 2, "share": 0.7},
    "generative": {"latent": {"default": 4, "visual": 3}, "factor": 4},
    "reconstruction": {"language": 0.5, "default": 2.0},
}


def trained(corpus: Corpus, place: Path, epochs: int = 2, **model: Any) -> tuple[Blueprint, MFM]:
    options = ModelOptions(**{**SMALL, **model})
    found = fit(corpus, options, TrainingOptions(epochs=epochs, learning_rate=0.02), place)
    return found.blueprint, found.model


def weights_of(module: torch.nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert torch.equal(found[name], values), name


def module_of(
    corpus: Corpus, blueprint: Blueprint, full: MFM, **options: Any
) -> tuple[SurrogateBlueprint, SurrogateTraining]:
    plan = SurrogateBlueprint(model=blueprint, options=SurrogateOptions(**options))
    torch.manual_seed(0)
    (network,) = [plan.build_network(one, full) for one in plan.networks]
    module = SurrogateTraining(
        network=network,
        full=full,
        modalities=plan.modalities,
        lessons=lessons_of(corpus, plan, full),
        weights=plan.options.weights,
        reconstruction={"language": 0.5, "acoustic": 2.0, "visual": 2.0},
        options=TrainingOptions(),
    )
    return plan, module


@pytest.mark.parametrize("form", ["per_pattern", "amortised"])
def test_costs_are_those_of_a_loop_over_samples(
    make_corpus: MakeCorpus, tmp_path: Path, form: str
) -> None:
    corpus = make_corpus(sizes=(24, 12, 4), seed=2)
    blueprint, full = trained(corpus, tmp_path)
    one = {"patterns": ["acoustic"]} if form == "per_pattern" else {}
    weights = {"latent": 0.7, "reconstruction": 1.3, "task": 0.4}
    plan, module = module_of(corpus, blueprint, full, form=form, weights=weights, **one)
    network = module.network.eval()
    for k, latent in enumerate(network.latents.values()):
        latent.spread.fill_(1.0 + k)
    views = module.samples["valid"]
    with torch.no_grad():
        found = module.costs("valid", views)

    split = corpus.valid
    pairs = [
        (row, observed)
        for row in range(len(split))
        for observed in plan.patterns
        if any(split.modalities[name].present[row] for name in observed)
    ]
    assert len(views) == len(pairs)
    spread = {name: 1.0 + k for k, name in enumerate(network.latents)}
    task, latent_costs = [], {name: [] for name in network.latents}
    squares = {name: [] for name in plan.generated}
    for row, observed in pairs:
        alone = split.select(np.array([row]))
        holes = {n: np.array([n not in observed]) for n in split.modalities}
        with torch.no_grad():
            inferred = network(Inputs.from_split(punch(alone, holes)))
            own = full.encode(Inputs.from_split(alone))
            factors = full.factorize(inferred)
            heads = full.head(factors.discriminative)[0]
            made = full.decode(factors, split.modalities["language"].values.shape[1])
        target = full.standardise(torch.from_numpy(alone.targets.values))[0]
        task.append(np.mean([float((head - target).abs().mean()) for head in heads]))
        for name, latent in inferred.items():
            known = name == DISCRIMINATIVE or (
                name not in observed and bool(alone.modalities[name].present[0])
            )
            if known:
                error = ((latent - own[name].sample) / spread[name]).square().mean()
                latent_costs[name].append(float(error))
        for name in plan.generated:
            modality = alone.modalities[name]
            if name in observed or not modality.present[0]:
                continue
            seen = np.logical_or.reduce([split.modalities[n].steps[row] for n in observed])
            first = int(np.argmax(np.logical_or.accumulate(seen)))
            for step in range(first, len(seen)):
                if modality.steps[0, step]:
                    error = made[name][0, step - first].numpy() - modality.values[0, step]
                    squares[name] += (error**2).tolist()
    assert float(found.task) == pytest.approx(np.mean(task), rel=1e-4)
    for name, costs in latent_costs.items():
        assert float(found.latent[name]) == pytest.approx(np.mean(costs), rel=1e-4)
    assert set(found.reconstruction) == {n for n in plan.generated if squares[n]}
    for name, cost in found.reconstruction.items():
        assert float(cost) == pytest.approx(np.mean(squares[name]), rel=1e-4)
    weight = {"language": 0.5, "acoustic": 2.0, "visual": 2.0}
    total = 0.4 * np.mean(task) + 0.7 * sum(np.mean(costs) for costs in latent_costs.values())
    total += 1.3 * sum(weight[name] * np.mean(squares[name]) for name in found.reconstruction)
    assert float(found.total) == pytest.approx(total, rel=1e-4)


def test_patterns_of_training_leave_each_sample_something(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(sizes=(40, 8, 4))
    blueprint, full = trained(corpus, tmp_path)
    _, module = module_of(corpus, blueprint, full, form="amortised")
    seen = module.seen["train"][module.samples["train"]]
    drawn = torch.cat([module._draw(seen) for _ in range(50)])
    assert seen.repeat(50, 1)[torch.arange(len(drawn)), drawn].all()
    assert len(drawn.unique()) == 6


def test_each_validation_sample_is_seen_under_all_patterns_or_some() -> None:
    seen = torch.rand(7, 5) < 0.6
    few = _views(seen, torch.Generator().manual_seed(0))
    assert torch.equal(few, seen.nonzero())
    many = torch.rand(7, 40) < 0.7
    views = _views(many, torch.Generator().manual_seed(0))
    assert torch.equal(views, _views(many, torch.Generator().manual_seed(0)))
    assert many[views[:, 0], views[:, 1]].all()
    assert torch.equal(views[:, 0].bincount(), many.sum(dim=1).clamp(max=VIEWS))


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("form", ["per_pattern", "amortised"])
def test_the_full_model_stays_as_it_is(
    make_corpus: MakeCorpus, tmp_path: Path, form: str, fine_tune: bool
) -> None:
    corpus = make_corpus(sizes=(24, 8, 4))
    blueprint, full = trained(corpus, tmp_path / "full")
    before = weights_of(full)
    requires = {name: one.requires_grad for name, one in full.named_parameters()}
    options = SurrogateOptions(form=form, fine_tune=fine_tune, patterns=["visual"])
    training = TrainingOptions(epochs=2, learning_rate=0.05, averaging=0.9, weight_decay=0.1)
    surrogate = fit_surrogate(corpus, blueprint, full, options, training, tmp_path / "own")
    assert_same(weights_of(full), before)
    assert_same(weights_of(surrogate.full), before)
    assert {name: one.requires_grad for name, one in full.named_parameters()} == requires
    (network,) = surrogate.networks
    generator = network.generator
    assert (generator is not None) == fine_tune
    if generator is not None:
        changed = [
            name
            for name, values in generator.named_parameters()
            # The average of equal weights is equal but for rounding.
            if not torch.allclose(values, before[name], rtol=1e-5, atol=1e-6)
        ]
        parts = {name.split(".")[0] for name in changed}
        # Of the pattern's own modality nothing is decoded.
        assert parts == {"factors", "decoders", "head"}
        assert not any(name.startswith("decoders.visual") for name in changed)


def test_gradients_reach_the_network_alone(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(sizes=(24, 8, 4))
    blueprint, full = trained(corpus, tmp_path)
    _, module = module_of(corpus, blueprint, full, form="amortised")
    module.costs("train", module.samples["train"]).total.backward()
    assert all(one.grad is None for one in full.parameters())
    assert all(one.grad is None for one in module.frozen[0].parameters())
    assert not [name for name, _ in module.named_parameters() if "frozen" in name]
    for name, one in module.named_parameters():
        assert one.grad is not None and one.grad.abs().sum() > 0, name


@pytest.fixture(scope="module")
def learnt(
    make_corpus: MakeCorpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Corpus, Blueprint, MFM]:
    corpus = make_corpus(sizes=(80, 16, 40))
    place = tmp_path_factory.mktemp("full")
    training = TrainingOptions(epochs=15, learning_rate=0.02, batch_size=16)
    found = fit(corpus, ModelOptions(**SMALL), training, place)
    return corpus, found.blueprint, found.model


@pytest.mark.parametrize(
    ("form", "fusion"),
    [
        ("per_pattern", "statistics"),
        ("amortised", "statistics"),
        ("per_pattern", "ef_lstm"),
    ],
)
def test_surrogates_learn_what_is_missing(
    learnt: tuple[Corpus, Blueprint, MFM], tmp_path: Path, form: str, fusion: str
) -> None:
    corpus, blueprint, full = learnt
    patterns = ["acoustic+visual"] if form == "per_pattern" else None
    plan = SurrogateBlueprint(
        model=blueprint, options=SurrogateOptions(form=form, fusion=fusion, patterns=patterns)
    )
    training = TrainingOptions(epochs=12, learning_rate=0.03, batch_size=16)
    lessons = lessons_of(corpus, plan, full)
    (one,) = plan.networks
    found = fit_network(plan, one, full, lessons, training, tmp_path)
    # The mean of the latents costs 1.
    assert found.history[f"valid/latent/{DISCRIMINATIVE}"].min() < 0.5
    surrogate = plan.assemble(full, [found.network])
    left = punch(corpus.test, {"language": np.ones(len(corpus.test), np.bool_)})
    rows = left.has_any_modality
    inferred = surrogate.complete(Inputs.from_split(left.select(rows)))
    true = corpus.test.targets.values[rows, 0]
    assert pearson_r(true, inferred.prediction[:, 0].numpy()) > 0.7


def test_images_train_too(tmp_path: Path) -> None:
    splits = {name: image_split(n=12, seed=k) for k, name in enumerate(("train", "valid", "test"))}
    corpus = Corpus("images", splits)
    options = ModelOptions(**SMALL_IMAGES)
    training = TrainingOptions(epochs=2, batch_size=6)
    full = fit(corpus, options, training, tmp_path / "full")
    surrogate = fit_surrogate(
        corpus, full.blueprint, full.model, SurrogateOptions(), training, tmp_path / "own"
    )
    found = surrogate.complete(Inputs.from_split(corpus.test))
    assert all(torch.isfinite(made).all() for made in found.reconstructions.values())


def test_same_seed_same_weights(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(sizes=(24, 8, 4))
    blueprint, full = trained(corpus, tmp_path / "full")

    def weights(seed: int) -> dict[str, Tensor]:
        options = SurrogateOptions(form="amortised")
        training = TrainingOptions(epochs=2, seed=seed)
        return weights_of(
            fit_surrogate(corpus, blueprint, full, options, training, tmp_path / "own").networks
        )

    first, other = weights(0), weights(1)
    assert_same(weights(0), first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_a_resumed_network_ends_with_the_same_bits(
    make_corpus: MakeCorpus, tmp_path: Path, averaging: float
) -> None:
    corpus = make_corpus(sizes=(24, 8, 4))
    blueprint, full = trained(corpus, tmp_path / "full")
    surrogate = SurrogateOptions(form="amortised", fine_tune=True)
    options: dict[str, Any] = {"epochs": 4, "averaging": averaging, "schedule": "plateau"}

    def run(place: str, resume: bool = False) -> SurrogateInference:
        training = TrainingOptions(**options, resume=resume)
        return fit_surrogate(corpus, blueprint, full, surrogate, training, tmp_path / place)

    class KilledError(Exception):
        pass

    original = SurrogateTraining.training_step

    def dies_in_epoch_2(self: SurrogateTraining, index: Tensor) -> Tensor:
        if self.current_epoch == 2:
            raise KilledError
        return original(self, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SurrogateTraining, "training_step", dies_in_epoch_2)
        with pytest.raises(KilledError):
            run("broken")
    assert_same(weights_of(run("broken", resume=True)), weights_of(run("whole")))


def test_nothing_is_learnt_from_what_lies_in_holes(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(sizes=(40, 12, 8))
    rng = np.random.default_rng(1)
    holes = {
        split: {name: rng.random(len(one)) < 0.4 for name in ("language", "acoustic")}
        for split, one in corpus.splits.items()
    }

    def run(fill: float, place: Path) -> tuple[MFM, SurrogateInference]:
        splits = {
            name: one if name == "test" else punch(one, holes[name], fill)
            for name, one in corpus.splits.items()
        }
        punched = Corpus(corpus.name, splits)
        blueprint, full = trained(punched, place / "full")
        options = SurrogateOptions(form="amortised")
        training = TrainingOptions(epochs=2)
        return full, fit_surrogate(punched, blueprint, full, options, training, place / "own")

    zeros, nans = run(0.0, tmp_path / "zeros"), run(np.nan, tmp_path / "nans")
    for one, other in zip(zeros, nans, strict=True):
        assert_same(weights_of(other), weights_of(one))
    assert all(values.isfinite().all() for values in weights_of(nans[1]).values())


def test_a_corpus_of_other_sizes_is_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(sizes=(24, 8, 4))
    blueprint, full = trained(corpus, tmp_path)
    other = make_corpus(sizes=(24, 8, 4), features={"language": 5, "acoustic": 2, "visual": 4})
    with pytest.raises(DataError, match=r"acoustic': \(2,\).*acoustic': \(3,\)"):
        fit_surrogate(other, blueprint, full, SurrogateOptions(), TrainingOptions(), tmp_path)


def test_a_pattern_without_samples_is_named(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(sizes=(24, 8, 4))
    visual = corpus.train.modalities["visual"]
    keep = np.flatnonzero(visual.present)[0]
    hide = np.arange(24) != keep
    splits = {**corpus.splits, "train": punch(corpus.train, {"visual": hide})}
    corpus = Corpus(corpus.name, splits)
    blueprint, full = trained(corpus, tmp_path)
    for form in ("per_pattern", "amortised"):
        options = SurrogateOptions(form=form)
        with pytest.raises(DataError, match=r"'train' has 1 sample\(s\) with any of visual;"):
            fit_surrogate(corpus, blueprint, full, options, TrainingOptions(epochs=1), tmp_path)
