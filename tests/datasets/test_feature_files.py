"""All readers of one feature file a video: options, catalog, and which file has which."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DataCatalog
from scipy.io import savemat

from mfm_pipeline.datasets.array_file import ArrayFile
from mfm_pipeline.datasets.covarep import Covarep
from mfm_pipeline.datasets.facet import Facet
from mfm_pipeline.datasets.formats import FORMATS, sniff_format
from mfm_pipeline.datasets.segment_words import SegmentWords
from mfm_pipeline.datasets.table import Table
from mfm_pipeline.errors import DataError, ParameterError
from tests.datasets.feature_files import OPENFACE, VALUES, check, written


@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf, "30", True, None, 1e-300])
@pytest.mark.parametrize("format", [Covarep, Facet, Table, ArrayFile])
def test_rates_out_of_range(format: type[Any], rate: Any) -> None:
    if rate is None and format in (Table, ArrayFile):
        return
    with pytest.raises(ParameterError, match="rate is"):
        format(rate=rate)


@pytest.mark.parametrize("count", [-1, 1.5, True, "5"])
def test_bookkeeping_out_of_range(count: Any) -> None:
    with pytest.raises(ParameterError, match="bookkeeping is"):
        Facet(bookkeeping=count)


def test_catalog(tmp_path: Path) -> None:
    table = written(tmp_path, "a.csv", "a,b\n1,2\n3,4\n")
    speech = written(tmp_path, "b.csv", "frameTime;F0\n0;1\n1;1\n")
    faces = written(tmp_path, "c.csv", OPENFACE)
    np.savez(tmp_path / "d.npz", features=VALUES)
    savemat(tmp_path / "e.mat", {"features": VALUES})
    module = "mfm_pipeline.datasets"
    entries: dict[str, tuple[str, Path, dict[str, Any]]] = {
        "facet": (f"{module}.facet.FacetDataset", table, {"rate": 25, "bookkeeping": 1}),
        "table": (f"{module}.table.TableDataset", table, {"rate": 25}),
        "opensmile": (f"{module}.opensmile.OpenSmileDataset", speech, {}),
        "openface": (f"{module}.openface.OpenFaceDataset", faces, {"min_confidence": 0.9}),
        "array": (f"{module}.array_file.ArrayFileDataset", tmp_path / "d.npz", {"rate": 25}),
        "covarep": (f"{module}.covarep.CovarepDataset", tmp_path / "e.mat", {"rate": 50}),
    }
    config = {
        name: {"type": type_, "filepath": str(path), "metadata": {"x": 1}, **options}
        for name, (type_, path, options) in entries.items()
    }
    catalog = DataCatalog.from_config(config)
    for name, (_, path, options) in entries.items():
        assert catalog.exists(name)
        expected = FORMATS[name](**options).read(path)
        check(catalog.load(name), expected.intervals, expected.features)
    assert catalog.load("facet").features.shape == (2, 1)


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("a.MAT", "", "covarep"),
        ("a.npy", "", "array"),
        ("a.npz", "", "array"),
        ("a.TextGrid", "", "textgrid"),
        ("a.csv", OPENFACE, "openface"),
        ("a.csv", "name;frameTime;F0\n", "opensmile"),
        ("a.csv", "name,frameTime,F0\n", "table"),
        ("a.txt", "0,WORD,0.1,0.2,3.1,3.2\n", "segment_words"),
        ("a.txt", "12, it's ,0,1e-1,3.1,3.2\n", "segment_words"),
        ("a.txt", "start,end,a,b,c,d\n", "table"),
        ("a.tsv", "start\tend\ta\n", "table"),
    ],
)
def test_sniffing(tmp_path: Path, name: str, text: str, format: str) -> None:
    assert sniff_format(written(tmp_path, name, text)) == format
    assert format in FORMATS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_sniffing_segments_in_every_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(end.join(["0,qué,0,1,0,1", "1,sí,1,2,1,2"]).encode(encoding))
    assert sniff_format(path) == "segment_words"
    assert SegmentWords().read(path).features.tolist() == ["qué", "sí"]


def test_sniffing_the_unknown(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found suffix '\.doc'; expected one of \.mat"):
        sniff_format(written(tmp_path, "a.doc", "x"))
    with pytest.raises(DataError, match="no such file"):
        sniff_format(tmp_path / "none.csv")
