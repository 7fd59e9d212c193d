from pathlib import Path

import pytest
from kedro.io.core import DatasetError

from mfm_pipeline.datasets import RawFolderDataset
from mfm_pipeline.errors import DataError
from tests.datasets.sequences import covarep, words


def test_files_are_written_listed_and_opened(tmp_path: Path) -> None:
    dataset = RawFolderDataset(path=str(tmp_path / "sample"))
    assert not dataset.exists()
    dataset.save({"S_COVAREP.csd": covarep(), "S_Words.csd": words()})
    (tmp_path / "sample" / ".S_Words.csd.12.tmp").write_bytes(b"half")
    raw = dataset.load()
    assert dataset.exists()
    assert raw.files == ("S_COVAREP.csd", "S_Words.csd")
    assert raw.matching("*covarep.CSD") == ("S_COVAREP.csd",)
    assert raw.matching("*Facet*.csd") == ()
    with raw.open_sequence("S_Words.csd") as reader:
        assert reader.kind == "words"


def test_saving_nothing_leaves_no_trace(tmp_path: Path) -> None:
    dataset = RawFolderDataset(path=str(tmp_path / "pom"))
    dataset.save({})
    assert not (tmp_path / "pom").exists()
    assert not dataset.exists()


@pytest.mark.parametrize("empty", [False, True])
def test_a_missing_or_empty_folder_says_what_is_wanted(empty: bool, tmp_path: Path) -> None:
    folder = tmp_path / "pom"
    if empty:
        folder.mkdir()
    with pytest.raises(DatasetError) as caught:
        RawFolderDataset(path=str(folder)).load()
    cause = caught.value.__cause__
    assert isinstance(cause, DataError)
    assert str(folder) in str(cause) and "*.csd" in str(cause) and "y_train.h5" in str(cause)


def test_a_file_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="plain file name"):
        RawFolderDataset(path=str(tmp_path / "a")).save({"../b.csd": covarep()})
    assert list(tmp_path.iterdir()) == []
