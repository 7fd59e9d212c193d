"""What a search of all models leaves, drawn at random: trials, and predictions on test."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from mfm_pipeline.baselines.adapt import VALUES_ONLY
from mfm_pipeline.data import Corpus, Targets
from mfm_pipeline.evaluation import EvaluationOptions, score
from mfm_pipeline.pipelines.provenance import stated

FAMILIES = ("trivial", "classical", "kernels", "hidden states", "deep", "factorized")


def searched(
    corpus: Corpus,
    noise: Mapping[str, float],
    *,
    evaluation: EvaluationOptions | None = None,
    families: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    classify: tuple[str, ...] = (),
    not_applicable: tuple[str, ...] = (),
    failed: tuple[str, ...] = (),
    seeds: int = 3,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the two tables of `search`, of models that are the more wrong the more noise.

    Parameters
    ----------
    corpus : Corpus
    noise : dict of str to float
        By model, in the order of the tables.
    evaluation : EvaluationOptions, optional
    families, labels : dict of str to str, optional
        By model; "deep", and the name in capitals.
    classify : tuple of str
        Models without metrics of values, whose predictions are levels.
    not_applicable, failed : tuple of str
        Models without results.
    seeds : int
        Of final fits.
    """
    rng = np.random.default_rng(0)
    rows, tables = [], []
    for name, much in noise.items():
        family = (families or {}).get(name, "deep")
        label = (labels or {}).get(name, name.upper())
        own = {"model": name, "label": label, "family": family}
        if name in not_applicable:
            rows.append({**own, "state": "n/a", "final": False, "trial": -1, "error": "it cannot"})
            continue
        fit = {"setting": '{"hidden": 8}', "parameters": 1000, "seconds": 1.5, "error": ""}
        if name in failed:
            broken = {"error": "MfmError: it broke", "final": False, "seed": 0, "trial": 0}
            rows.append({**own, **fit, "state": "failed", **broken})
            continue
        of_trial = {"state": "complete", "final": False, "trial": 0, "seed": 0, "valid/r": 0.1}
        rows.append({**own, **fit, **of_trial, "setting": "{}"})
        for seed in range(seeds):
            found = _predicted(corpus.test.targets, much, rng)
            if name in classify:
                found = np.round(found)
            metrics = score(corpus.test.targets, found, evaluation and evaluation.sentiment)
            if name in classify:
                metrics = {key: v for key, v in metrics.items() if key not in VALUES_ONLY}
            test = {f"test/{key}": value for key, value in metrics.items()}
            final = {"state": "complete", "final": True, "seed": seed}
            rows.append({**own, **fit, **final, "trial": 1 if seed == 0 else -1, **test})
            tables += _rows(corpus, name, seed, found)
    settings = {"baselines": {"trials": 2, "seeds": seeds}}
    trials = stated(pd.DataFrame(rows), corpus, seeds=range(seeds), settings=settings)
    assert all(json.loads(text) is not None for text in trials["setting"].dropna())
    return trials, pd.concat(tables, ignore_index=True)


def _predicted(targets: Targets, noise: float, rng: np.random.Generator) -> np.ndarray:
    true = targets.values
    if targets.task == "regression":
        return np.asarray(true + noise * rng.normal(size=true.shape), dtype=np.float32)
    wrong = rng.random(true.shape) < noise
    classes = len(targets.names) if targets.task == "multiclass" else 2
    return np.where(wrong, (true + 1) % classes, true).astype(true.dtype)


def _rows(corpus: Corpus, name: str, seed: int, found: np.ndarray) -> list[pd.DataFrame]:
    targets = corpus.test.targets
    names = ("",) if targets.task == "multiclass" else targets.names
    true, found = (values.reshape(len(corpus.test), -1) for values in (targets.values, found))
    return [
        pd.DataFrame(
            {
                "model": name,
                "seed": seed,
                "id": corpus.test.ids,
                "target": target,
                "true": true[:, column].astype(np.float32),
                "predicted": found[:, column].astype(np.float32),
            }
        )
        for column, target in enumerate(names)
    ]
