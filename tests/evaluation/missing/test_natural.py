"""Samples by what they have: they add up, and each group is scored by itself."""

from __future__ import annotations

import numpy as np

from mfm_pipeline.evaluation import EvaluationOptions, score
from mfm_pipeline.evaluation.missing import FilledModel, score_natural, zeros
from mfm_pipeline.evaluation.missing.score import infer
from tests.conftest import MakeCorpus
from tests.evaluation.missing.stand_in import model_of


def test_samples_are_scored_by_what_they_have(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(sizes=(48, 16, 120))
    model = model_of(corpus)
    methods = {"absent": FilledModel(model), "zeros": FilledModel(model, zeros)}
    table = score_natural(methods, corpus.test, corpus.train.targets, EvaluationOptions())
    assert list(table["method"]) == ["absent", "zeros"] * (len(table) // 2)
    groups = table[table["method"] == "absent"].set_index("observed")
    assert groups.index[0] == "all samples" and groups.index[1] == "language+acoustic+visual"
    assert groups["samples"].iloc[0] == 120 == groups["samples"].iloc[1:].sum()
    assert groups["samples"].iloc[1:].is_monotonic_decreasing
    present = {name: m.present for name, m in corpus.test.modalities.items()}
    lacking = present["language"] & ~present["acoustic"] & present["visual"]
    assert groups.loc["language+visual", "samples"] == lacking.sum() > 1
    for name, method in methods.items():
        made = infer(method, corpus.test, {}, 256).prediction.astype(np.float32)
        expected = score(corpus.test.targets.select(lacking), made[lacking])
        row = table.query(f"observed == 'language+visual' and method == '{name}'").iloc[0]
        assert row["r"] == expected["r"] and row["mae"] == expected["mae"]
    complete = table[table["observed"] == "language+acoustic+visual"]
    assert complete["r"].nunique() == 1 and table["r"].nunique() > len(groups)
