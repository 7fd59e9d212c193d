from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from kedro.io.core import DatasetError

from mfm_pipeline.data import Corpus, LabelledImages, Modality, Split, Targets, Task
from mfm_pipeline.datasets import CorpusDataset
from mfm_pipeline.errors import DataError
from tests.conftest import MakeCorpus


def _split(n: int, task: Task, *, words: bool) -> Split:
    rng = np.random.default_rng(n)
    steps = rng.random((n, 4)) > 0.4
    steps[0] = False
    sequence = Modality(rng.normal(size=(n, 4, 3)).astype(np.float32), steps.any(axis=1), steps)
    image = Modality(rng.integers(0, 255, (n, 1, 5, 6), np.uint8), rng.random(n) > 0.5)
    values: dict[str, Any] = {
        "regression": rng.normal(size=(n, 2)).astype(np.float32),
        "multilabel": rng.integers(0, 2, (n, 2)).astype(np.float32),
        "multiclass": rng.integers(0, 2, n),
    }
    return Split(
        modalities={"visual": sequence, "image": image, "acoustic": sequence},
        targets=Targets(values[task], ("größe", "b"), task),
        ids=np.array([f"vidéo_{n}[{i}]" for i in range(n)]),
        words=np.where(steps, "naïve", "") if words else None,
    )


def _corpus(task: Task = "regression", *, words: bool = True) -> Corpus:
    splits = {
        name: _split(n, task, words=words) for name, n in [("train", 5), ("valid", 3), ("test", 4)]
    }
    counts = {"segments without words": 3, "words dropped (shorter than 1e-05 s)": 1}
    # More names than fit into an attribute of an HDF5 file.
    features = {"visual": tuple("ü" * 20_000 + str(i) for i in range(3))}
    return Corpus("sample", splits, True, ("language",), counts, features)


def _assert_same(found: Corpus, expected: Corpus) -> None:
    for name in ("name", "synthetic", "left_out", "counts", "features"):
        assert getattr(found, name) == getattr(expected, name)
    for key, split in expected.splits.items():
        other = found.splits[key]
        assert list(other.modalities) == list(split.modalities)
        np.testing.assert_array_equal(other.ids, split.ids)
        assert (other.words is None) == (split.words is None)
        if split.words is not None:
            np.testing.assert_array_equal(other.words, split.words)
        assert (other.targets.names, other.targets.task) == (
            split.targets.names,
            split.targets.task,
        )
        np.testing.assert_array_equal(other.targets.values, split.targets.values)
        for modality, values in split.modalities.items():
            for part in ("values", "present", "steps", "rows"):
                np.testing.assert_array_equal(
                    getattr(other.modalities[modality], part), getattr(values, part)
                )


@pytest.mark.parametrize("task", ["regression", "multiclass", "multilabel"])
@pytest.mark.parametrize("words", [True, False])
def test_everything_survives(task: Task, words: bool, tmp_path: Path) -> None:
    dataset = CorpusDataset(filepath=str(tmp_path / "x" / "corpus.h5"))
    assert not dataset.exists()
    dataset.save(_corpus(task, words=words))
    assert dataset.exists()
    _assert_same(dataset.load(), _corpus(task, words=words))


def _paired_corpus() -> Corpus:
    """Return a corpus of pairs from two sets of images, which all splits share."""
    rng = np.random.default_rng(0)
    left, right = (rng.integers(0, 255, (6, c, 4, 3), np.uint8) for c in (1, 3))

    def split(name: str, n: int) -> Split:
        rows = rng.integers(0, 6, (2, n))
        present = rng.random(n) > 0.3
        modalities = {
            "left": Modality(left, present, rows=rows[0]),
            "right": Modality(right, np.ones(n, bool), rows=rows[1]),
        }
        targets = Targets(rng.integers(0, 2, n), ("a", "b"), "multiclass")
        return Split(modalities, targets, np.array([f"{name}_{i}" for i in range(n)]))

    return Corpus("pairs", {n: split(n, k) for n, k in [("train", 9), ("valid", 2), ("test", 4)]})


def test_shared_images_are_stored_and_read_once(tmp_path: Path) -> None:
    dataset = CorpusDataset(filepath=str(tmp_path / "corpus.h5"))
    dataset.save(_paired_corpus())
    found = dataset.load()
    _assert_same(found, _paired_corpus())
    for name in ("left", "right"):
        sets = {id(split.modalities[name].values) for split in found.splits.values()}
        assert len(sets) == 1
    with h5py.File(tmp_path / "corpus.h5") as file:
        assert sorted(file["images"]) == ["0", "1"]


def test_selected_pairs_share_their_images() -> None:
    train = _paired_corpus().train
    chosen = train.select(np.array([3, 0]))
    for name, modality in train.modalities.items():
        assert modality.rows is not None
        other = chosen.modalities[name]
        assert other.values is modality.values
        np.testing.assert_array_equal(other.rows, modality.rows[[3, 0]])
        np.testing.assert_array_equal(other.present, modality.present[[3, 0]])


@pytest.mark.parametrize(
    ("shape", "rows", "message"),
    [
        ((2, 1, 2, 2), np.array([0, 2]), "rows reach from 0 to 2; expected 0 .. 1"),
        ((2, 1, 2, 2), np.array([-1, 0]), "rows reach from -1 to 0; expected 0 .. 1"),
        ((2, 1, 2, 2), np.zeros(2), "rows are float64"),
        ((2, 1, 2, 2), np.array([0, 1, 1]), r"shape \(2,\); expected bool of shape \(3,\)"),
        ((2, 3, 4), np.array([0, 1]), "a sequence has rows"),
    ],
)
def test_rows_that_are_not_of_an_image_are_refused(
    shape: tuple[int, ...], rows: Any, message: str
) -> None:
    values = np.zeros(shape, np.uint8 if len(shape) == 4 else np.float32)
    with pytest.raises(DataError, match=message):
        Modality(values, np.ones(2, bool), rows=rows)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 1, 2, 2)), np.zeros(2, np.int64), "images are float64"),
        (np.zeros((2, 2, 2), np.uint8), np.zeros(2, np.int64), r"of shape \(2, 2, 2\)"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(3, np.int64), r"labels are int64 .*\(3,\)"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.array([0, -1]), "a label is -1"),
    ],
)
def test_labelled_images_that_disagree_are_refused(images: Any, labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        LabelledImages(images, labels)


@pytest.fixture
def dataset(tmp_path: Path) -> CorpusDataset:
    dataset = CorpusDataset(filepath=str(tmp_path / "corpus.h5"))
    dataset.save(_corpus())
    return dataset


def _load_error(dataset: CorpusDataset) -> str:
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    assert isinstance(caught.value.__cause__, DataError)
    return str(caught.value.__cause__)


@pytest.mark.parametrize("version", [3, "4", None])
def test_another_version_is_refused(
    version: object, dataset: CorpusDataset, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "corpus.h5", "a") as file:
        del file.attrs["schema_version"]
        if version is not None:
            file.attrs["schema_version"] = version
    assert f"corpus.h5: schema_version: found {version}; expected 4" in _load_error(dataset)


def test_damage_is_refused(dataset: CorpusDataset, tmp_path: Path) -> None:
    path = tmp_path / "corpus.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert "truncated" in _load_error(dataset)
    path.write_bytes(b"nonsense")
    assert "not an HDF5 file" in _load_error(dataset)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file["test/modalities/visual/steps"][0, 0] = True
    assert "corpus.h5: the step mask is set in a sample" in _load_error(dataset)
    with h5py.File(path, "a") as file:
        del file["test/modalities/visual"]
    assert "/test/modalities/visual: missing" in _load_error(dataset)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"visual": ("a", "b")}, r"'visual': found 2 names and shape \(3,\)"),
        ({"image": ("a",)}, r"'image': found 1 names and shape \(1, 5, 6\)"),
        ({"language": ("a",)}, "'language': found 1 names and no such modality"),
    ],
)
def test_names_that_are_not_one_a_column_are_refused(features: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"corpus sample: features of {message}"):
        replace(_corpus(), features=features)


def test_a_failed_save_leaves_the_old_file(dataset: CorpusDataset, tmp_path: Path) -> None:
    bad = _corpus()
    object.__setattr__(bad.splits["test"].targets, "values", np.array([object()]))
    with pytest.raises(DatasetError):
        dataset.save(replace(bad, name="other"))
    _assert_same(dataset.load(), _corpus())
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus.h5"]


def test_new_data_without_labels_survives_with_what_was_generated_and_done(
    dataset: CorpusDataset, make_corpus: MakeCorpus
) -> None:
    test = make_corpus().test
    made = ~test.modalities["visual"].present
    modalities = dict(test.modalities)
    modalities["visual"] = replace(modalities["visual"], generated=made)
    split = replace(test, modalities=modalities, targets=Targets.unknown(len(test)))
    done = {"scaling": {"clip": 2.0}}
    dataset.save(Corpus("mine", {"new": split}, preparation=done))
    found = dataset.load()
    assert list(found.splits) == ["new"] and found.preparation == done
    assert found.splits["new"].targets.names == ()
    visual = found.splits["new"].modalities["visual"]
    np.testing.assert_array_equal(visual.generated, made)
    np.testing.assert_array_equal(visual.select(slice(3, 9)).generated, made[3:9])
    assert found.splits["new"].modalities["language"].generated is None
    with pytest.raises(DataError, match="found split 'new' alone; expected 'train' beside it"):
        _ = found.train
