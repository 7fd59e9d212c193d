"""Say on the console what a corpus holds and what ingestion did to it."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mfm_pipeline.data import SPLIT_NAMES, Corpus
from mfm_pipeline.ingestion.assemble import WITHOUT_ANY
from mfm_pipeline.ingestion.embed import UNKNOWN
from mfm_pipeline.ingestion.report import ALL, PRESENT, UNKNOWN_VIDEOS
from mfm_pipeline.logs import CONSOLE_WIDTH

logger = logging.getLogger(__name__)

_SPLITS = (*SPLIT_NAMES, ALL)
#: Share of words that the word vectors may lack before it is said.
MOST_UNKNOWN = 0.2


def tell_data(corpus: Corpus, report: pd.DataFrame) -> None:
    """Print sizes by split; log what was dropped or repaired, and warn of what looks wrong.

    Parameters
    ----------
    corpus : Corpus
    report : DataFrame
        As `report_data` makes it.
    """
    Console(width=min(CONSOLE_WIDTH, Console().width)).print(_table(corpus, report))
    for reason, count in corpus.counts.items():
        if reason != WITHOUT_ANY:  # Told by split, below.
            logger.info("%s: %d %s", corpus.label, count, reason)
    _warn_of_nothing(corpus)
    _warn_of_classes(corpus, report)
    _warn_of_sizes(corpus, report)
    _warn_of_unknown_words(corpus, report)


def _table(corpus: Corpus, report: pd.DataFrame) -> Table:
    table = Table(title=escape(f"Data of {corpus.label}"), title_justify="left")
    table.add_column("")
    for split in _SPLITS:
        table.add_column(split, justify="right")
    counted = report[report["section"] == "samples"]
    for quantity, rows in counted.groupby("quantity", sort=False):
        name, _, reason = str(quantity).removesuffix(UNKNOWN_VIDEOS).partition(": ")
        values = rows.set_index("split")["value"].reindex(_SPLITS, fill_value=0)
        cells = ["not known" if np.isnan(value) else f"{value:,.0f}" for value in values]
        table.add_row(escape(f"  {reason}" if reason else name), *cells)
    for modality, rows in _presence(report).groupby("modality", sort=False):
        counts = rows.set_index("split").loc[list(_SPLITS)]
        cells = [
            f"{value:,.0f} ({share:.0%})"
            for value, share in zip(counts["value"], counts["share"], strict=True)
        ]
        table.add_row(escape(f"with {modality}"), *cells)
    return table


def _presence(report: pd.DataFrame) -> pd.DataFrame:
    return report[report["quantity"] == PRESENT]


def _warn_of_classes(corpus: Corpus, report: pd.DataFrame) -> None:
    if corpus.train.targets.task != "multiclass":
        return
    of_train = report[(report["section"] == "labels") & (report["split"] == "train")]
    for quantity in of_train.loc[of_train["value"] == 0, "quantity"]:
        logger.warning("%s: %s has no training sample", corpus.label, quantity)


def _warn_of_nothing(corpus: Corpus) -> None:
    nothing = {name: int((~split.has_any_modality).sum()) for name, split in corpus.splits.items()}
    if sum(nothing.values()):
        told = ", ".join(f"{name} {count}" for name, count in nothing.items())
        logger.warning(
            "%s: %d sample(s) have no modality at all: %s",
            corpus.label, sum(nothing.values()), told,
        )  # fmt: skip


def _warn_of_sizes(corpus: Corpus, report: pd.DataFrame) -> None:
    stated = report[(report["section"] == "stated") & report["of"].notna()]
    for row in stated[stated["value"].notna() & (stated["value"] != stated["of"])].itertuples():
        of_split = "" if row.split == ALL else f" of {row.split}"
        logger.warning(
            "%s: found %d %s%s; the paper states %d",
            corpus.label, row.value, row.quantity, of_split, row.of,
        )  # fmt: skip


def _warn_of_unknown_words(corpus: Corpus, report: pd.DataFrame) -> None:
    for name in corpus.train.modalities:
        found = report[report["quantity"] == UNKNOWN.format(modality=name)]
        share = found["value"].sum() / max(found["of"].sum(), 1)
        if share > MOST_UNKNOWN:
            logger.warning(
                "%s: %s: the word vectors lack %.0f %% of the words: are they in its language?",
                corpus.label, name, 100 * share,
            )  # fmt: skip
