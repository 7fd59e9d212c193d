"""Tables on the console."""

from __future__ import annotations

import pandas as pd
import pytest

from mfm_pipeline.evaluation import print_table


def test_numbers_are_right_aligned_and_names_left(capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame(
        {
            "score": ["a", "b"],
            "modality": ["all", "mnist"],
            "real": [0.12345, float("nan")],
            "n": [7, 12345],
        }
    )
    print_table(table, "Scores")
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.strip() == "Scores"
    assert lines[3].split("│")[1:-1] == [" a    ", " all     ", " 0.123", "      7"]
    assert lines[4].split("│")[1:-1] == [" b    ", " mnist   ", "      ", " 12,345"]
