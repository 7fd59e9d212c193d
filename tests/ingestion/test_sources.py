"""Streams of one file a video, as parameters ask for them."""

from pathlib import Path
from typing import Any

import pytest

from mfm_pipeline.datasets import RawFolderDataset
from mfm_pipeline.datasets.stream import Stream
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.ingestion.options import StreamOptions
from mfm_pipeline.ingestion.sources import open_stream
from tests.datasets.feature_files import OPENFACE

TEXT_GRID = """"ooTextFile" "TextGrid" 0 9 <exists> 2
"IntervalTier" "phones" 0 9 1  0 1 "x"
"IntervalTier" "ORT-MAU" 0 9 1  0 1 "a"
"""


def _open(folder: Path, name: str, text: str, **choice: Any) -> Stream:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    options = StreamOptions.model_validate({"files": [{"glob": f"{path.parent.name}/*", **choice}]})
    stream = open_stream(RawFolderDataset(path=str(folder)).load(), options, "visual", None)
    assert stream is not None
    return stream


def test_options_of_a_format(tmp_path: Path) -> None:
    all_faces = _open(tmp_path, "openface/a.csv", OPENFACE)
    sure = _open(tmp_path, "openface/a.csv", OPENFACE, options={"min_confidence": 0.9})
    assert len(all_faces.read_video("a").features) == 4
    assert len(sure.read_video("a").features) == 3
    assert sure.manner != all_faces.manner  # What was kept of the other is of no use.
    facet = {"format": "facet", "rate": 10, "options": {"bookkeeping": 1}}
    table = _open(tmp_path, "facet/a.csv", "frame,joy\n1,2\n", **facet)
    assert table.names == ("joy",) and table.read_video("a").intervals.tolist() == [[0, 0.1]]
    words = _open(tmp_path, "words/a.TextGrid", TEXT_GRID, options={"tier": "ORT-MAU"})
    assert words.read_video("a").features.tolist() == ["a"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"options": {"confidence": 1}},
            "ingestion: visual: options holds 'confidence'; format 'openface' has min_confidence",
        ),
        ({"options": {"rate": 1}}, "options holds 'rate'"),
        (
            {"format": "opensmile", "options": {"rate": 1}},
            "holds 'rate'; format 'opensmile' has none",
        ),
        ({"options": {"min_confidence": 2}}, "visual: min_confidence is 2; expected"),
        ({"options": {"min_confidence": "high"}}, "min_confidence is 'high'; expected"),
        ({"rate": 30}, "visual: rate is 30, but format 'openface' gives its own times"),
    ],
)
def test_options_that_a_format_lacks(tmp_path: Path, choice: Any, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        _open(tmp_path, "openface/a.csv", OPENFACE, **choice)
    assert message in str(error.value)
