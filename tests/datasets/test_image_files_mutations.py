"""Whatever is done to a file of images: images, or the project's error."""

from __future__ import annotations

import gzip
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.datasets import ImageSetsDataset
from mfm_pipeline.datasets.idx import read_labelled_images
from mfm_pipeline.datasets.svhn import read_svhn
from mfm_pipeline.errors import DataError
from tests.datasets.image_files import write_idx, write_svhn

pytestmark = [pytest.mark.mutations, pytest.mark.filterwarnings("error")]
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

RNG = np.random.default_rng(0)
LABELS = np.array([1, 9, 5])


def _read_sets(path: Path) -> LabelledImages:
    found = ImageSetsDataset.load.__wrapped__(ImageSetsDataset(filepath=str(path)))
    return next(iter(found.values()), LabelledImages(np.zeros((0, 1, 1, 1), np.uint8), LABELS[:0]))


READERS: dict[str, Callable[[Path], LabelledImages]] = {
    "plain.idx": lambda path: read_labelled_images(path, path.with_name("labels")),
    "packed.idx": lambda path: read_labelled_images(path, path.with_name("labels")),
    "labels.idx": lambda path: read_labelled_images(path.with_name("plain.idx"), path),
    "plain.mat": read_svhn,
    "packed.mat": read_svhn,
    "sets.h5": _read_sets,
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    pixels = RNG.integers(0, 256, (3, 4, 5))
    images = RNG.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("labels", "labels.idx"):
            write_idx(folder / file, LABELS)
        write_idx(folder / "plain.idx", pixels)
        write_idx(folder / "packed.idx", pixels, packed=True)
        write_svhn(folder / "plain.mat", images, LABELS[:, None], packed=False)
        write_svhn(folder / "packed.mat", images, LABELS[:, None], packed=True)
        ImageSetsDataset(filepath=str(folder / "sets.h5")).save(
            {"a": LabelledImages(images, LABELS)}
        )
        yield folder


def read(source: str, path: Path) -> None:
    try:
        found = READERS[source](path)
    except DataError as error:
        assert str(path.parent) in str(error) and len(str(error).splitlines()) == 1
        return
    assert found.images.dtype == np.uint8 and found.images.ndim == 4
    assert found.labels.dtype == np.int64 and len(found.labels) == len(found.images)
    if source != "sets.h5":
        assert ((found.labels >= 0) & (found.labels < 10)).all()


@pytest.mark.parametrize("source", READERS)
def test_unchanged(folder: Path, source: str) -> None:
    assert READERS[source](folder / source).labels.tolist() == [1, 9, 5]


@pytest.mark.parametrize("source", READERS)
@relaxed
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1) | st.floats(0, 0.05), st.integers(0, 255)), max_size=8
    ),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_changed_bytes(
    folder: Path, source: str, changes: list[tuple[float, int]], cut: float | None
) -> None:
    content = bytearray((folder / source).read_bytes())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    path = folder / f"mutated_{source}"
    path.write_bytes(content if cut is None else content[: int(cut * len(content))])
    read(source, path)


WORDS = st.sampled_from([0, 1, 2, 3, 4, 5, 2**31, 2**32 - 1, 0x0801, 0x0803]) | st.integers(
    0, 2**32 - 1
)


@relaxed
@given(words=st.lists(WORDS, max_size=5), rest=st.binary(max_size=80), packed=st.booleans())
def test_made_up_idx(folder: Path, words: list[int], rest: bytes, packed: bool) -> None:
    content = struct.pack(f">{len(words) + 1}I", 0x0803, *words) + rest
    path = folder / "made_up.idx"
    path.write_bytes(gzip.compress(content) if packed else content)
    read("plain.idx", path)


@relaxed
@given(
    packed=st.booleans(),
    words=st.lists(
        st.tuples(
            st.integers(0, 40),
            st.sampled_from([0, 1, 2, 3, 5, 6, 9, 14, 15, 32, 2**16 + 1]) | WORDS,
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_changed_words_of_svhn(folder: Path, packed: bool, words: list[tuple[int, int]]) -> None:
    """Types, sizes and shapes are words of four bytes."""
    content = (folder / "plain.mat").read_bytes()
    header, body = content[:128], bytearray(content[128:])
    for place, word in words:
        struct.pack_into("<I", body, 4 * place, word)
    if packed:
        squeezed = zlib.compress(bytes(body))
        body = bytearray(struct.pack("<II", 15, len(squeezed)) + squeezed)
    path = folder / "words.mat"
    path.write_bytes(header + bytes(body))
    read("plain.mat", path)
