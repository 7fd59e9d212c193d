"""The first line: whether MFM wins, and if not, who is ahead of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.evaluation.verdict import verdict

NAN = float("nan")


def table_of(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    """Return a comparison: model, metric, difference and corrected p; MFM has no difference."""
    table = pd.DataFrame(rows, columns=["model", "compared", "difference", "p_holm"])
    table["label"] = table["model"].str.upper()
    table["difference_low"] = table["difference"] - 0.05
    table["difference_high"] = table["difference"] + 0.03
    return table


MFM = ("mfm", "r", NAN, NAN)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [("rf", "r", 0.1, 0.01), ("tfn", "r", 0.02, 0.3), MFM],
            "MFM is ahead of all 2 others, in r; significantly (Holm, 5 %) of 1.",
        ),
        (
            [("hcrf", "acc_2", 0.1, 0.01), ("tfn", "r", 0.02, 0.3), MFM],
            "MFM is ahead of all 2 others, in r or acc_2; significantly (Holm, 5 %) of 1.",
        ),
        (
            [("rf", "r", -0.012, 0.3), ("tfn", "r", 0.1, 0.01), MFM],
            "MFM does not win: RF is ahead by 0.012 in r [-0.018, 0.062]; MFM is ahead of 1 of 2, "
            "significantly (Holm, 5 %) of 1.",
        ),
        (
            # The best in MFM's own metric is named, and the others are counted.
            [("rf", "r", -0.1, 0.01), ("tfn", "r", -0.05, 1), ("hcrf", "acc_2", -0.2, 1), MFM],
            "MFM does not win: RF is significantly ahead by 0.100 in r [0.070, 0.150]; 2 more are "
            "ahead; MFM is ahead of 0 of 3, significantly (Holm, 5 %) of 0.",
        ),
        (
            [("hcrf", "acc_2", -0.2, 1), ("tfn", "r", 0.1, 0.01), MFM],
            "MFM does not win: HCRF is ahead by 0.200 in acc_2 [0.170, 0.250]; MFM is ahead of 1 "
            "of 2, significantly (Holm, 5 %) of 1.",
        ),
        (
            # A difference of rounding is none.
            [("rf", "r", -1e-17, 1.0), ("tfn", "r", 0.1, 0.01), MFM],
            "MFM is ahead of 1 of 2 others, level with 1, in r; significantly (Holm, 5 %) of 1.",
        ),
        ([("rf", "r", NAN, NAN)], "Nothing to compare: MFM has no score."),
        ([("rf", "r", NAN, NAN), ("mfm", "", NAN, NAN)], "Nothing to compare: MFM has no score."),
        ([("rf", "", NAN, NAN), MFM], "Nothing to compare: no other model has a score."),
    ],
)
def test_it_says_who_is_ahead(rows: list[tuple[str, str, float, float]], told: str) -> None:
    assert verdict(table_of(*rows)) == told


def test_a_table_read_from_its_file_says_the_same() -> None:
    table = table_of(("rf", "r", NAN, NAN), ("mfm", "", NAN, NAN))
    table["compared"] = table["compared"].replace("", np.nan)
    assert verdict(table) == "Nothing to compare: MFM has no score."
