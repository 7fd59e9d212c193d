"""Tables with a statement of what they are of."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pandas as pd
import pytest
from kedro.io import DatasetError

from mfm_pipeline.datasets import StatedTableDataset
from mfm_pipeline.errors import DataError

STATEMENT = {"corpus": "toy", "seeds": [0, 1], "settings": {"training.epochs": 3}, "run": None}


def table() -> pd.DataFrame:
    frame = pd.DataFrame({"model": ["MFM", "MM"], "r": [0.5, 0.25]})
    frame.attrs = dict(STATEMENT)
    return frame


def test_a_table_comes_back_with_its_statement(tmp_path: Path) -> None:
    dataset = StatedTableDataset(filepath=str(tmp_path / "deep" / "table.csv"))
    dataset.save(table())
    again = dataset.load()
    pd.testing.assert_frame_equal(again, table())
    assert again.attrs == STATEMENT
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"table.csv", "table.json"}


def test_a_statement_is_not_taken_for_that_of_another_table(tmp_path: Path) -> None:
    dataset = StatedTableDataset(filepath=str(tmp_path / "table.csv"))
    dataset.save(table())
    path = tmp_path / "table.csv"
    path.write_text(path.read_text().replace("0.5", "0.9"))
    changed = dataset.load()
    assert changed["r"].tolist() == [0.9, 0.25] and changed.attrs == {}


@pytest.mark.parametrize("content", [None, "", "[", "\xff"])
def test_a_table_without_a_statement_is_read(tmp_path: Path, content: str | None) -> None:
    dataset = StatedTableDataset(filepath=str(tmp_path / "table.csv"))
    dataset.save(table())
    statement = tmp_path / "table.json"
    if content is None:
        statement.unlink()
    else:
        statement.write_bytes(content.encode("latin-1"))
    assert dataset.load().attrs == {}


def test_nothing_good_is_overwritten(tmp_path: Path) -> None:
    dataset = StatedTableDataset(filepath=str(tmp_path / "table.csv"))
    dataset.save(table())
    mute, odd = table(), table()
    mute.attrs = {}
    odd.attrs = {"corpus": object()}
    with pytest.raises(DatasetError) as caught:
        dataset.save(mute)
    assert isinstance(caught.value.__cause__, DataError)
    assert "table.csv" in str(caught.value.__cause__)
    with pytest.raises(DatasetError):
        dataset.save(odd)
    assert dataset.load().attrs == STATEMENT


def test_both_files_go_to_the_active_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(mlflow, "active_run", lambda: object())
    monkeypatch.setattr(mlflow, "log_artifact", logged.append)
    StatedTableDataset(filepath=str(tmp_path / "table.csv")).save(table())
    assert logged == [str(tmp_path / "table.csv"), str(tmp_path / "table.json")]
