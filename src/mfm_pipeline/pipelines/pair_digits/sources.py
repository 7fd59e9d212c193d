"""The sets of images that are paired, from where a parameter says."""

from __future__ import annotations

from typing import NamedTuple

from mfm_pipeline.data import LabelledImages
from mfm_pipeline.datasets.library_samples import read_sample_digits, read_sample_photographs
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.features.blend import blend_over_photographs
from mfm_pipeline.features.pairs import halve_by_label
from mfm_pipeline.pipelines.pair_digits.options import ImageOptions, Source


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
    return _with_blended(read_sample_digits(), "digits", options.seed)


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
