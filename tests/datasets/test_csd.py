import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from kedro.io.core import DatasetError

from mfm_pipeline.datasets import ComputationalSequence, ComputationalSequenceDataset, Track
from mfm_pipeline.datasets.csd import SequenceReader, read_sequence, write_sequence
from mfm_pipeline.datasets.track import video_of
from mfm_pipeline.errors import DataError
from tests.datasets.sequences import covarep, frames, words


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.csd"
    write_sequence(path, covarep())
    return path


@pytest.mark.parametrize("sequence", [covarep(), words()], ids=["numbers", "words"])
def test_what_is_written_is_read(sequence: ComputationalSequence, tmp_path: Path) -> None:
    dataset = ComputationalSequenceDataset(filepath=str(tmp_path / "x" / "a.csd"))
    assert not dataset.exists()
    dataset.save(sequence)
    found = dataset.load()
    assert dataset.exists()
    assert (found.name, found.metadata) == (sequence.name, sequence.metadata)
    assert list(found.entries) == list(sequence.entries)
    for key, (intervals, features) in sequence.entries.items():
        np.testing.assert_array_equal(found.entries[key].intervals, intervals)
        np.testing.assert_array_equal(found.entries[key].features, features)
        assert found.entries[key].features.dtype.kind == features.dtype.kind


def test_the_layout_is_that_of_published_files(tmp_path: Path) -> None:
    write_sequence(tmp_path / "w.csd", words())
    with h5py.File(tmp_path / "w.csd") as file:
        assert list(file) == ["words"]
        assert set(file["words"]) == {"data", "metadata"}
        features = file["words/data/a/features"]
        assert features.shape == (3, 1) and features.dtype.kind == "S"
        assert file["words/data/a/intervals"].shape == (3, 2)
    write_sequence(tmp_path / "n.csd", covarep())
    with h5py.File(tmp_path / "n.csd") as file:
        stored = file["COVAREP/metadata/root name"]
        assert stored.shape == (1,) and json.loads(stored[0]) == "COVAREP"


def test_files_written_by_others_are_read(tmp_path: Path) -> None:
    """Compressed, float64 features, one column without its axis, metadata of several kinds."""
    with h5py.File(tmp_path / "o.csd", "w") as file:
        data = file.create_group("Opinion_Labels/data")
        data["v/intervals"] = np.array([[1, 2], [0, 1]])
        data.create_dataset("v/features", data=np.array([1.5, -2.0]), compression="gzip")
        data["empty/intervals"] = np.zeros((0, 2))
        data["empty/features"] = np.zeros((0, 7))
        file["Opinion_Labels/metadata/creator"] = [b'"me"']
        file["Opinion_Labels/metadata/contact"] = [b"no JSON"]
    found = read_sequence(tmp_path / "o.csd")
    assert list(found.entries) == ["v"]
    np.testing.assert_array_equal(found.entries["v"].features, [[1.5], [-2.0]])
    assert found.metadata == {"creator": "me", "contact": "no JSON"}


def test_videos_are_listed_with_their_segments(path: Path) -> None:
    with SequenceReader(path) as reader:
        assert (reader.kind, reader.width) == ("numbers", 3)
        assert reader.lengths == {"a": 5, "b": 3, "c[0]": 2}
        assert reader.videos == {"a": ["a"], "b": ["b"], "c": ["c[0]"]}
        assert len(reader.read_video("c").features) == 2
    assert [video_of(key) for key in ("a", "a[12]", "[3]", "a[x]")] == ["a", "a", "[3]", "a[x]"]


def test_segments_of_a_video_are_read_behind_each_other(tmp_path: Path) -> None:
    first, second = frames(2), frames(3, seed=5)
    sequence = ComputationalSequence("s", {"v[0]": first, "v[1]": second})
    write_sequence(tmp_path / "s.csd", sequence)
    with SequenceReader(tmp_path / "s.csd") as reader:
        found = reader.read_video("v")
    np.testing.assert_array_equal(found.features, np.concatenate([first[1], second[1]]))


def test_a_failed_write_leaves_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    broken = ComputationalSequence("x", {"a": Track(np.zeros((2, 2)), np.zeros((3, 1)))})
    with pytest.raises(DataError, match=r"a\.csd: video 'a'"):
        write_sequence(path, broken)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["a.csd"]


def test_kedro_keeps_the_error_as_the_cause(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        ComputationalSequenceDataset(filepath=str(tmp_path / "none.csd")).load()
    assert isinstance(caught.value.__cause__, DataError)


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path, path: Path) -> None:
    whole = path.read_bytes()
    for content, message in [
        (b"", r"empty file \(0 bytes\)"),
        (b"PK\x03\x04 a zip", "not an HDF5 file: found b'PK"),
        (whole[:-200], "truncated"),
        (whole[: len(whole) // 2], "truncated"),
    ]:
        broken = tmp_path / "broken.csd"
        broken.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            SequenceReader(broken)
        assert "broken.csd" in str(caught.value) and "\n" not in str(caught.value)


def _replace(group: h5py.Group, name: str, value: Any) -> None:
    del group[name]
    if value is not None:
        group[name] = value


def _bomb(group: h5py.Group) -> None:
    del group["features"]
    group.create_dataset("features", shape=(2**34, 3), dtype="f4", chunks=(4096, 3))


def _virtual(group: h5py.Group) -> None:
    del group["features"]
    layout = h5py.VirtualLayout(shape=(5, 3), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(5, 3))
    group.create_virtual_dataset("features", layout)


def _stored_outside(group: h5py.Group) -> None:
    del group["features"]
    external = [("/etc/passwd", 0, 5 * 3 * 4)]
    group.create_dataset("features", shape=(5, 3), dtype="f4", external=external)


BROKEN = {
    "no data": (lambda f: f.move("COVAREP/data", "COVAREP/date"), "data: missing; found 'date'"),
    "two roots": (lambda f: f.create_group("other"), "2 top-level groups"),
    "no root": (lambda f: _replace(f, "COVAREP", None), "0 top-level groups"),
    "root is no group": (lambda f: _replace(f, "COVAREP", [1]), "no group"),
    "no videos": (
        lambda f: [_replace(f["COVAREP/data"], key, None) for key in ("a", "b", "c[0]")],
        "no video with frames",
    ),
    "video is no group": (
        lambda f: _replace(f["COVAREP/data"], "a", [1]),
        "data/a: found no group",
    ),
    "no intervals": (
        lambda f: _replace(f["COVAREP/data/a"], "intervals", None),
        "data/a/intervals: missing; found 'features'",
    ),
    "no features": (lambda f: _replace(f["COVAREP/data/a"], "features", None), "features: missing"),
    "lengths": (
        lambda f: _replace(f["COVAREP/data/a"], "features", np.zeros((4, 3))),
        "video 'a': found 5 intervals and 4 features",
    ),
    "width": (
        lambda f: _replace(f["COVAREP/data/b"], "features", np.zeros((3, 4))),
        "video 'b', features: found 4 .* expected 3 .* as in video 'a'",
    ),
    "interval shape": (
        lambda f: _replace(f["COVAREP/data/a"], "intervals", np.zeros((5, 3))),
        r"video 'a', intervals: found float64 of shape \(5, 3\)",
    ),
    "interval not finite": (
        lambda f: f["COVAREP/data/a/intervals"].__setitem__((2, 1), np.nan),
        r"video 'a', intervals: found \[0.2, nan\] in row 2",
    ),
    "no columns": (
        lambda f: _replace(f["COVAREP/data/a"], "features", np.zeros((5, 0))),
        "found 0 columns",
    ),
    "scalar": (lambda f: _replace(f["COVAREP/data/a"], "features", 1.0), r"shape \(\)"),
    "no shape": (
        lambda f: _replace(f["COVAREP/data/a"], "features", h5py.Empty("f4")),
        "found no shape",
    ),
    "complex": (
        lambda f: _replace(f["COVAREP/data/a"], "features", np.zeros((5, 3), complex)),
        "expected numbers",
    ),
    "records": (
        lambda f: _replace(f["COVAREP/data/a"], "features", np.zeros((5, 1), "f4,i4")),
        "expected numbers",
    ),
    "references": (
        lambda f: _replace(
            f["COVAREP/data/a"], "features", np.full((5, 1), f.ref, dtype=h5py.ref_dtype)
        ),
        "expected numbers",
    ),
    "variable length": (
        lambda f: _replace(
            f["COVAREP/data/a"], "features", np.array(["x"] * 5, dtype=h5py.string_dtype())
        ),
        "expected numbers",
    ),
    "soft link": (
        lambda f: _replace(f["COVAREP/data/a"], "features", h5py.SoftLink("/COVAREP/data/b")),
        "found a link",
    ),
    "external link": (
        lambda f: _replace(f["COVAREP/data"], "a", h5py.ExternalLink("/etc/passwd", "/")),
        "found a link",
    ),
    "bomb": (lambda f: _bomb(f["COVAREP/data/a"]), "of which the file stores 0"),
    "virtual": (lambda f: _virtual(f["COVAREP/data/a"]), "stored elsewhere"),
    "external storage": (lambda f: _stored_outside(f["COVAREP/data/a"]), "stored elsewhere"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_structure_is_one_clear_error(name: str, path: Path) -> None:
    damage, message = BROKEN[name]
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(DataError, match=message) as caught:
        read_sequence(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_strings_end(path: Path) -> None:
    """HDF5 2.0 loops for ever on a string heap with free space of size 0; this must not."""
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_sequence(path)
    with SequenceReader(path) as reader:  # The data does not depend on it.
        assert len(reader.read("a").features) == 5
