"""Nodes of the `pair_digits` pipeline."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd

from mfm_pipeline.data import SPLIT_NAMES, Corpus, LabelledImages, Modality, Split, Targets
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.pairs import Pairs, pair_by_label
from mfm_pipeline.pipelines.pair_digits.options import ImageOptions, PairOptions
from mfm_pipeline.pipelines.pair_digits.sources import CORPORA, read_image_sets

logger = logging.getLogger(__name__)

#: Names of the classes.
DIGITS = tuple(map(str, range(10)))


def read_digits(
    mnist: RawFolder, svhn: RawFolder, images: ImageOptions, pairs: PairOptions | None = None
) -> Mapping[str, LabelledImages]:
    """Read, or make, the two sets of images that are paired.

    Parameters
    ----------
    mnist, svhn : RawFolder
        Looked at only if `images` names them as its source.
    images : ImageOptions
    pairs : PairOptions, optional
        What will be drawn: tried here, so that images that can't be paired so take no
        place of earlier ones.

    Returns
    -------
    dict of str to LabelledImages
        By modality.

    Raises
    ------
    DataError
        If a file is missing, or not what it has to be.
    ParameterError, DataError
        As `pair_digits`, with `pairs`.
    """
    sets = read_image_sets(mnist, svhn, images)
    if pairs is not None:
        _draw(sets, pairs)
    logger.info("digits.images.source: %s", images.source)
    for name, found in sets.items():
        channels, rows, columns = found.images.shape[1:]
        logger.info("%s: %s images, %d x %d x %d", name, f"{len(found):,}", channels, rows, columns)
    return sets


def pair_digits(image_sets: Mapping[str, LabelledImages], options: PairOptions) -> pd.DataFrame:
    """Draw pairs of images of the same digit.

    Returns
    -------
    DataFrame
        A row a pair: ``id``, ``split``, ``label``, and of each modality, in a column named
        like it, the row of the image.

    Raises
    ------
    ParameterError
        If a split would be empty.
    DataError
        If a set lacks a digit, or has too few images for the pairs asked for.
    """
    pairs = _draw(image_sets, options)
    _tell(pairs, options)
    return pd.DataFrame(
        {
            "id": np.char.mod("pair_%06d", np.arange(len(pairs))),
            "split": pairs.splits,
            "label": pairs.labels,
            **{name: pairs.rows[:, m] for m, name in enumerate(pairs.names)},
        }
    )


def build_corpus(
    image_sets: Mapping[str, LabelledImages], pairs: pd.DataFrame, images: ImageOptions
) -> Corpus:
    """Make a corpus of the pairs; all of them share the images, and none is copied.

    Raises
    ------
    DataError
        If the pairs are not of these images.
    """
    for name, found in image_sets.items():
        if name not in pairs or not _fits(found, pairs[name], pairs["label"]):
            raise DataError(
                f"pairs: {name}: found rows of other images; expected rows of these, with the "
                "pairs' labels (pair them again: --from-nodes=digits.pairing.pair_digits)"
            )
    corpus = CORPORA[images.source]
    splits = {split: _split(image_sets, pairs[pairs["split"] == split]) for split in SPLIT_NAMES}
    return Corpus(corpus.name, splits, synthetic=corpus.synthetic)


def _draw(image_sets: Mapping[str, LabelledImages], options: PairOptions) -> Pairs:
    return pair_by_label(
        {name: found.labels for name, found in image_sets.items()},
        classes=len(DIGITS),
        count=options.count,
        valid=options.valid,
        test=options.test,
        way=options.way,
        balance=options.balance,
        seed=options.seed,
    )


def _split(image_sets: Mapping[str, LabelledImages], pairs: pd.DataFrame) -> Split:
    present = np.ones(len(pairs), np.bool_)
    modalities = {
        name: Modality(found.images, present, rows=pairs[name].to_numpy(np.int64))
        for name, found in image_sets.items()
    }
    targets = Targets(pairs["label"].to_numpy(np.int64), DIGITS, "multiclass")
    return Split(modalities, targets, pairs["id"].to_numpy(np.str_))


def _fits(images: LabelledImages, rows: pd.Series[int], labels: pd.Series[int]) -> bool:
    inside = rows.between(0, len(images) - 1).all()
    return bool(inside and (images.labels[rows] == labels).all())


def _tell(pairs: Pairs, options: PairOptions) -> None:
    sizes = ", ".join(f"{name} {(pairs.splits == name).sum():,}" for name in SPLIT_NAMES)
    classes = options.balance.replace("_", " ")
    logger.info("%s pairs, classes %s: %s", f"{len(pairs):,}", classes, sizes)
    if options.way == "disjoint":
        logger.info("disjoint: no image is in two splits")
        return
    leaked = pairs.images_in_both("train", "test")
    told = ", ".join(f"{count:,} of {name}" for name, count in leaked.items())
    logger.info("as published: images both in train and in test: %s", told)
