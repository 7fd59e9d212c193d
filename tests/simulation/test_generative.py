"""The synthetic corpus: its structure is there."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mfm_pipeline.simulation import (
    ACOUSTIC,
    LABELS,
    PLANTED,
    VISUAL,
    WORDS,
    SampleOptions,
    Strengths,
    sentiment_words,
    simulate,
)
from mfm_pipeline.simulation.generative import (
    STYLE_SIZE,
    draw_factors,
    draw_labels,
    draw_words,
    expressed,
    verdict_places,
)
from mfm_pipeline.simulation.vocabulary import CARRIED, PAUSE, build_vocabulary
from tests.simulation.measures import (
    MODALITIES,
    SMALL,
    TEST,
    TRAIN,
    Arrays,
    ridge_r,
    segment_means,
    stacked,
)


class TestGraphicalModel:
    def test_label_depends_on_the_shared_factor_alone(self) -> None:
        rng = np.random.default_rng(1)
        drawn = [draw_factors(7, rng) for _ in range(1000)]
        shared = np.concatenate([factors.shared for factors in drawn])
        label = draw_labels(shared, 0.45, rng)[:, 0]
        limit = 5 / np.sqrt(1000)  # a style is shared by a video's segments
        for name in MODALITIES:
            style = np.concatenate([factors.styles[name] for factors in drawn])
            joint = np.corrcoef(np.column_stack([label, shared, style]).T)
            assert np.abs(joint[:4, 4:]).max() < limit
        construction = np.concatenate([factors.construction for factors in drawn])
        assert set(np.unique(construction)) == {-1.0, 1.0}
        joint = np.corrcoef(np.column_stack([construction, label, shared]).T)
        assert np.abs(np.triu(joint, 1)[:2]).max() < limit
        assert np.abs(construction.mean(axis=0)).max() < limit
        assert np.corrcoef(np.column_stack([label, shared]).T)[0, 1:].min() > 0.3
        np.testing.assert_allclose(shared.std(axis=0), 1, atol=0.05)

    def test_a_style_reaches_its_modality_alone(self) -> None:
        rng = np.random.default_rng(2)
        factors, others = draw_factors(4, rng), draw_factors(4, rng)
        for name in MODALITIES:
            mixed = factors._replace(styles={**others.styles, name: factors.styles[name]})
            own = expressed(name, factors, SMALL)
            np.testing.assert_array_equal(expressed(name, mixed, SMALL), own)
            mixed = factors._replace(styles={**factors.styles, name: others.styles[name]})
            changed = expressed(name, mixed, SMALL) != own
            assert changed[..., :STYLE_SIZE].all() and not changed[..., STYLE_SIZE:].any()

    def test_account_and_verdict_show_one_part_of_the_factor_each(self) -> None:
        rng = np.random.default_rng(3)
        factors, others = draw_factors(6, rng), draw_factors(6, rng)
        for name in MODALITIES:
            own = expressed(name, factors, SMALL)
            heard = expressed(name, factors._replace(shared=others.shared), SMALL) != own
            assert heard[:, 1, :3].all() and heard.sum() == heard[:, 1, :3].sum()
            built = factors._replace(construction=-factors.construction)
            shown = expressed(name, built, SMALL) != own
            assert shown[:, 0, 5:].all() and shown.sum() == shown[:, 0, 5:].sum()

    def test_words_are_drawn_by_the_formula(self) -> None:
        rng = np.random.default_rng(4)
        vocabulary = build_vocabulary(25, 0.2, rng)
        signal = rng.normal(size=(2, 2, len(CARRIED)))
        n = 12_000
        segment, place = rng.integers(2, size=n), rng.integers(2, size=n)
        drawn = draw_words(signal, segment, place, vocabulary, rng)
        for s, at in product(range(2), range(2)):
            weight = [
                np.exp(share)
                * np.exp(sum(a * b for a, b in zip(loading, signal[s, at], strict=True)))
                for share, loading in zip(
                    vocabulary.log_share[at], vocabulary.loadings, strict=True
                )
            ]
            expected = np.array(weight) / sum(weight)
            of = drawn[(segment == s) & (place == at)]
            counts = np.bincount(of, minlength=len(expected))
            assert (counts[expected == 0] == 0).all()
            spread = np.sqrt(len(of) * expected * (1 - expected))
            assert (np.abs(counts - len(of) * expected) <= 5 * spread + 1).all()

    def test_factor_is_recoverable(self, corpus: Arrays, means: dict[str, np.ndarray]) -> None:
        everything = np.hstack(list(means.values()))
        for factor in stacked(corpus, PLANTED).T:
            assert ridge_r(everything, factor) > 0.85

    def test_no_modality_suffices_and_all_of_them_do(
        self, corpus: Arrays, means: dict[str, np.ndarray]
    ) -> None:
        label, factor = stacked(corpus, LABELS)[:, 0], stacked(corpus, PLANTED)
        fitted = LinearRegression().fit(factor[TRAIN], label[TRAIN])
        planted = np.corrcoef(fitted.predict(factor[TEST]), label[TEST])[0, 1]
        assert 0.85 < planted < 0.93
        alone = {name: ridge_r(mean, label) / planted for name, mean in means.items()}
        assert 0.9 > alone["language"] > alone["acoustic"] > alone["visual"] > 0.3
        together = ridge_r(np.hstack(list(means.values())), label) / planted
        assert together > max(alone.values()) + 0.05
        assert together > 0.92

    def test_without_strength_nothing_is_told(self) -> None:
        silent = SampleOptions(strengths=Strengths(language=0, acoustic=0, visual=0))
        corpus = simulate(silent)
        features = [segment_means(corpus, sequence) for sequence in MODALITIES.values()]
        assert abs(ridge_r(np.hstack(features), stacked(corpus, LABELS)[:, 0])) < 0.35

    def test_words_carry_the_sentiment(self, corpus: Arrays) -> None:
        heard: dict[str, list[float]] = {}
        for video, (segments, labels) in corpus[LABELS].items():
            intervals, words = corpus[WORDS][video]
            middle = intervals.mean(axis=1)
            for (start, end), label in zip(segments, labels[:, 0], strict=True):
                for word in words[(middle > start) & (middle < end)]:
                    heard.setdefault(word, []).append(float(label))
        for good, bad in (("great", "boring"), ("wonderful", "terrible"), ("like", "avoid")):
            assert np.mean(heard[good]) > np.mean(heard[bad]) + 1
        assert abs(np.mean(heard["the"])) < 0.5

    def test_vocabulary(self) -> None:
        vocabulary = build_vocabulary(25, 0.2, np.random.default_rng(0))
        assert 200 < len(vocabulary.words) == len(set(vocabulary.words))
        assert all(word.isalpha() and word.islower() for word in vocabulary.words)
        assert PAUSE not in vocabulary.words
        np.testing.assert_allclose(np.exp(vocabulary.log_share).sum(axis=1), 1)
        content, construction = vocabulary.loadings[:, :5], vocabulary.loadings[:, 5:]
        function_words = construction.any(axis=1)
        assert ((content != 0).sum(axis=1) == ~function_words).all()
        # Function words of each construction are about as many, and as frequent.
        signs, own, counts = np.unique(
            np.sign(construction[function_words]), axis=0, return_inverse=True, return_counts=True
        )
        assert len(signs) == 4 and np.ptp(counts) <= 1
        shares = np.exp(vocabulary.log_share[0, function_words])
        of_each = np.bincount(own.ravel(), weights=shares) / shares.sum()
        assert of_each.min() > 0.15 and of_each.max() < 0.35
        assert vocabulary.loadings.shape[1] == len(CARRIED)


class Spoken(NamedTuple):
    """Segments, as their words show them.

    Attributes
    ----------
    words : list of list of str
        Without pauses, in order.
    times : list of ndarray
        Middle of each word.
    row : list of int
        Row of each segment among those of the corpus.
    verdict : ndarray of bool, shape (n, 4)
        Which quarters hold words that carry sentiment.
    """

    words: list[list[str]]
    times: list[np.ndarray]
    video: list[str]
    verdict: np.ndarray


@pytest.fixture(scope="module")
def spoken(corpus: Arrays) -> Spoken:
    told = set(sentiment_words(SampleOptions()))
    words, times, videos, verdict = [], [], [], []
    for video, (segments, _) in corpus[LABELS].items():
        intervals, tokens = corpus[WORDS][video]
        middle = intervals.mean(axis=1)
        order = np.argsort(middle)
        for start, end in segments:
            inside = [i for i in order if start < middle[i] < end and tokens[i] != PAUSE]
            words.append([str(tokens[i]) for i in inside])
            times.append(middle[inside])
            videos.append(video)
            quarters = {4 * k // len(inside) for k, i in enumerate(inside) if tokens[i] in told}
            verdict.append([quarter in quarters for quarter in range(4)])
    return Spoken(words, times, videos, np.array(verdict))


class TestConstruction:
    def test_places_by_hand(self) -> None:
        signs = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1], [1, 1]])
        places = verdict_places(signs, np.array([8, 4, 8, 5, 1]))
        assert places.tolist() == [
            *(1, 1, 1, 1, 0, 0, 0, 0),  # opens
            *(0, 0, 1, 1),  # closes
            *(0, 0, 1, 1, 1, 1, 0, 0),  # in the middle
            *(1, 1, 0, 0, 1),  # at both ends
            1,
        ]

    def test_sentiment_stands_in_the_verdict_alone(self, spoken: Spoken) -> None:
        known = {(1, 1, 0, 0), (0, 0, 1, 1), (0, 1, 1, 0), (1, 0, 0, 1)}
        patterns, counts = np.unique(spoken.verdict, axis=0, return_counts=True)
        shares = dict(zip(map(tuple, patterns.astype(int)), counts / counts.sum(), strict=True))
        assert all(0.18 < shares[whole] < 0.32 for whole in known)
        # Few words may leave a quarter of the verdict without any.
        assert all((np.less_equal(found, list(known)).all(axis=1)).any() for found in shares)

    def test_a_place_alone_says_nothing(self, spoken: Spoken) -> None:
        """A mean profile over steps cannot tell where the sentiment is."""
        chance = 0.5 / np.sqrt(len(spoken.verdict))
        assert np.abs(spoken.verdict.mean(axis=0) - 0.5).max() < 3 * chance

    def test_means_over_a_segment_tell_the_construction(
        self, spoken: Spoken, means: dict[str, np.ndarray]
    ) -> None:
        """An encoder by statistics, blind to order, can know where the verdict is."""
        quarters = spoken.verdict @ [1, 2, 4, 8]
        for name, least in (("language", 0.9), ("acoustic", 0.9), ("visual", 0.85)):
            filled = np.where(np.isnan(means[name]), np.nanmean(means[name], axis=0), means[name])
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
            score = model.fit(filled[TRAIN], quarters[TRAIN]).score(filled[TEST], quarters[TEST])
            assert score > least

    @pytest.mark.parametrize("sequence", [ACOUSTIC, VISUAL])
    def test_frames_express_what_the_label_hears_at_the_verdict(
        self, corpus: Arrays, spoken: Spoken, sequence: str
    ) -> None:
        """Frames at words of the verdict tell it, those at words of the account do not."""
        rows: dict[bool, list[np.ndarray]] = {True: [], False: []}
        width = next(iter(corpus[sequence].values()))[1].shape[1]
        for times, video, verdict in zip(spoken.times, spoken.video, spoken.verdict, strict=True):
            place = verdict[4 * np.arange(len(times)) // len(times)]
            for at, means_at in rows.items():
                found = np.full(width, np.nan)
                if video in corpus[sequence]:
                    intervals, frames = corpus[sequence][video]
                    middle = intervals.mean(axis=1)
                    inside = (middle > times[0] - 0.05) & (middle < times[-1] + 0.05)
                    middle, frames = middle[inside], frames[inside].astype(np.float64)
                    near = np.abs(middle[:, None] - times[place == at]).min(axis=1) < 0.05
                    good = frames[near & np.isfinite(frames).all(axis=1)]
                    found = good.mean(axis=0) if len(good) else found
                means_at.append(found)
        factor = stacked(corpus, PLANTED)[:, 2]
        at_verdict, at_account = (ridge_r(np.array(rows[at]), factor) for at in (True, False))
        assert at_verdict > 0.8 and abs(at_account) < 0.35
