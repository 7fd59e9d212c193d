"""The multimodal dictionary against counting by hand."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mfm_pipeline.baselines.dictionary import (
    NO_WORD,
    Codebook,
    Dictionary,
    DictionaryOptions,
    learn_codebook,
)
from mfm_pipeline.data import Modality
from tests.baselines.corpora import session
from tests.conftest import MakeCorpus
from tests.models.samples import ragged_split, unobserved_as

FEATURES = {"a": 2, "b": 3, "c": 1}


def _dictionary(words: int = 3) -> Dictionary:
    rng = np.random.default_rng(0)
    split = ragged_split(FEATURES, n=20)
    books = {name: learn_codebook(m, words, rng) for name, m in split.modalities.items()}
    return Dictionary(books, None)


def test_a_frame_is_its_nearest_word() -> None:
    rng = np.random.default_rng(1)
    book = Codebook(np.array([1.0, -2.0]), np.array([2.0, 0.5]), rng.normal(size=(5, 2)))
    modality = ragged_split({"a": 2, "b": 1}).modalities["a"]
    words = book.words(modality)
    for place in np.ndindex(words.shape):
        if not modality.steps[place]:
            assert words[place] == NO_WORD
            continue
        frame = (modality.values[place] - [1.0, -2.0]) / [2.0, 0.5]
        assert words[place] == np.linalg.norm(book.centers - frame, axis=1).argmin()


def test_entries_are_shares_of_words_and_of_pairs_at_a_step() -> None:
    dictionary = _dictionary()
    split = ragged_split(FEATURES, n=9, seed=3)
    words = {
        name: book.words(split.modalities[name]) for name, book in dictionary.codebooks.items()
    }
    expected = np.zeros((9, 3 * 3 + 3 * 9))
    for i in range(9):
        for k, seen in enumerate(words.values()):
            spoken = [w for w in seen[i] if w != NO_WORD]
            for word in spoken:
                expected[i, 3 * k + word] += 1 / len(spoken)
        for k, (first, second) in enumerate(combinations(words, 2)):
            pairs = zip(words[first][i], words[second][i], strict=True)
            joint = [(u, v) for u, v in pairs if NO_WORD not in (u, v)]
            for u, v in joint:
                expected[i, 9 + 9 * k + 3 * u + v] += 1 / len(joint)
    entries = dictionary(split)
    np.testing.assert_allclose(entries, np.sqrt(expected))
    assert (entries[0] == 0).all()  # has nothing
    np.testing.assert_array_equal(dictionary(unobserved_as(split, 1e6)), entries)


def test_patterns_of_too_few_samples_are_no_entries() -> None:
    train = ragged_split(FEATURES, n=20)
    dictionary = DictionaryOptions(words=3, rarest=4).learn(train, seed=0)
    whole = Dictionary(dictionary.codebooks, None).patterns(train)
    kept = dictionary.patterns(train)
    dropped = 0
    for pair, shares in whole.items():
        common = (shares > 0).sum(axis=0) >= 4
        np.testing.assert_array_equal(kept[pair], shares[:, common])
        dropped += int((~common).sum())
    assert dropped


@pytest.mark.filterwarnings("error")
def test_a_modality_of_few_frames_or_none_has_as_many_words() -> None:
    rng = np.random.default_rng(0)
    steps = np.zeros((4, 5), dtype=bool)
    steps[0, :3] = True
    values = np.zeros((4, 5, 2), dtype=np.float32)
    values[0, 1] = 1
    present = np.ones(4, dtype=bool)
    assert learn_codebook(Modality(values, present, steps), 8, rng).centers.shape == (2, 2)
    none = learn_codebook(Modality(values, present, np.zeros_like(steps)), 8, rng)
    assert none.centers.shape == (0, 2)
    assert (none.words(Modality(values, present, steps)) == NO_WORD).all()


def test_joint_patterns_tell_what_neither_modality_does(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    corpus = make_corpus(task="multiclass", features={"a": 1, "b": 1}, sizes=(80, 20, 60))
    for split in corpus.splits.values():
        # The class is whether signs agree: each modality by itself says nothing.
        agree = split.targets.values > 0
        sign = rng.choice([-1.0, 1.0], size=split.modalities["a"].values.shape)
        split.modalities["a"].values[:] = sign
        split.modalities["b"].values[:] = np.where(agree[:, None, None], sign, -sign)
    fitted = DictionaryOptions(words=2).fit(corpus, session(tmp_path))
    both = corpus.test.modalities["a"].present & corpus.test.modalities["b"].present
    agrees = fitted.predict(corpus.test)[both].argmax(axis=1) > 0
    assert (agrees == (corpus.test.targets.values[both] > 0)).mean() > 0.95
