"""The pipeline of pairs: its corpus, its sources, its parameters, and what it says."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro.validation.parameter_validator import ParameterValidator
from sklearn.datasets import load_digits

from mfm_pipeline.config import ConfigLoader
from mfm_pipeline.data import SPLIT_NAMES, Corpus, LabelledImages
from mfm_pipeline.datasets import CorpusDataset, ImageSetsDataset, RawFolder, WholeParquetDataset
from mfm_pipeline.datasets.raw_folder import RawFolderDataset
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.pipelines.pair_digits import create_pipeline
from mfm_pipeline.pipelines.pair_digits.nodes import build_corpus, pair_digits, read_digits
from mfm_pipeline.pipelines.pair_digits.options import ImageOptions, PairOptions
from mfm_pipeline.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT, SHARED_DATA, kedro_run
from tests.datasets.image_files import FREE, write_idx, write_raw

NOTHING = RawFolder(Path("none"), ())


def options(source: str = "sklearn", **values: Any) -> ImageOptions:
    return ImageOptions.model_validate({"source": source, **values})


@pytest.fixture(scope="module")
def sets() -> dict[str, LabelledImages]:
    return dict(read_digits(NOTHING, NOTHING, options()))


def pairs_of(sets: Any, **values: Any) -> pd.DataFrame:
    defaults = {"count": 200, "valid": 0.1, "test": 0.2}
    return pair_digits(sets, PairOptions.model_validate(defaults | values))


def test_nodes_one_by_one(tmp_path: Path) -> None:
    catalog = DataCatalog(
        {
            "digits.raw_mnist": RawFolderDataset(path=str(tmp_path / "mnist"), required=False),
            "digits.raw_svhn": RawFolderDataset(path=str(tmp_path / "svhn"), required=False),
            "params:digits.images": MemoryDataset(options()),
            "params:digits.pairs": MemoryDataset(PairOptions(count=200, valid=0.1, test=0.2)),
            "digits.image_sets": ImageSetsDataset(filepath=str(tmp_path / "images.h5")),
            "digits.pairs": WholeParquetDataset(filepath=str(tmp_path / "pairs.parquet")),
            "digits.corpus": CorpusDataset(filepath=str(tmp_path / "corpus.h5")),
        }
    )
    pipeline = create_pipeline()
    assert {node.name for node in pipeline.nodes} == {
        f"digits.pairing.{name}" for name in ("read_digits", "pair_digits", "build_corpus")
    }
    for node in pipeline.nodes:
        SequentialRunner().run(pipeline.only_nodes(node.name), catalog)
    corpus, pairs = catalog.load("digits.corpus"), catalog.load("digits.pairs")
    assert list(pairs) == ["id", "split", "label", "digits", "blended"]
    assert pairs["id"].tolist() == [f"pair_{n:06}" for n in range(200)]
    _check_corpus(corpus, pairs, catalog.load("digits.image_sets"))
    assert corpus.synthetic and corpus.label == "digits (synthetic data)"
    for name in ("digits", "blended"):
        kept = [split.modalities[name].values for split in corpus.splits.values()]
        assert kept[0] is kept[1] is kept[2]


def _check_corpus(corpus: Corpus, pairs: pd.DataFrame, sets: Any) -> None:
    """Compare sample by sample with the table and the images."""
    assert sum(len(split) for split in corpus.splits.values()) == len(pairs)
    table = pairs.set_index("id")
    for split_name, split in corpus.splits.items():
        assert split.targets.names == tuple("0123456789")
        for i, identifier in enumerate(split.ids):
            row = table.loc[identifier]
            assert row["split"] == split_name
            assert split.targets.values[i] == row["label"]
            for name, modality in split.modalities.items():
                assert modality.present[i] and modality.rows is not None
                assert sets[name].labels[modality.rows[i]] == row["label"]
                assert modality.rows[i] == row[name]


def test_blended_digits_are_others_of_the_same_label(sets: dict[str, LabelledImages]) -> None:
    found = load_digits()
    library = np.rint(found.images * (255 / 16)).astype(int)
    plain = {image.tobytes() for image in sets["digits"].images}
    assert len(sets["digits"]) + len(sets["blended"]) == len(library)
    rest = [image for image in library.astype(np.uint8) if image.tobytes() not in plain]
    assert len(rest) == len(sets["blended"])
    np.testing.assert_array_equal(
        np.bincount(sets["digits"].labels) + np.bincount(sets["blended"].labels),
        np.bincount(found.target),
    )
    assert sets["blended"].images.shape[1:] == (3, 8, 8)


def test_what_is_said(sets: dict[str, LabelledImages], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pairs_of(sets)
    assert caplog.messages == [
        "200 pairs, classes balanced: train 140, valid 20, test 40",
        "disjoint: no image is in two splits",
    ]
    caplog.clear()
    pairs = pairs_of(sets, way="as_published", balance="as_they_come", count=2000)
    both = [
        len(
            set(pairs[name][pairs["split"] == "train"]) & set(pairs[name][pairs["split"] == "test"])
        )
        for name in ("digits", "blended")
    ]
    assert caplog.messages == [
        "2,000 pairs, classes as they come: train 1,400, valid 200, test 400",
        f"as published: images both in train and in test: {both[0]} of digits, {both[1]} of "
        "blended",
    ]
    assert min(both) > 100


@pytest.mark.parametrize(
    "change",
    [
        lambda pairs: pairs.assign(label=(pairs["label"] + 1) % 10),
        lambda pairs: pairs.assign(blended=pairs["blended"] + 10_000),
        lambda pairs: pairs.assign(blended=pairs["blended"] - 10_000),
        lambda pairs: pairs.rename(columns={"blended": "svhn"}),
    ],
)
def test_pairs_of_other_images_are_refused(
    sets: dict[str, LabelledImages], change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    with pytest.raises(DataError, match=r"found rows of other images; .*\(pair them again"):
        build_corpus(sets, change(pairs_of(sets)), options())


# Real files, or of their layout.


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RawFolder]:
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder)
    return _folders(folder)


def _folders(folder: Path) -> dict[str, RawFolder]:
    return {
        name: RawFolderDataset(path=str(folder / name), required=False).load()
        for name in ("mnist", "svhn")
    }


@pytest.mark.parametrize("extra", [False, True])
def test_svhn_and_mnist_are_pooled_and_paired(raw: dict[str, RawFolder], extra: bool) -> None:
    images = options("svhn_mnist", extra=extra, **FREE)
    sets = read_digits(**raw, images=images)
    assert {name: found.images.shape for name, found in sets.items()} == {
        "mnist": (90, 1, 28, 28),
        "svhn": (110 if extra else 90, 3, 32, 32),
    }
    for found in sets.values():  # The label of row i of each file is i mod 10.
        np.testing.assert_array_equal(found.images[:, 0, 0, 1] % 10, found.labels)
    files = np.unique(sets["svhn"].images[:, 0, 0, 0], return_counts=True)[1]
    assert files.tolist() == [40, 50, 20][: 2 + extra]
    pairs = pairs_of(sets, count=60, valid=0.15)
    corpus = build_corpus(sets, pairs, images)
    _check_corpus(corpus, pairs, sets)
    assert not corpus.synthetic and corpus.name == "svhn_mnist"


def test_mnist_and_its_blended_half(raw: dict[str, RawFolder]) -> None:
    images = options("mnist_blended", **FREE)
    sets = read_digits(raw["mnist"], NOTHING, images)
    assert {name: found.images.shape for name, found in sets.items()} == {
        "mnist": (50, 1, 28, 28),
        "blended": (40, 3, 28, 28),
    }
    corpus = build_corpus(sets, pairs_of(sets, count=60, test=0.1), images)
    assert corpus.synthetic and corpus.name == "blended_mnist"
    other = read_digits(raw["mnist"], NOTHING, options("mnist_blended", seed=1, **FREE))
    for name, found in sets.items():
        assert (found.images != other[name].images).any()


def test_real_mnist_is_paired() -> None:
    folder = SHARED_DATA / "mnist"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    images = options("mnist_blended")
    sets = read_digits(RawFolderDataset(path=str(folder)).load(), NOTHING, images)
    assert sum(map(len, sets.values())) == 70_000
    pairs = pair_digits(sets, PairOptions())
    sizes = {name: int((pairs["split"] == name).sum()) for name in SPLIT_NAMES}
    assert sizes == {"train": 80_000, "valid": 5_000, "test": 15_000}
    assert (pairs.groupby("split")["label"].value_counts().unstack().nunique(axis=1) == 1).all()
    for name, found in sets.items():
        assert (found.labels[pairs[name]] == pairs["label"]).all()
        assert pairs.groupby(name)["split"].nunique().max() == 1
    assert not pairs.duplicated(["mnist", "blended"]).any()
    corpus = build_corpus(sets, pairs, images)
    assert corpus.train.modalities["mnist"].values is sets["mnist"].images


@pytest.mark.parametrize(
    ("change", "values", "said"),
    [
        (None, {}, "train-images-idx3-ubyte.gz: unpacked: found digest md5:"),
        (None, {"mnist_digests": FREE["mnist_digests"]}, "svhn/train_32x32.mat: found digest md5"),
        ("mnist/train-labels-idx1-ubyte", FREE, "mnist: found no train-labels-idx1-ubyte.gz"),
        ("svhn/extra_32x32.mat", FREE, "svhn: found no extra_32x32.mat; expected the files that"),
    ],
)
def test_files_that_are_missing_or_others(
    tmp_path: Path, change: str | None, values: dict[str, Any], said: str
) -> None:
    write_raw(tmp_path)
    raw = _folders(tmp_path)
    if change:
        place, name = change.split("/")
        raw[place] = RawFolder(raw[place].path, tuple(f for f in raw[place].files if f != name))
    with pytest.raises(DataError, match=re.escape(said)):
        read_digits(**raw, images=options("svhn_mnist", extra=True, **values))


def test_parts_of_different_sizes(tmp_path: Path) -> None:
    write_raw(tmp_path)
    raw = _folders(tmp_path)
    write_idx(tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz", np.zeros((30, 8, 8)))
    with pytest.raises(DataError, match=r"found images of sizes \[\(1, 8, 8\), \(1, 28, 28\)\]"):
        read_digits(**raw, images=options("mnist_blended", **FREE))


# Parameters.


@pytest.mark.parametrize(
    ("environment", "source", "count"),
    [
        (None, "sklearn", 6000),
        ("svhn_mnist", "svhn_mnist", 100_000),
        ("blended_mnist", "mnist_blended", 100_000),
    ],
)
def test_kedro_checks_the_parameters(environment: str | None, source: str, count: int) -> None:
    loader = ConfigLoader(ROOT / "conf", environment, **CONFIG_LOADER_ARGS)
    parameters = loader["parameters"]
    checked = ParameterValidator({"x": create_pipeline()}).validate_raw_params(parameters)
    images, pairs = checked["digits"]["images"], checked["digits"]["pairs"]
    assert isinstance(images, ImageOptions) and isinstance(pairs, PairOptions)
    assert images.source == source and pairs.count == count and pairs.way == "disjoint"
    # What is written in conf/base is what the code has where nothing is said.
    assert images == options(source)
    corpus = environment or "sample"
    for name, entry in loader["catalog"].items():
        if name.startswith("digits.") and "filepath" in entry:
            assert f"/{corpus}/digits/" in entry["filepath"]


@pytest.mark.parametrize(
    ("model", "values", "said"),
    [
        (ImageOptions, {"source": "mnist"}, "source is 'mnist'"),
        (ImageOptions, {"svhn_digests": {"train": "e26d"}}, "svhn_digests: train is 'e26d'"),
        (ImageOptions, {"seed": -1}, "seed is -1"),
        (PairOptions, {"count": 2}, "count is 2"),
        (PairOptions, {"valid": 0}, "valid is 0"),
        (PairOptions, {"valid": 0.5, "test": 0.5}, "valid and test are 0.5 and 0.5"),
        (PairOptions, {"way": "both"}, "way is 'both'"),
        (PairOptions, {"balance": True}, "balance is True"),
    ],
)
def test_wrong_options(model: Any, values: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(said)):
        model.model_validate(values)


def test_the_command(
    make_project: Callable[[], Path], finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    shutil.copy(finished / "mlflow.db", project)  # A new one takes ten seconds.
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = kedro_run("--pipeline=pair_digits", "--params=digits.pairs.count=300")
    assert result.exit_code == 0, result.output
    assert "digits.images.source: sklearn" in result.output
    corpus = CorpusDataset(filepath="data/05_model_input/sample/digits/corpus.h5").load()
    assert {name: len(split) for name, split in corpus.splits.items()} == {
        "train": 210,
        "valid": 30,
        "test": 60,
    }
    before = _files(Path("data"))
    assert Path("data/02_intermediate/sample/digits/images.h5") in before
    # Other images, of which there are too few pairs: nothing of the first run is touched.
    result = kedro_run(
        "--pipeline=pair_digits", "--params=digits.pairs.count=30000,digits.images.seed=1"
    )
    assert result.exit_code == 1 and "that exist" in result.output
    assert _files(Path("data")) == before


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
