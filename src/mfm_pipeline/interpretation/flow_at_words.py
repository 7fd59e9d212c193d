"""Whether gradient flow is higher at some words than at others, by permutation."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

COLUMNS = ("modality", "samples", "at_words", "elsewhere", "difference", "p_value")


def flow_at_words(
    flow: pd.DataFrame, words: Collection[str], *, permutations: int = 999, seed: int = 0
) -> pd.DataFrame:
    """Test whether each modality's gradient flow is higher at `words` than elsewhere.

    What is compared is the flow relative to its mean in the sample, less the mean
    profile over steps: decoders yield more or less flow with time whatever the words
    are. Words are permuted within samples, so that neither the sample nor the number of
    such words in it can make a difference; the test is one-sided.

    Parameters
    ----------
    flow : DataFrame
        As `mfm_pipeline.interpretation.flow_table` returns it.
    words : collection of str
    permutations : int
    seed : int

    Returns
    -------
    DataFrame
        One row a modality with steps: ``modality``, ``samples`` (that hold both kinds of
        words), mean relative flow ``at_words`` and ``elsewhere``, their ``difference``,
        ``p_value``.
    """
    rows = []
    for name, own in flow.groupby("modality", sort=False):
        at = own["word"].isin(words).to_numpy()
        mixed = pd.Series(at).groupby(own["id"].to_numpy()).transform("nunique") > 1
        own, at = own[mixed.to_numpy()], at[mixed]
        if own.empty:
            continue
        sample, first = np.unique(own["id"].to_numpy(), return_inverse=True)
        mean = own.groupby("id")["flow"].transform("mean")
        relative = (own["flow"] / mean.where(mean > 0, 1.0)).to_numpy()
        place = own.groupby("id").cumcount()
        relative = relative - pd.Series(relative).groupby(place.to_numpy()).transform("mean")
        values, first = relative.to_numpy(), np.asarray(first)

        def difference(at: np.ndarray, values: np.ndarray = values) -> float:
            return float(values[at].mean() - values[~at].mean())

        observed = difference(at)
        rng = np.random.default_rng(seed)
        reached = 0
        by_sample = np.argsort(first, kind="stable")
        for _ in range(permutations):
            # Sorted by sample, then at random: a permutation within each.
            order = np.lexsort((rng.random(len(at)), first))
            permuted = np.empty_like(at)
            permuted[by_sample] = at[order]
            reached += difference(permuted) >= observed - 1e-12
        rows.append(
            {
                "modality": name,
                "samples": len(sample),
                "at_words": float(1 + values[at].mean()),
                "elsewhere": float(1 + values[~at].mean()),
                "difference": observed,
                "p_value": (1 + reached) / (1 + permutations),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
