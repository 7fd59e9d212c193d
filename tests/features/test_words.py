"""Words to vectors: spellings by hand, and a literal look-up."""

import hashlib
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.features.words import fill_unknown, look_up, spellings, wanted_tokens


def _order(word: str, *expected: str) -> None:
    """Check that `expected`, tokens joined by blanks, come in this order."""
    found = [" ".join(tokens) for tokens in spellings(word)]
    places = [found.index(one) for one in expected]
    assert places == sorted(places), found


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("movie", ["movie", "Movie"]),
        ("MOVIE", ["MOVIE", "movie", "Movie"]),
        ("don't", ["don't", "do n't", "do"]),
        ("DON'T", ["DON'T", "don't", "Don't", "DO N'T", "do n't", "Do n't"]),
        ("can't", ["can't", "ca n't"]),
        ("movie's", ["movie's", "movie 's", "movie"]),
        ("MOVIE'S", ["movie's", "movie 's", "movie"]),
        ("I'm", ["I'm", "i'm", "I 'm", "i 'm", "I"]),
        ("they'll", ["they 'll", "they"]),
        ("we've", ["we 've"]),
        ("you're", ["you 're"]),
        ("she'd", ["she 'd"]),
        ("don\u2019t", ["don\u2019t", "don't", "do n't"]),
        ("don\u00b4t", ["don\u00b4t", "don't", "do n't"]),
        ("don`t", ["don`t", "don't", "do n't"]),
        ("\u2019em", ["\u2019em", "'em", "em"]),
        ("well-made", ["well-made", "well made", "Well made"]),
        ("son-in-law's", ["son-in-law's", "son-in-law 's", "son-in-law", "son in law"]),
        ("film\u2014great", ["film great"]),
        ("film,", ["film,", "film"]),
        ('"film!"', ['"film!"', "film"]),
        ("dogs'", ["dogs'", "dogs"]),
        ("th-", ["th-", "th"]),
        ("película", ["película", "pelicula"]),
        ("PELÍCULA", ["PELÍCULA", "película", "Película", "PELICULA", "pelicula"]),
        ("¿Qué?", ["¿Qué?", "Qué", "qué", "que"]),
        ("año", ["año", "ano"]),
        ("niñería", ["niñería", "niñeria", "nineria"]),
        ("pingüino", ["pingüino", "pinguino"]),
    ],
)  # fmt: skip
def test_spellings_come_in_order_of_preference(word: str, expected: list[str]) -> None:
    _order(word, *expected)


def test_the_first_spelling_is_the_word_itself_and_each_comes_once() -> None:
    for word in ("Movie", "don't", "...", "1,000", "3.5", "sp"):
        found = list(spellings(word))
        assert found[0] == (word,)
        assert len(set(found)) == len(found)


def test_numbers_and_punctuation_stay_as_they_are() -> None:
    assert list(spellings("1,000")) == [("1,000",)]
    assert list(spellings("3.5")) == [("3.5",)]
    assert list(spellings("...")) == [("...",)]
    assert list(spellings("")) == []


def test_the_tilde_goes_last() -> None:
    found = list(spellings("Ñoñería"))
    assert found.index(("ñoñeria",)) < found.index(("noneria",))


def test_decomposed_letters_are_composed() -> None:
    decomposed = unicodedata.normalize("NFD", "película")
    assert decomposed != "película"
    assert next(spellings(decomposed)) == (decomposed,)
    assert ("película",) in spellings(decomposed)


@given(st.text(max_size=12))
def test_any_word_has_spellings(word: str) -> None:
    found = list(spellings(word))
    assert all(token for tokens in found for token in tokens)
    assert not word or found[0] == (word,)
    assert wanted_tokens([word]) == {token for tokens in found for token in tokens}


def test_wanted_tokens_are_those_of_all_words() -> None:
    assert wanted_tokens(["it's", "It's"]) == {
        "it's", "It's", "it", "It", "'s",
    }  # fmt: skip


TABLE = {"the": 0, "movie": 1, "'s": 2, "do": 3, "n't": 4, "well": 5, "made": 6, "pelicula": 7}
VECTORS = np.arange(24, dtype=np.float32).reshape(8, 3) ** 2


def test_look_up_takes_the_mean_of_several_tokens() -> None:
    words = np.array(["THE", "movie's", "xyzzy", "Don't", "well-made", "well-xyzzy", "película"])
    values, found = look_up(words, TABLE, VECTORS)
    v = VECTORS.astype(np.float64)
    expected = [v[0], (v[1] + v[2]) / 2, 0 * v[0], (v[3] + v[4]) / 2, (v[5] + v[6]) / 2, 0 * v[0],
                v[7]]  # fmt: skip
    np.testing.assert_array_equal(values, np.array(expected, dtype=np.float32))
    assert found.tolist() == [True, True, False, True, True, False, True]
    assert values.dtype == np.float32 and found.dtype == np.bool_


def test_look_up_prefers_the_word_to_its_parts() -> None:
    index = {"well-made": 0, "well": 1, "made": 2, "Movie": 3, "movie": 4, "MOVIE": 5}
    values, _ = look_up(np.array(["well-made", "MOVIE", "Movie", "mOvie"]), index, VECTORS)
    np.testing.assert_array_equal(values, VECTORS[[0, 5, 3, 4]])


def test_look_up_without_a_suffix_if_the_table_has_none() -> None:
    values, found = look_up(np.array(["movie's"]), {"movie": 1}, VECTORS)
    np.testing.assert_array_equal(values, VECTORS[[1]])
    assert found.all()


@given(st.lists(st.sampled_from(["The", "movie's", "don't", "well-made", "no", "PELÍCULA", "'s"])))
def test_look_up_agrees_with_a_literal_loop(words: list[str]) -> None:
    values, found = look_up(np.array(words, dtype=np.str_), TABLE, VECTORS)
    assert values.shape == (len(words), 3) and found.shape == (len(words),)
    for word, value, known in zip(words, values, found, strict=True):
        usable = [s for s in spellings(word) if all(token in TABLE for token in s)]
        assert known == bool(usable)
        expected = np.zeros(3)
        for token in usable[0] if usable else ():
            expected += VECTORS[TABLE[token]] / len(usable[0])
        np.testing.assert_allclose(value, expected, rtol=1e-6)


WORDS = np.array(["the", "Xyzzy", "plugh", "xyzzy"])
FOUND = np.array([True, False, False, False])
MEAN = np.array([1, 2, 3], dtype=np.float32)


def _values() -> np.ndarray:
    values = np.full((4, 3), 7, dtype=np.float32)
    values[0] = VECTORS[0]
    return values


def test_unknown_words_become_zeros_that_are_not_observed() -> None:
    given_values = _values()
    values, observed = fill_unknown(given_values, FOUND, WORDS, "zero", MEAN, 1.0)
    np.testing.assert_array_equal(values, [VECTORS[0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(observed, FOUND)
    np.testing.assert_array_equal(given_values, _values())


def test_unknown_words_become_the_mean() -> None:
    values, observed = fill_unknown(_values(), FOUND, WORDS, "mean", MEAN, 1.0)
    np.testing.assert_array_equal(values, [VECTORS[0], MEAN, MEAN, MEAN])
    assert observed.all() and values.dtype == np.float32


def test_unknown_words_become_a_draw_of_their_own() -> None:
    values, observed = fill_unknown(_values(), FOUND, WORDS, "hash", MEAN, 0.5)
    assert observed.all() and values.dtype == np.float32
    np.testing.assert_array_equal(values[0], VECTORS[0])
    np.testing.assert_array_equal(values[1], values[3])
    assert (values[1] != values[2]).all()
    for row, word in ((1, b"xyzzy"), (2, b"plugh")):
        seed = np.frombuffer(hashlib.blake2b(word, digest_size=16).digest(), dtype="<u4")
        expected = 0.5 * np.random.RandomState(seed).standard_normal(3)
        np.testing.assert_allclose(values[row], expected, rtol=1e-6)


def test_draws_are_normal_with_the_scale_asked_for() -> None:
    words = np.array([f"word{i}" for i in range(2000)])
    nothing = np.zeros((2000, 50), dtype=np.float32)
    values, _ = fill_unknown(nothing, np.zeros(2000, bool), words, "hash", nothing[0], 0.3)
    assert abs(values.mean()) < 0.005
    assert values.std() == pytest.approx(0.3, rel=0.01)
    assert abs(np.corrcoef(values[0], values[1])[0, 1]) < 0.5


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_draws_do_not_depend_on_the_process(hash_seed: str) -> None:
    code = (
        "import numpy as np; from mfm_pipeline.features.words import fill_unknown; "
        "v = np.zeros((1, 3), np.float32); "
        "print(fill_unknown(v, np.zeros(1, bool), np.array(['Xyzzy']), 'hash', v[0], 1.0)[0][0]"
        ".tolist())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": hash_seed},
    ).stdout  # fmt: skip
    values, _ = fill_unknown(
        np.zeros((1, 3), np.float32), np.zeros(1, bool), np.array(["xyzzy"]), "hash", MEAN, 1.0
    )
    assert printed.strip() == str(values[0].tolist())


def test_no_words_at_all() -> None:
    none = np.zeros(0, dtype=np.str_)
    values, found = look_up(none, TABLE, VECTORS)
    assert values.shape == (0, 3) and found.shape == (0,)
    for how in ("zero", "mean", "hash"):
        filled, observed = fill_unknown(values, found, none, how, MEAN, 1.0)
        assert filled.shape == (0, 3) and observed.shape == (0,)
