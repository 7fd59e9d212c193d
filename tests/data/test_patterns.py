"""Which modalities are observed, as tables write it."""

from __future__ import annotations

import numpy as np

from mfm_pipeline.data.patterns import observed_patterns, pattern_name, patterns


def test_patterns_are_all_that_lack_something() -> None:
    assert list(patterns(("a", "b"))) == [("a",), ("b",)]
    assert list(patterns(("a", "b", "c"))) == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
        ("a",),
        ("b",),
        ("c",),
    ]
    assert len(list(patterns("abcde"))) == 2**5 - 2


def test_observed_patterns_name_what_is_there() -> None:
    present = {"a": np.array([True, True, False, False]), "b": np.array([True, False, True, False])}
    assert observed_patterns(present).tolist() == ["a+b", "a", "b", ""]
    assert pattern_name(("a", "b")) == "a+b"
