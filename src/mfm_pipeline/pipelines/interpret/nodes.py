"""Nodes that say what a trained MFM's factors stand for."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from mfm_pipeline import interpretation, plots
from mfm_pipeline.config import SAMPLE_CORPUS
from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import print_table
from mfm_pipeline.models import MFM, Blueprint
from mfm_pipeline.pipelines.interpret.options import InterpretationOptions
from mfm_pipeline.pipelines.provenance import stated, stated_like
from mfm_pipeline.pipelines.tags import tag_run
from mfm_pipeline.simulation import SampleOptions, sentiment_words

log = logging.getLogger(__name__)

State = dict[str, Any]

SHOWN = {
    "modality": "modality",
    "mi_discriminative": "Fy",
    "p_discriminative": "p",
    "mi_generative": "Fa",
    "p_generative": "p of Fa",
    "ratio": "ratio",
    "ratio_low": "from",
    "ratio_high": "to",
    "samples": "samples",
}
"""Columns of the table on the console, and what they are called there."""


def measure_information(
    model: State, corpus: Corpus, options: InterpretationOptions
) -> pd.DataFrame:
    """Measure Table 6: ratios of dependence, by every kernel that is asked for."""
    tag_run(corpus)
    network = _model(model, corpus)
    observed = interpretation.observe(network, corpus.splits[options.split])
    table = interpretation.information(observed, options.information, seed=options.seed)
    return _stated(table, model, corpus, options)


def report_information(
    information: pd.DataFrame, corpus: Corpus, options: InterpretationOptions
) -> Figure:
    """Print the table, and draw the ratios of its first kernel."""
    source = f"{corpus.label}, {options.split}"
    for of, rows in information.groupby(["kernel", "bandwidth", "scale", "estimator"], sort=False):
        kernel, bandwidth, scale, estimator = map(str, of)
        print_table(
            rows[list(SHOWN)].rename(columns=SHOWN),
            f"HSIC with Fy, with Fai, and their ratio; {source}\n"
            f"kernel {kernel}, bandwidth {bandwidth}, scale {scale}, {estimator}",
        )
        for name, note in zip(rows["modality"], rows["note"], strict=True):
            if note:
                log.info("%s: %s", name, note)
    first = information[: information["modality"].nunique()]
    return plots.plot_ratios(first, source)


def measure_flow(model: State, corpus: Corpus, options: InterpretationOptions) -> pd.DataFrame:
    """Measure the gradient flow of every sample, Equation 13."""
    network = _model(model, corpus)
    flow = interpretation.flow_table(
        network, corpus.splits[options.split], batch_size=options.flow.batch_size
    )
    return _stated(flow, model, corpus, options)


def plot_flow(
    flow: pd.DataFrame, predictions: pd.DataFrame, corpus: Corpus, options: InterpretationOptions
) -> dict[str, Figure]:
    """Draw Figure 4 of some samples, by file name.

    Raises
    ------
    DataError
        If there is no sample with an id that is asked for.
    """
    labels = _labels(predictions, corpus.splits[options.split])
    ids = list(flow["id"].unique())
    wanted = options.flow.samples
    chosen = ids[:wanted] if isinstance(wanted, int) else list(wanted)
    for name in chosen:
        if name not in ids:
            raise DataError(
                f"interpretation.flow.samples names '{name}'; expected ids of the split "
                f"{options.split}, such as {', '.join(map(str, ids[:3]))}"
            )
    figures = {}
    for number, name in enumerate(chosen):
        told = "; ".join(f"{of} {true}, predicted {guess}" for of, true, guess in labels[name])
        title = f"Gradient flow in {name}, {corpus.label}, {options.split}\n{told}"
        figures[f"sample_{number}.png"] = plots.plot_gradient_flow(flow[flow["id"] == name], title)
    return figures


def write_page(
    flow: pd.DataFrame, predictions: pd.DataFrame, corpus: Corpus, options: InterpretationOptions
) -> str:
    """Write the page on which to leaf through samples."""
    return plots.flow_page(
        flow,
        _labels(predictions, corpus.splits[options.split]),
        f"{corpus.label}, {options.split}",
        most=options.flow.page_samples,
    )


def compare_planted_words(
    flow: pd.DataFrame, corpus: Corpus, sample: SampleOptions, options: InterpretationOptions
) -> pd.DataFrame:
    """Test on the synthetic corpus whether flow is higher at words that carry sentiment.

    Returns
    -------
    DataFrame
        As `mfm_pipeline.interpretation.flow_at_words` returns it; without rows if the
        corpus is another one.
    """
    words = sentiment_words(sample) if sample.corpus == SAMPLE_CORPUS else {}
    table = interpretation.flow_at_words(
        flow, words, permutations=options.information.permutations, seed=options.seed
    )
    if len(table):
        print_table(
            table,
            f"Relative gradient flow at words with planted sentiment, {corpus.label}, "
            f"{options.split}",
        )
    return stated_like(table, corpus, flow)


def _stated(
    table: pd.DataFrame, model: State, corpus: Corpus, options: InterpretationOptions
) -> pd.DataFrame:
    settings = {"interpretation": options}
    return stated(table, corpus, seeds=[options.seed], settings=settings, model=model)


def _labels(predictions: pd.DataFrame, split: Split) -> dict[str, list[tuple[str, str, str]]]:
    """Return name, true and predicted value of each target, by sample."""
    unknown = set(split.ids) - set(predictions["id"])
    if unknown:
        raise DataError(
            f"predictions: found none for sample '{min(unknown)}' (nor for {len(unknown) - 1} "
            "others); expected those of this corpus: run train_mfm again"
        )
    targets = split.targets
    columns = (
        [("class", "true", "predicted")]
        if targets.task == "multiclass"
        else [(name, f"true/{name}", f"predicted/{name}") for name in targets.names]
    )
    text = {
        name: [value if isinstance(value, str) else f"{value:.3g}" for value in predictions[name]]
        for _, *pair in columns
        for name in pair
    }
    return {
        str(id_): [(name, text[true][k], text[guess][k]) for name, true, guess in columns]
        for k, id_ in enumerate(predictions["id"])
    }


def _model(state: State, corpus: Corpus) -> MFM:
    blueprint, network = Blueprint.from_state(state)
    blueprint.check_split(corpus.test)
    if not network.modalities:
        raise DataError(
            "the model generates nothing; expected one that has factors Fai to compare Fy with, "
            "as one that was trained with generates: null does"
        )
    return network
