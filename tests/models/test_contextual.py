"""The contextual LSTM, against torch's LSTMs over each video by itself."""

from __future__ import annotations

import numpy as np
import torch

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.features.context import PLACE, in_context
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.contextual import ContextualLSTM

SIZES = {"one": 3, "two": 2}


def video_split(lengths: tuple[int, ...], seed: int = 0) -> tuple[Split, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    ids = np.array([f"v{k}[{s}]" for k, length in enumerate(lengths) for s in range(length)])
    n = len(ids)
    plain = Modality(np.zeros((n, 1, 1), np.float32), np.ones(n, bool), np.ones((n, 1), bool))
    targets = Targets(np.zeros((n, 1), np.float32), ("score",), "regression")
    features = {m: rng.normal(size=(n, d)).astype(np.float32) for m, d in SIZES.items()}
    return Split(dict.fromkeys(SIZES, plain), targets, ids), features


def test_each_segment_is_predicted_from_its_whole_video() -> None:
    lengths = (4, 1, 3)
    split, features = video_split(lengths)
    torch.manual_seed(0)
    network = ContextualLSTM(features=SIZES, place=PLACE, hidden=4, outputs=2, dropout=0.5).eval()
    found = network(Inputs.from_split(in_context(split, features, window=5)))
    start = 0
    for length in lengths:
        rows = slice(start, start + length)
        parts = [network.unimodal[m](torch.from_numpy(features[m][rows])[None])[0] for m in SIZES]
        states, _ = network.fused(torch.cat(parts, dim=2))
        expected = network.head(states[0])[:, 0]
        torch.testing.assert_close(found[rows], expected)
        start += length


def test_beyond_the_window_nothing_is_seen() -> None:
    split, features = video_split((5,))
    torch.manual_seed(0)
    network = ContextualLSTM(features=SIZES, place=PLACE, hidden=4, outputs=1, dropout=0).eval()
    before = network(Inputs.from_split(in_context(split, features, window=1)))
    features["one"][4] += 1
    after = network(Inputs.from_split(in_context(split, features, window=1)))
    assert torch.equal(before[:3], after[:3])
    assert not torch.isclose(before[3:], after[3:]).any()


def test_a_sample_without_anything_is_predicted_by_the_bias_alone() -> None:
    split, features = video_split((2, 1))
    lost = Modality(np.zeros((3, 1, 1), np.float32), np.arange(3) < 2, np.arange(3)[:, None] < 2)
    split = Split(dict.fromkeys(SIZES, lost), split.targets, split.ids)
    torch.manual_seed(0)
    network = ContextualLSTM(features=SIZES, place=PLACE, hidden=4, outputs=1, dropout=0).eval()
    inputs = Inputs.from_split(in_context(split, features, window=1))
    assert inputs.lengths.tolist() == [2, 2, 0]
    expected = network.head(torch.zeros(1, 8))[:, 0]
    torch.testing.assert_close(network(inputs)[2:], expected)
    assert not torch.allclose(network(inputs)[:2], expected)
