"""What is measured of a synthetic corpus."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mfm_pipeline.simulation import (
    ACOUSTIC,
    LABELS,
    VECTORS,
    VISUAL,
    Entry,
    SampleOptions,
    Traps,
)

Arrays = dict[str, dict[str, Entry]]
MODALITIES = {"language": VECTORS, "acoustic": ACOUSTIC, "visual": VISUAL}
SOUND = Traps(missing_modality=0, bad_frames=0, gaps=0, unsorted=0, short_words=0, pauses=0)
SMALL = SampleOptions(videos=3, segments_per_video=2, words_per_segment=5)
TRAIN, TEST = slice(0, 44 * 7), slice(52 * 7, 64 * 7)


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
