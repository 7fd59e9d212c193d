"""The folder of results."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError

from mfm_pipeline.datasets import ResultsDataset, StatedTableDataset


def test_a_folder_that_is_not_there_has_no_results(tmp_path: Path) -> None:
    dataset = ResultsDataset(path=str(tmp_path / "none"))
    assert dataset.exists()
    results = dataset.load()
    assert results.corpora == () and results.table("sample", "comparison") is None
    assert results.files("sample", "*.png") == ()
    assert not (tmp_path / "none").exists()
    with pytest.raises(DatasetError, match="not saved"):
        dataset.save(pd.DataFrame())


def test_tables_and_files_of_a_corpus(tmp_path: Path) -> None:
    # What looks like a missing value is a name.
    table = pd.DataFrame({"model": ["NA", "None"], "acc": [0.5, None]})
    table.attrs = {"corpus": "b"}
    path = tmp_path / "b" / "digits" / "models.csv"
    StatedTableDataset(filepath=str(path)).save(table)
    for name in ("a", ".hidden", "b/x.png", "b/a.png", "b/.a.png"):
        place = tmp_path / name
        place.touch() if place.suffix == ".png" else place.mkdir()
    results = ResultsDataset(path=str(tmp_path)).load()
    assert results.corpora == ("b",)
    again = results.table("b", "digits/models")
    assert again is not None and again.attrs == {"corpus": "b"}
    pd.testing.assert_frame_equal(again, table)
    assert [p.name for p in results.files("b", "*.png")] == ["a.png", "x.png"]
