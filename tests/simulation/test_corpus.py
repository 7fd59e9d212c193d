"""The synthetic corpus: its sizes, its traps, and what it depends on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

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
    SampleOptions,
    simulate,
)
from mfm_pipeline.simulation.vocabulary import PAUSE
from tests.simulation.measures import (
    MODALITIES,
    SMALL,
    SOUND,
    Arrays,
    stacked,
)


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
