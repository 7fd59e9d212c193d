"""Nearest neighbours against loops over samples, steps and coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfm_pipeline.data import Split
from mfm_pipeline.evaluation.missing.neighbours import NeighbourFill
from mfm_pipeline.features.holes import punch
from mfm_pipeline.models import Inputs
from tests.models.image_samples import mixed_corpus
from tests.models.samples import ragged_split


def literal(train: Split, asked: Split, name: str, k: int) -> list[np.ndarray | None]:
    """Return what fills `name` in each sample that lacks it and has something else."""
    source, query = Inputs.from_split(train).gather(), Inputs.from_split(asked).gather()
    others = [other for other in train.modalities if other != name]

    def raw(inputs: Inputs, other: str, i: int) -> np.ndarray | None:
        if not inputs.present[other][i]:
            return None
        values = inputs.values[other][i].numpy().astype(np.float64)
        if other not in inputs.steps:
            return values.ravel()
        seen = values[inputs.steps[other][i].numpy()]
        if not len(seen):
            return np.zeros(2 * values.shape[1])
        return np.concatenate([seen.mean(axis=0), seen.std(axis=0)])

    scale = {}
    for other in others:
        known = [x for i in range(len(train)) if (x := raw(source, other, i)) is not None]
        spread = np.std(known, axis=0 if other in source.steps else None)
        scale[other] = np.mean(known, axis=0), np.where(spread > 1e-6, spread, 1.0)

    def distance(i: int, j: int) -> float | None:
        total, shared, squares = 0, 0, 0.0
        for other in others:
            center, spread = scale[other]
            total += len(center)
            a, b = raw(query, other, i), raw(source, other, j)
            if a is not None and b is not None:
                shared += len(center)
                squares += float((((a - b) / spread) ** 2).sum())
        return None if shared == 0 else float(np.sqrt(total / shared * squares))

    filled: list[np.ndarray | None] = []
    for i in range(len(asked)):
        if query.present[name][i] or not any(query.present[other][i] for other in others):
            filled.append(None)
            continue
        found = []
        for j in range(len(train)):
            apart = distance(i, j) if source.present[name][j] else None
            if apart is not None:
                found.append((apart, j))
        near = [j for _, j in sorted(found)[:k]]
        if name not in source.steps:
            filled.append(np.mean([source.values[name][j].numpy() for j in near], axis=0))
            continue
        seen = {j: source.steps[name][j].numpy() for j in near}
        values = {j: source.values[name][j].numpy() for j in near}
        every = np.concatenate([values[j][seen[j]] for j in near])
        made = np.zeros(source.values[name].shape[1:])
        for t in range(len(made)):
            there = [values[j][t] for j in near if seen[j][t]]
            made[t] = np.mean(there or every, axis=0) if len(every) else 0
        filled.append(made)
    return filled


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_sequences_are_filled_as_by_hand(seed: int, k: int) -> None:
    train, asked = ragged_split(n=14, seed=seed), ragged_split(n=8, seed=seed + 1)
    filled = NeighbourFill(train, k)(Inputs.from_split(asked))
    for name in train.modalities:
        for made, expected in zip(filled[name], literal(train, asked, name, k), strict=True):
            if expected is not None:
                np.testing.assert_allclose(made, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["picture", "speech"])
def test_an_image_is_filled_from_a_sequence_and_the_other_way_round(name: str) -> None:
    corpus = mixed_corpus()
    everyone = np.ones(len(corpus.test), dtype=bool)
    asked = punch(corpus.test, {name: everyone})
    filled = NeighbourFill(corpus.train, 3)(Inputs.from_split(asked))[name]
    expected = literal(corpus.train, asked, name, 3)
    assert sum(one is not None for one in expected) > 30
    for made, one in zip(filled, expected, strict=True):
        if one is not None:
            np.testing.assert_allclose(made, one, atol=1e-4)


def test_without_anything_in_common_the_train_mean_has_to_do() -> None:
    train = ragged_split(n=12, seed=1)
    none = np.zeros(12, dtype=bool)
    # Nobody who has language has anything else.
    has = train.modalities["language"].present
    apart = punch(train, {"acoustic": has, "visual": has, "language": none})
    asked = punch(ragged_split(n=8, seed=2), {"language": np.ones(8, dtype=bool)})
    fill = NeighbourFill(apart, 3)
    filled = fill(Inputs.from_split(asked))["language"]
    np.testing.assert_allclose(filled, fill.mean(Inputs.from_split(asked))["language"])


def test_fewer_samples_than_neighbours_all_count() -> None:
    train, asked = ragged_split(n=9), ragged_split(n=8, seed=5)
    many = NeighbourFill(train, 500)(Inputs.from_split(asked))
    for name in train.modalities:
        for made, one in zip(many[name], literal(train, asked, name, 500), strict=True):
            if one is not None:
                np.testing.assert_allclose(made, one, atol=1e-4)
