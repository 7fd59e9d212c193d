"""C-MKL and SAL-CNN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.svm import SVC

from mfm_pipeline.baselines import BASELINES, Session
from mfm_pipeline.baselines.c_mkl import as_numbers, unimodal_cost
from mfm_pipeline.baselines.sal_cnn import confounded, select
from mfm_pipeline.data import Corpus, Modality, Split, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.convolution.select_additive import SelectAdditive
from mfm_pipeline.models.convolution.unimodal import UnimodalConvolutions
from mfm_pipeline.training import TrainingOptions
from tests.conftest import MakeCorpus
from tests.models.samples import ragged_split

SMALL = {"channels": 6}


def _session(folder: Path, epochs: int = 1) -> Session:
    return Session(TrainingOptions(epochs=epochs, batch_size=16, learning_rate=0.02), folder)


def _by_video(corpus: Corpus, segments: int) -> Corpus:
    def named(name: str, split: Split) -> Split:
        ids = [f"{name}{i // segments}[{i % segments}]" for i in range(len(split))]
        return replace(split, ids=np.array(ids))

    return replace(corpus, splits={name: named(name, one) for name, one in corpus.splits.items()})


def test_unimodal_cost_is_the_mean_over_what_samples_have() -> None:
    torch.manual_seed(0)
    split = ragged_split()
    features = {name: one.shape[0] for name, one in split.modalities.items()}
    network = UnimodalConvolutions(
        features=features, outputs=3, channels=4, width=2, hidden=5, dropout=0.0
    )
    inputs = Inputs.from_split(split)
    targets = torch.arange(len(split)) % 3
    heads = network.heads(inputs)[0].log_softmax(dim=2)
    costs = [
        -heads[i, k, targets[i]]
        for i in range(len(split))
        for k, modality in enumerate(split.modalities.values())
        if modality.present[i]
    ]
    found = unimodal_cost(network, inputs, targets, "multiclass")
    torch.testing.assert_close(found["task"], torch.stack(costs).mean())


def test_c_mkl_predicts_by_a_machine_on_its_kernel(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(task="multiclass")
    options = BASELINES["c_mkl"](**SMALL, hidden=4, widths=(0.5, 2.0))
    fitted = options.fit(corpus, _session(tmp_path))
    reader = fitted.reader
    assert reader.weights.shape == (6,)
    there = corpus.train.has_any_modality
    train = corpus.train.select(there)
    machine = SVC(C=options.c, kernel="precomputed").fit(reader(train), train.targets.values)
    margins = machine.decision_function(reader(corpus.valid))
    weights = np.exp(margins - margins.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        fitted.predict(corpus.valid), weights / weights.sum(axis=1, keepdims=True), rtol=1e-6
    )
    networks = sum(one.numel() for one in reader.features.network.parameters())
    machines = machine.dual_coef_.size
    assert fitted.parameters == networks + 6 + 3 * 4 * len(train) + machines


def test_c_mkl_scales_features_by_those_who_have_them(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus()
    fitted = BASELINES["c_mkl"](**SMALL, hidden=4).fit(corpus, _session(tmp_path))
    train = corpus.train.select(corpus.train.has_any_modality)
    rows = fitted.reader.features.read(train)
    for values, modality in zip(rows.values, train.modalities.values(), strict=True):
        own = values[modality.present]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-6)
        spread = own.std(axis=0)
        np.testing.assert_allclose(spread[spread > 1e-6], 1, rtol=1e-5)


def test_targets_of_alignment() -> None:
    classes = Targets(np.array([2, 0, 2]), ("a", "b", "c"), "multiclass")
    np.testing.assert_array_equal(as_numbers(classes), [[0, 0, 1], [1, 0, 0], [0, 0, 1]])
    values = np.array([[1.0, 5.0], [3.0, 5.5]], np.float32)
    scores = Targets(values, ("a", "b"), "regression")
    np.testing.assert_allclose(as_numbers(scores), [[-1, -1], [1, 1]])


@pytest.mark.parametrize("penalty", [0.0, 0.7, 2.0])
def test_confounded_part_is_the_sparse_regression_on_identity(penalty: float) -> None:
    rng = np.random.default_rng(0)
    identities = np.array([3, 1, 1, 3, 1, 0, 0, 0, 3, 5])
    states = rng.normal(2.0, 3.0, size=(10, 2)) + 4 * (identities == 1)[:, None]
    standard = (states - states.mean(axis=0)) / states.std(axis=0)
    several = np.array([0, 1, 3])
    counts = np.array([(identities == one).sum() for one in several])
    chosen = (identities[:, None] == several).astype(float)

    def cost(both: np.ndarray, target: np.ndarray) -> float:
        # Weights as differences of what is not negative, so that the cost is smooth.
        weights = both[:3] - both[3:]
        square = ((target - chosen @ weights) ** 2).sum() / 2
        return square + penalty * (np.sqrt(counts) * (both[:3] + both[3:])).sum()

    expected = []
    for column in range(2):
        weights = minimize(
            cost,
            np.full(6, 0.1),
            args=(standard[:, column],),
            bounds=[(0, None)] * 6,
            options={"ftol": 1e-14, "gtol": 1e-9},
        ).x
        part = chosen @ (weights[:3] - weights[3:])
        expected.append(np.sqrt((part**2).mean()) * states[:, column].std())
    found = confounded(states, identities, penalty)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_size_of_the_confounded_part_is_what_theory_says() -> None:
    rng = np.random.default_rng(0)
    identities = np.repeat(np.arange(300), 10)
    states = rng.normal(size=(3000, 100))
    for between in (0.0, 1.0):
        found = confounded(
            states + between * rng.normal(size=(300, 100))[identities], identities, 2.0
        )
        # Means of ten are normal, and drawn towards zero by two standard errors.
        spread = np.sqrt(between**2 + 0.1)
        least = 2.0 * np.sqrt((between**2 + 1) / 10) / spread
        square = 2 * ((1 + least**2) * norm.sf(least) - least * norm.pdf(least))
        assert (found**2).mean() == pytest.approx(spread**2 * square, rel=0.1)
    # Every sample an identity of its own: nothing can be told.
    assert not confounded(states, np.arange(3000), 0.0).any()
    assert not confounded(states[:0], [], 0.0).any()


def test_selection_reads_videos_from_ids(make_corpus: MakeCorpus) -> None:
    torch.manual_seed(0)
    corpus = _by_video(make_corpus(), 4)
    features = {name: one.shape[0] for name, one in corpus.train.modalities.items()}
    network = SelectAdditive(features=features, outputs=1, channels=3, width=2, dropout=0.0)
    train = corpus.train
    found = select(network, train, 0.5)
    with torch.no_grad():
        states = network.representation(Inputs.from_split(train)).numpy()
    acoustic = train.modalities["acoustic"].present
    videos = np.arange(len(train)) // 4
    np.testing.assert_allclose(
        found[3:6], confounded(states[acoustic, 3:6], videos[acoustic], 0.5), rtol=1e-5
    )


def test_sal_cnn_learns_anew_with_noise_where_identities_recur(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    options = partial(BASELINES["sal_cnn"], **SMALL)
    corpus = _by_video(make_corpus(), 4)
    told: list[Mapping[str, float]] = []
    session = _session(tmp_path / "several", epochs=2)
    session = replace(session, after_epoch=told.append)
    plain = options(noise=0.0).fit(corpus, session)
    assert not plain.network.noise.any()
    # Of what is one of several trainings no costs are told.
    assert told == [{}] * 2
    noisy = options(noise=2.0, penalty=0.5).fit(corpus, session)
    assert told == [{}] * 6
    assert noisy.network.noise.any()
    expected = 2.0 * select(plain.network, corpus.train, 0.5)
    np.testing.assert_allclose(noisy.network.noise, expected)
    # What represents stays, what reads it does not.
    for (name, one), other in zip(
        plain.network.named_parameters(), noisy.network.parameters(), strict=True
    ):
        assert torch.equal(one, other) == name.startswith("encoders")

    alone = options(noise=2.0).fit(make_corpus(), _session(tmp_path / "alone"))
    assert not alone.network.noise.any()


@pytest.mark.parametrize("name", ["c_mkl", "sal_cnn"])
def test_images_are_refused(name: str, make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()

    def with_images(split: Split) -> Split:
        images = Modality(
            np.zeros((len(split), 1, 4, 4), np.uint8), np.ones(len(split), dtype=bool)
        )
        return replace(split, modalities={**split.modalities, "face": images})

    splits = {key: with_images(split) for key, split in corpus.splits.items()}
    with pytest.raises(DataError, match=r"'face' holds images; expected sequences"):
        BASELINES[name]().fit(replace(corpus, splits=splits), _session(tmp_path))
