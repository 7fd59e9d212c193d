"""What the paper shows, and which pipeline here makes the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd

from mfm_pipeline.config import DIGITS, SAMPLE_CORPUS
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation.missing import NONE
from mfm_pipeline.reporting import models
from mfm_pipeline.reporting.paper import corpora_of

OURS = "ours"
PAPER = "paper"
BOTH = "ours and paper"
"""Sources of a row."""

IMAGE_CORPORA = ("svhn_mnist", "blended_mnist")
"""Environments of images alone; the sample has digits beside its sequences."""

BOUNDS = ("planted factor",)
"""Predictors that see what no model may: never the best."""


Rows = Callable[[pd.DataFrame], pd.DataFrame]
"""From a table of results, a row a method, as `mfm_pipeline.reporting.paper_rows`."""

BASELINES = "baselines"
"""The table of all models."""


@dataclass(frozen=True)
class OfAllModels:
    """Rows of an exhibit from the comparison of all models, which come before a single one's.

    Parameters
    ----------
    rows : callable
    by_method : bool
        Whether ours and the paper's of a method are one row, a column each.
    """

    rows: Rows
    by_method: bool = True

    source = BASELINES
    pipeline = "train_baselines"


@dataclass(frozen=True)
class Exhibit:
    """A table or figure of the paper.

    Parameters
    ----------
    key : str
        As in the paper's figures, and the name of its CSV file.
    name, subject : str
    source : str
        The table of results that ours comes from, below the folder of the corpus.
    pipeline : str
        That leaves it.
    rows : callable
    of_all : OfAllModels, optional
        Where all models have been compared, what ours comes from instead.
    figures : tuple of str
        Patterns of the figures that go with it.
    pages : tuple of str
        Patterns of pages that go with it, which are linked to.
    of_its_corpora : bool
        Whether it says nothing about other corpora than the paper's: a table of
        earlier models on them, or one that another exhibit shows of every corpus.
    drawn_of : tuple of str
        Corpora of the paper's own, where it is a drawing without numbers.
    """

    key: str
    name: str
    subject: str
    source: str
    pipeline: str
    rows: Rows
    of_all: OfAllModels | None = None
    figures: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    of_its_corpora: bool = False
    drawn_of: tuple[str, ...] = ()

    @property
    def of_images(self) -> bool:
        """Whether it is of pairs of images: made in their namespace."""
        return self.source.startswith(f"{DIGITS}/")

    @property
    def corpora(self) -> tuple[str, ...]:
        """Corpora of the paper's own."""
        return corpora_of(self.key) or self.drawn_of

    def can_be_made_of(self, corpus: str) -> bool:
        """Whether its pipeline is one for the corpus of an environment."""
        if self.of_its_corpora:
            return corpus in self.corpora
        return self.of_images == (corpus in IMAGE_CORPORA) or corpus == SAMPLE_CORPUS


def _predictors(comparison: pd.DataFrame) -> pd.DataFrame:
    """Turn a table of metrics by predictor into one of predictors by metric."""
    _check(comparison, ("metric", "MFM"))
    renamed = comparison.rename(columns={"trivial": "trivial predictor", "planted": BOUNDS[0]})
    turned = renamed.set_index("metric").T.rename_axis(columns=None, index="method")
    mse = {name: name.replace("reconstruction/", "mse/") for name in map(str, turned.columns)}
    return turned.rename(columns=mse).reset_index()


def _encoders(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return the one row of MFM, named by its fusion encoder and prior."""
    row = _predictors(comparison)
    row = row[row["method"] == "MFM"].copy()
    settings = comparison.attrs.get("settings", {})
    fusion = settings.get("model.fusion", "encoder unknown")
    prior = ", KL prior" if settings.get("model.prior") == "kl" else ""
    row["method"] = f"MFM ({_ENCODERS.get(fusion, fusion)}{prior})"
    return row


_ENCODERS = {"mfn": "MFN", "ef_lstm": "early fusion"}


def _all_models(table: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    _check(table, models.COLUMNS)
    return rows(table)


def _of_all(rows: Rows, *, by_method: bool = True) -> OfAllModels:
    return OfAllModels(partial(_all_models, rows=rows), by_method)


def _models(table: pd.DataFrame) -> pd.DataFrame:
    _check(table, ("model",))
    return table.rename(columns={"model": "method"})


def _patterns(table: pd.DataFrame) -> pd.DataFrame:
    _check(table, ("method", "missing"))
    whole = table["missing"] == NONE
    # Named as in the paper; what is observed is the rest.
    named = table.assign(
        method=table["method"].mask(whole, "MFM"), missing=table["missing"].mask(whole, "")
    )
    return named.drop(columns="observed", errors="ignore")


def _information(table: pd.DataFrame) -> pd.DataFrame:
    _check(table, ("modality", "ratio"))
    return table


def _ratios(information: pd.DataFrame) -> pd.DataFrame:
    """Turn a table of modalities into one of ways to measure, by modality."""
    _check(information, ("modality", "ratio"))
    ways = [c for c in ("kernel", "bandwidth", "scale", "estimator", "time") if c in information]
    named = information.assign(
        method=[
            ", ".join(f"{name} {value}" for name, value in zip(ways, row, strict=True)) or "MFM"
            for row in information[ways].itertuples(index=False)
        ],
        modality="ratio/" + information["modality"],
    )
    wide = named.pivot_table(
        index="method", columns="modality", values="ratio", sort=False, observed=True
    )
    return wide.reset_index().rename_axis(columns=None)


def _scores(table: pd.DataFrame) -> pd.DataFrame:
    _check(table, ("score",))
    return table


def _check(table: pd.DataFrame, expected: tuple[str, ...]) -> None:
    if lacking := [name for name in expected if name not in table]:
        found = ", ".join(map(str, table.columns))
        raise DataError(f"found columns {found}; expected {', '.join(lacking)} too")


EXHIBITS = (
    Exhibit(
        "table_1",
        "Table 1",
        "prediction, beside the best and second best earlier models",
        "comparison",
        "train_mfm",
        _predictors,
        _of_all(models.best_earlier, by_method=False),
        figures=("predictions.png", "training_curves.png", "reconstruction.png"),
    ),
    Exhibit(
        "all_models",
        "All models",
        "MFM, every baseline of the paper and others, by equal budgets of search",
        BASELINES,
        OfAllModels.pipeline,
        partial(_all_models, rows=models.everything),
        figures=("baseline*.png",),
    ),
    Exhibit(
        "figure_2b",
        "Figure 2(b)",
        "pairs of digits: each modality alone (UM), both (MM), and MFM",
        "digits/model_comparison",
        "compare_digits",
        _models,
        figures=("digits/model_comparison.png",),
        drawn_of=IMAGE_CORPORA[:1],
    ),
    Exhibit(
        "figure_2c",
        "Figure 2(c)",
        "pairs of digits: what is generated with a label, or a style, kept",
        "digits/generation_scores",
        "generate",
        _scores,
        figures=("digits/generated/*.png",),
        drawn_of=IMAGE_CORPORA[:1],
    ),
    Exhibit(
        "figure_3",
        "Figure 3",
        "ablations: MFM without one part after another",
        "ablations",
        "train_ablations",
        _models,
        figures=("ablations*.png",),
    ),
    Exhibit(
        "table_2",
        "Table 2",
        "missing modalities: reconstruction of what is missing, and prediction without it",
        "missing_modalities",
        "train_surrogate",
        _patterns,
        figures=("missing*.png", "holes*.png", "noise*.png"),
    ),
    Exhibit(
        "figure_4",
        "Figure 4",
        "what each modality contributes: ratios of information, and gradient flow",
        "information",
        "interpret",
        _information,
        figures=("information*.png", "gradient_flow/*.png"),
        pages=("gradient_flow*.html",),
        drawn_of=("cmu_mosi",),
    ),
    Exhibit(
        "table_3",
        "Table 3",
        "personality traits, beside all earlier models",
        "comparison",
        "train_mfm",
        _predictors,
        _of_all(models.methods),
        of_its_corpora=True,
    ),
    Exhibit(
        "table_4",
        "Table 4",
        "sentiment, beside all earlier models",
        "comparison",
        "train_mfm",
        _predictors,
        _of_all(models.methods),
        of_its_corpora=True,
    ),
    Exhibit(
        "table_5",
        "Table 5",
        "emotions, beside all earlier models",
        "comparison",
        "train_mfm",
        _predictors,
        _of_all(models.methods),
        of_its_corpora=True,
    ),
    Exhibit(
        "table_6",
        "Table 6",
        "ratios of information",
        "information",
        "interpret",
        _ratios,
        of_its_corpora=True,
    ),
    Exhibit(
        "table_7",
        "Table 7",
        "MFM beside models without factors, the model of [23], and one with a KL prior",
        "comparison",
        "train_mfm",
        _encoders,
        _of_all(models.without_factors),
        of_its_corpora=True,
    ),
    Exhibit(
        "section_3_2",
        "Section 3.2",
        "fusion encoders by themselves, and MFM around them",
        "comparison",
        "train_mfm",
        _encoders,
        _of_all(models.encoders),
        of_its_corpora=True,
    ),
)
