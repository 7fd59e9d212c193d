"""BC-LSTM, what the battery over all models does not show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mfm_pipeline.baselines.bc_lstm import ContextualOptions
from tests.baselines.corpora import session
from tests.conftest import MakeCorpus


def test_a_fit_does_not_touch_test(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(sizes=(16, 6, 6), steps=3)
    huge = {
        name: replace(one, values=np.full_like(one.values, 3e38))
        for name, one in corpus.test.modalities.items()
    }
    test = replace(corpus.test, modalities=huge)
    other = replace(corpus, splits={**corpus.splits, "test": test})
    options = ContextualOptions(hidden=4)
    first, second = (
        options.fit(one, session(tmp_path / name)).predict(corpus.valid)
        for name, one in (("first", corpus), ("second", other))
    )
    np.testing.assert_array_equal(first, second)
