"""Samples that lack modalities by themselves: told as absent, or read as zeros."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mfm_pipeline.data import Split, Targets
from mfm_pipeline.data.patterns import observed_patterns
from mfm_pipeline.evaluation.metrics import score
from mfm_pipeline.evaluation.missing.methods import Method
from mfm_pipeline.evaluation.missing.score import infer
from mfm_pipeline.evaluation.options import EvaluationOptions
from mfm_pipeline.evaluation.predict import decide

ALL, NOTHING = "all samples", "nothing"


def score_natural(
    methods: Mapping[str, Method], test: Split, train: Targets, options: EvaluationOptions
) -> pd.DataFrame:
    """Score methods on test, once as a whole and by what its samples have by themselves.

    Returns
    -------
    DataFrame
        A row a pattern and method: ``observed``, ``samples``, ``method`` and the metrics
        of the task; the most frequent pattern first.
    """
    found = observed_patterns({name: m.present for name, m in test.modalities.items()})
    names, counts = np.unique(found, return_counts=True)
    groups = {ALL: np.arange(len(test))}
    for name in names[np.argsort(-counts, kind="stable")]:
        groups[str(name) or NOTHING] = np.flatnonzero(found == name)
    decided = {}
    for name, method in methods.items():
        inferred = infer(method, test, {}, options.batch_size)
        decided[name] = decide(inferred.prediction, inferred.known, train)
    rows: list[dict[str, Any]] = []
    for observed, samples in groups.items():
        targets = test.targets.select(samples)
        for name, made in decided.items():
            metrics = score(targets, made[samples], options.sentiment)
            rows.append({"observed": observed, "samples": len(samples), "method": name, **metrics})
    return pd.DataFrame(rows)
