"""Sequences without times: by share of the time, and padded on the left."""

from __future__ import annotations

import numpy as np

from mfm_pipeline.features.unaligned import align_by_share, justify_right


def test_frames_go_to_the_words_at_their_share_of_the_time() -> None:
    text = np.zeros((2, 4, 1), np.float32)
    text[0, :2, 0] = 1, 2  # Two words, padded on the right.
    text[1, 1:, 0] = 1, 2, 3  # Three, padded on the left.
    audio = np.zeros((2, 8, 1), np.float32)
    audio[0, :6, 0] = 1, 2, 3, 4, 5, 6
    audio[1, 2:, 0] = 10, 20, 30, 40, 50, 60
    found = align_by_share({"text": text, "audio": audio}, {"audio": None})
    assert found["text"][..., 0].tolist() == [[0, 0, 1, 2], [0, 1, 2, 3]]
    assert found["audio"][..., 0].tolist() == [[0, 0, 2, 5], [0, 15, 35, 55]]


def test_known_lengths_count_silent_frames_in() -> None:
    text = np.ones((1, 2, 1), np.float32)
    audio = np.zeros((1, 8, 1), np.float32)
    audio[0, :2, 0] = 4  # Of four frames the last two are zero.
    found = align_by_share({"text": text, "audio": audio}, {"audio": np.array([4])})
    assert found["audio"][0, :, 0].tolist() == [4, 0]
    found = align_by_share({"text": text, "audio": audio}, {"audio": np.array([99])})
    assert found["audio"][0, :, 0].tolist() == [2, 0]


def test_a_sample_without_a_modality_stays_without() -> None:
    text = np.ones((1, 2, 1), np.float32)
    found = align_by_share({"text": text, "audio": np.zeros((1, 5, 3), np.float32)}, {})
    assert not found["audio"].any() and found["audio"].shape == (1, 2, 3)


def test_padding_moves_to_the_left_in_all_modalities_alike() -> None:
    text = np.zeros((3, 4, 1), np.float32)
    audio = np.zeros((3, 4, 2), np.float32)
    text[0, :2, 0] = 1, 2
    audio[0, 1, 1] = 7
    text[1, 2:, 0] = 3, 4
    found = justify_right({"text": text, "audio": audio})
    assert found["text"][..., 0].tolist() == [[0, 0, 1, 2], [0, 0, 3, 4], [0, 0, 0, 0]]
    assert found["audio"][0, :, 1].tolist() == [0, 0, 0, 7]
