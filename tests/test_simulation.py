"""The synthetic corpus: its structure is there, and so is every trap."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.simulation import (
    ACOUSTIC,
    LABELS,
    PLANTED,
    RATES,
    SEQUENCES,
    VECTORS,
    VISUAL,
    WORDS,
    Entry,
    SampleOptions,
    Strengths,
    Traps,
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

Arrays = dict[str, dict[str, Entry]]
MODALITIES = {"language": VECTORS, "acoustic": ACOUSTIC, "visual": VISUAL}
SOUND = Traps(missing_modality=0, bad_frames=0, gaps=0, unsorted=0, short_words=0, pauses=0)
SMALL = SampleOptions(videos=3, segments_per_video=2, words_per_segment=5)
TRAIN, TEST = slice(0, 44 * 7), slice(52 * 7, 64 * 7)


@pytest.fixture(scope="module")
def corpus() -> Arrays:
    return simulate(SampleOptions())


def segment_means(corpus: Arrays, sequence: str) -> np.ndarray:
    """Mean finite row that lies in each labelled segment, NaN where there is none."""
    width = next(iter(corpus[sequence].values()))[1].shape[1]
    rows = []
    for video, (segments, _) in corpus[LABELS].items():
        middle, features = np.zeros(0), np.zeros((0, width))
        if video in corpus[sequence]:
            intervals, features = corpus[sequence][video]
            middle = intervals.mean(axis=1)
        for start, end in segments:
            inside = features[(middle > start) & (middle < end)].astype(np.float64)
            good = inside[np.isfinite(inside).all(axis=1)]
            rows.append(good.mean(axis=0) if len(good) else np.full(width, np.nan))
    return np.array(rows)


def stacked(corpus: Arrays, sequence: str) -> np.ndarray:
    return np.concatenate([features for _, features in corpus[sequence].values()])


def ridge_r(features: np.ndarray, target: np.ndarray) -> float:
    filled = np.where(np.isnan(features), np.nanmean(features[TRAIN], axis=0), features)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 16)))
    predicted = model.fit(filled[TRAIN], target[TRAIN]).predict(filled[TEST])
    return float(np.corrcoef(predicted, target[TEST])[0, 1])


@pytest.fixture(scope="module")
def means(corpus: Arrays) -> dict[str, np.ndarray]:
    return {name: segment_means(corpus, sequence) for name, sequence in MODALITIES.items()}


class TestSize:
    def test_videos_segments_and_words(self, corpus: Arrays) -> None:
        assert tuple(corpus) == SEQUENCES
        assert list(corpus[LABELS]) == [f"sample_{i:02}" for i in range(64)]
        assert len(stacked(corpus, LABELS)) >= 400
        spoken = stacked(corpus, WORDS) != PAUSE
        assert spoken.sum() / len(stacked(corpus, LABELS)) == pytest.approx(20, abs=1)

    def test_dtypes_and_rates(self, corpus: Arrays) -> None:
        for sequence in SEQUENCES:
            for intervals, features in corpus[sequence].values():
                assert intervals.dtype == np.float64
                assert intervals.shape == (len(features), 2)
                assert features.dtype == np.float32 or sequence == WORDS
        for sequence, rate in RATES.items():
            for intervals, _ in corpus[sequence].values():
                np.testing.assert_allclose(np.diff(intervals), 1 / rate, atol=1e-9)

    def test_it_is_small(self, corpus: Arrays) -> None:
        entries = [entry for videos in corpus.values() for entry in videos.values()]
        assert sum(i.nbytes + f.nbytes for i, f in entries) < 40e6

    def test_labels(self, corpus: Arrays) -> None:
        labels = stacked(corpus, LABELS)
        assert labels.min() >= -3 and labels.max() <= 3
        assert 1.2 < labels.std() < 1.7
        assert len(np.unique(labels)) > 0.8 * len(labels)


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


class TestTraps:
    def test_some_videos_lack_a_modality(self, corpus: Arrays) -> None:
        everyone = set(corpus[LABELS])
        lacking = [everyone - set(corpus[sequence]) for sequence in MODALITIES.values()]
        assert [len(videos) for videos in lacking] == [1, 1, 1]
        assert len(set.union(*lacking)) == 3  # 5 % of 64
        assert set(corpus[WORDS]) == set(corpus[PLANTED]) == everyone

    def test_bad_acoustic_frames(self, corpus: Arrays) -> None:
        frames = stacked(corpus, ACOUSTIC)
        nan, inf = np.isnan(frames).any(axis=1), np.isneginf(frames).any(axis=1)
        assert nan.mean() == pytest.approx(0.01, abs=0.002)
        assert inf.mean() == pytest.approx(0.01, abs=0.002)
        assert not np.isposinf(frames).any()
        assert np.isfinite(stacked(corpus, VISUAL)).all()

    @pytest.mark.parametrize("sequence", [ACOUSTIC, VISUAL])
    def test_gaps(self, corpus: Arrays, sequence: str) -> None:
        starts = [np.sort(intervals[:, 0]) for intervals, _ in corpus[sequence].values()]
        gaps = [np.diff(start).max() > 0.2 for start in starts]
        assert 0.1 < np.mean(gaps) < 0.5

    @pytest.mark.parametrize("sequence", [WORDS, VECTORS, ACOUSTIC, VISUAL])
    def test_unsorted_intervals(self, corpus: Arrays, sequence: str) -> None:
        entries = corpus[sequence].values()
        unsorted = [bool((np.diff(intervals[:, 0]) < 0).any()) for intervals, _ in entries]
        assert 0.05 < np.mean(unsorted) < 0.4

    def test_segments_are_sorted_and_apart(self, corpus: Arrays) -> None:
        for video, (segments, _) in corpus[LABELS].items():
            assert all(second[0] > first[1] for first, second in pairwise(segments))
            np.testing.assert_array_equal(corpus[PLANTED][video][0], segments)

    def test_pauses_lie_between_words_and_have_no_vector(self, corpus: Arrays) -> None:
        pauses = 0
        for video in set(corpus[WORDS]) & set(corpus[VECTORS]):
            (intervals, words), (places, vectors) = corpus[WORDS][video], corpus[VECTORS][video]
            order, other = np.argsort(intervals[:, 0]), np.argsort(places[:, 0])
            np.testing.assert_array_equal(intervals[order], places[other])
            zero = ~vectors[other].any(axis=1)
            np.testing.assert_array_equal(words[order] == PAUSE, zero)
            assert (intervals[order][1:, 0] > intervals[order][:-1, 1] - 1e-9).all()
            pauses += int(zero.sum())
        assert pauses > 500

    def test_words_shorter_than_a_frame(self, corpus: Arrays) -> None:
        length = np.concatenate([np.diff(i)[:, 0] for i, _ in corpus[WORDS].values()])
        assert 0.005 < (length < 1 / RATES[ACOUSTIC]).mean() < 0.02
        assert (length > 0).all()

    def test_they_can_all_be_off(self) -> None:
        corpus = simulate(SMALL.model_copy(update={"traps": SOUND}))
        for sequence in SEQUENCES:
            assert len(corpus[sequence]) == SMALL.videos
            for intervals, features in corpus[sequence].values():
                assert (np.diff(intervals[:, 0]) > 0).all()
                assert sequence == WORDS or np.isfinite(features).all()
        for sequence, rate in RATES.items():
            for intervals, _ in corpus[sequence].values():
                np.testing.assert_allclose(np.diff(intervals[:, 0]), 1 / rate, atol=1e-9)
        assert PAUSE not in stacked(corpus, WORDS)


class TestSeed:
    def test_same_seed_same_bytes(self) -> None:
        assert _bytes(simulate(SMALL)) == _bytes(simulate(SMALL))

    def test_other_seed_other_data(self) -> None:
        other = _bytes(simulate(SMALL.model_copy(update={"seed": 1})))
        assert not set(_bytes(simulate(SMALL)).values()) & set(other.values())

    def test_more_videos_leave_the_first_as_they_are(self) -> None:
        options = SMALL.model_copy(update={"traps": SOUND})
        more = _bytes(simulate(options.model_copy(update={"videos": 5})))
        assert _bytes(simulate(options)).items() <= more.items()


def _bytes(corpus: Arrays) -> dict[tuple[str, str], tuple[bytes, bytes]]:
    return {
        (sequence, video): (intervals.tobytes(), features.tobytes())
        for sequence, videos in corpus.items()
        for video, (intervals, features) in videos.items()
    }


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"seed": -1}, "seed"),
        ({"videos": 1}, "videos"),
        ({"videos": 2.5}, "videos"),
        ({"words_per_segment": 0}, "words_per_segment"),
        ({"word_vector_size": 4}, "word_vector_size"),
        ({"label_noise": float("nan")}, "label_noise"),
        ({"frame_noise": -0.1}, "frame_noise"),
        ({"strengths": {"language": -1}}, "language"),
        ({"strengths": {"smell": 1}}, "smell"),
        ({"traps": {"missing_modality": 1.5}}, "missing_modality"),
        ({"vidoes": 3}, "vidoes"),
    ],
)
def test_wrong_options_are_refused_by_name(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(ParameterError, match=name):
        SampleOptions(**wrong)
