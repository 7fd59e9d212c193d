"""Nodes of the `ingest_features` pipeline."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.features import scale, select
from mfm_pipeline.features.preparation import Preparation
from mfm_pipeline.features.scale import Scaling
from mfm_pipeline.features.select import ModalitySelection, Selection
from mfm_pipeline.ingestion.choose import choose_form, tell_form
from mfm_pipeline.ingestion.embed import looked_up
from mfm_pipeline.ingestion.options import IngestionOptions, ScalingOptions, SelectionOptions
from mfm_pipeline.ingestion.parts import Parts
from mfm_pipeline.ingestion.prepared import ingest_prepared
from mfm_pipeline.ingestion.raw import ingest_raw, vectors_of_words
from mfm_pipeline.ingestion.report import make_report
from mfm_pipeline.ingestion.tell import tell_data
from mfm_pipeline.plots import choose_sample, plot_aligned_sample, plot_data

logger = logging.getLogger(__name__)

#: Names in one line of the log.
_SHOWN = 20


def embed_words(
    raw: RawFolder, vectors: RawFolder, parts: Path, ingestion: IngestionOptions
) -> pd.DataFrame:
    """Read the vectors of the corpus's words, where language comes from words.

    Parameters
    ----------
    raw : RawFolder
    vectors : RawFolder
        Where word vectors lie that several corpora share.
    parts : Path
        Folder of what is known of each video.
    ingestion : IngestionOptions

    Returns
    -------
    DataFrame
        A row a word, float32; empty where words are not looked up.

    Raises
    ------
    DataError
        If a file is not what it has to be, or has none of the words.
    """
    if looked_up(raw, ingestion) is None or choose_form(raw, ingestion) != "raw":
        return pd.DataFrame()
    return vectors_of_words(raw, (raw, vectors), Parts(parts, ingestion.workers), ingestion)


def align_features(
    raw: RawFolder, vectors: pd.DataFrame, parts: Path, ingestion: IngestionOptions
) -> tuple[Corpus, pd.DataFrame, pd.DataFrame]:
    """Bring raw files into splits of aligned, padded, cleaned samples.

    Parameters
    ----------
    raw : RawFolder
    vectors : DataFrame
        As `embed_words` gives them.
    parts : Path
        Folder of what is known of each video.
    ingestion : IngestionOptions

    Returns
    -------
    corpus : Corpus
    samples : DataFrame
        A row a labelled segment: what became of it, and why.
    counts : DataFrame
        What was read, dropped and repaired, by split and modality.

    Raises
    ------
    DataError
        If the folder holds neither form, or a file is not what it has to be.
    """
    form = choose_form(raw, ingestion)
    tell_form(raw, ingestion, form)
    if form == "raw":
        return ingest_raw(raw, vectors, Parts(parts, ingestion.workers), ingestion)
    return ingest_prepared(raw, ingestion)


def fit_selection(aligned_corpus: Corpus, selection: SelectionOptions) -> dict[str, Any]:
    """Choose the features of each modality, on the training split alone.

    Returns
    -------
    dict
        JSON-serialisable; `Selection.load` rebuilds the object.

    Raises
    ------
    ParameterError
        If features of an unknown modality are to be kept.
    DataError
        If no feature of a modality varies.
    """
    fitted = select.fit_selection(
        aligned_corpus, selection.drop_constant, selection.keep, selection.rule
    )
    for name, modality in fitted.modalities.items():
        logger.info("%s: %s", name, _describe(modality))
    return fitted.model_dump()


def fit_scaling(
    aligned_corpus: Corpus, feature_selection: dict[str, Any], scaling: ScalingOptions
) -> dict[str, Any]:
    """Fit the statistics that scale each kept feature, on the training split alone.

    Returns
    -------
    dict
        JSON-serialisable; `Scaling.load` rebuilds the object.

    Raises
    ------
    DataError
        If the selection is of other modalities or another number of features.
    """
    kept = select.select_corpus(aligned_corpus, Selection.load(feature_selection))
    return scale.fit_scaling(kept, scaling.clip, scaling.transform, scaling.method).model_dump()


def scale_features(
    aligned_corpus: Corpus, feature_selection: dict[str, Any], scaling_statistics: dict[str, Any]
) -> Corpus:
    """Keep the chosen features of all splits, and scale and clip them by fitted statistics.

    Parameters
    ----------
    aligned_corpus : Corpus
        Its arrays are used again for the result: a large corpus is not held twice. The
        catalog gives each node its own.
    feature_selection : dict
        As `fit_selection` gives it.
    scaling_statistics : dict
        As `fit_scaling` gives them.

    Raises
    ------
    DataError
        If selection or statistics are of other modalities or another number of features.
    """
    selection = Selection.load(feature_selection)
    scaling = Scaling.load(scaling_statistics)
    splits, clipped, total = {}, Counter[str](), Counter[str]()
    for split_name, split in aligned_corpus.splits.items():
        kept = selection.apply(split)
        splits[split_name], found = scaling.apply(kept, overwrite=kept.modalities)
        clipped.update(found)
        total.update({name: _observed_values(kept, name) for name in found})
    counts = dict(aligned_corpus.counts)
    for name, values in clipped.items():
        chosen = selection.modalities[name]
        if left_out := chosen.features - len(chosen.kept):
            counts[f"{name} features not kept"] = left_out
        if values:
            counts[f"{name} values clipped to {scaling.clip:g}"] = values
            logger.info(
                "%s: %.3g %% of values clipped to %g",
                name, 100 * values / max(total[name], 1), scaling.clip,
            )  # fmt: skip
    preparation = Preparation(selection, scaling, aligned_corpus.features)
    return replace(
        aligned_corpus,
        splits=splits,
        counts=counts,
        features=selection.narrow(aligned_corpus.features),
        preparation={**aligned_corpus.preparation, **preparation.to_json()},
    )


def report_data(
    corpus: Corpus,
    samples: pd.DataFrame,
    ingestion_counts: pd.DataFrame,
    scaling_statistics: dict[str, Any],
    ingestion: IngestionOptions,
) -> tuple[pd.DataFrame, Figure, Figure]:
    """Tell what ingestion made of the raw files.

    Parameters
    ----------
    corpus : Corpus
        Scaled.
    samples : DataFrame
        A row a labelled segment, the dropped ones too.
    ingestion_counts : DataFrame
        See `Tally.table`.
    scaling_statistics : dict
        Of `mfm_pipeline.features.scale.Scaling`.
    ingestion : IngestionOptions

    Returns
    -------
    data_report : DataFrame
        ``section``, ``split`` (or ``all``), ``modality`` (or empty), ``quantity``,
        ``value``, ``of`` (NaN where there is no whole), ``share``.
    data_plot : Figure
    sample_plot : Figure
        One sample of train, aligned.
    """
    scaling = Scaling.load(scaling_statistics)
    report = make_report(corpus, samples, ingestion_counts, scaling, ingestion)
    tell_data(corpus, report)
    sample = choose_sample(corpus.train)
    return (
        report,
        plot_data(corpus, samples),
        plot_aligned_sample(corpus.train, sample, f"{corpus.label}, train", corpus.features),
    )


def _observed_values(split: Split, name: str) -> int:
    modality = split.modalities[name]
    return 0 if modality.steps is None else int(modality.steps.sum()) * modality.values.shape[-1]


def _describe(modality: ModalitySelection) -> str:
    """Say what is kept: ``5 of 74 features kept by f_test, 2 are constant: VUV, ...``."""
    found, kept, constant = modality.features, len(modality.kept), len(modality.dropped_constant)
    if kept == found:
        return f"all {found} features kept"
    rule = "" if modality.rule is None else f" by {modality.rule}"
    left_out = f" ({constant} constant ones left out)" if constant else ""
    names = ", ".join(modality.names[:_SHOWN]) + (", ..." if kept > _SHOWN else "")
    return f"{kept} of {found} features kept{rule}{left_out}; kept are {names}"
