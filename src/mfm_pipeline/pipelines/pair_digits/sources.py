"""The sets of images that are paired, from where a parameter says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.datasets.idx import read_labelled_images
from mfm_pipeline.datasets.library_samples import read_sample_digits, read_sample_photographs
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.datasets.svhn import read_svhn
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.blend import blend_over_photographs
from mfm_pipeline.features.pairs import halve_by_label
from mfm_pipeline.pipelines.pair_digits.options import ImageOptions, MnistDigests, Source


class CorpusKind(NamedTuple):
    """What the pairs of a source are called, and whether a modality of them was made."""

    name: str
    synthetic: bool


CORPORA: dict[Source, CorpusKind] = {
    "sklearn": CorpusKind("digits", synthetic=True),
    "mnist_blended": CorpusKind("blended_mnist", synthetic=True),
    "svhn_mnist": CorpusKind("svhn_mnist", synthetic=False),
}


def read_image_sets(
    mnist: RawFolder, svhn: RawFolder, options: ImageOptions
) -> dict[str, LabelledImages]:
    """Return two sets of images, by modality; see `read_digits`."""
    if options.source == "sklearn":
        return _with_blended(read_sample_digits(), "digits", options.seed)
    digits = _read_mnist(mnist, options.mnist_digests)
    if options.source == "mnist_blended":
        return _with_blended(digits, "mnist", options.seed)
    return {"mnist": digits, "svhn": _read_svhn(svhn, options)}


def _read_mnist(folder: RawFolder, digests: MnistDigests) -> LabelledImages:
    """Read the images for training and those for testing, together."""
    parts = [
        read_labelled_images(
            _find(folder, f"{stem}-images-idx3-ubyte", ".gz"),
            _find(folder, f"{stem}-labels-idx1-ubyte", ".gz"),
            *expected,
        )
        for stem, expected in (
            ("train", (digests.train_images, digests.train_labels)),
            ("t10k", (digests.test_images, digests.test_labels)),
        )
    ]
    return _together(parts, folder)


def _read_svhn(folder: RawFolder, options: ImageOptions) -> LabelledImages:
    """Read the images for training and those for testing, and the extra ones if wanted."""
    digests = {"train": options.svhn_digests.train, "test": options.svhn_digests.test}
    if options.extra:
        digests["extra"] = options.svhn_digests.extra
    parts = [
        read_svhn(_find(folder, f"{name}_32x32", ".mat"), digest)
        for name, digest in digests.items()
    ]
    return _together(parts, folder)


def _find(folder: RawFolder, stem: str, suffix: str) -> Path:
    """Return the file of that name, with or without suffix."""
    found = [*folder.matching(stem), *folder.matching(stem + suffix)]
    if not found:
        raise DataError(
            f"{folder.path}: found no {stem}{suffix}; expected the files that "
            "kedro run --pipeline=download --env=svhn_mnist (or blended_mnist) fetches"
        )
    return folder.path / found[0]


def _together(parts: list[LabelledImages], folder: RawFolder) -> LabelledImages:
    sizes = {part.images.shape[1:] for part in parts}
    if len(sizes) > 1:
        raise DataError(f"{folder.path}: found images of sizes {sorted(sizes)}; expected one size")
    return LabelledImages(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _with_blended(digits: LabelledImages, name: str, seed: int) -> dict[str, LabelledImages]:
    """Divide digits into two halves and blend those of the second over photographs.

    So no image is in both sets: a pair is of two different images, and images that are
    kept apart by splits do not come back in other colours.
    """
    plain, other = (
        LabelledImages(digits.images[rows], digits.labels[rows])
        for rows in halve_by_label(digits.labels, seed)
    )
    blended = blend_over_photographs(other.images, read_sample_photographs(), seed=seed)
    return {name: plain, "blended": LabelledImages(blended, other.labels)}
