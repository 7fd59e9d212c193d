"""Choose columns of sequence modalities by the training split alone.

The published pre-processing of CMU-MOSI kept 5 of 74 acoustic and 20 of 47 visual features,
by a rule that was never published. This is one documented rule, not that one: a column's
mean over the observed steps of each sample is tested against the targets, by the F test or
by mutual information, each column for itself. Neither sees what columns say together, nor
that two of them say the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.stats import rankdata
from sklearn.feature_selection import (
    f_classif,
    f_regression,
    mutual_info_classif,
    mutual_info_regression,
)

from mfm_pipeline.data import Corpus, Modality, Split, Targets
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.features.scale import observed_columns
from mfm_pipeline.features.scaling_steps import is_constant

Rule = Literal["f_test", "mutual_information"]

#: Fewer samples than this say nothing, and have no three neighbours each.
_MIN_SAMPLES = 5

Index = Annotated[int, Field(strict=True, ge=0)]
Score = Annotated[float, Field(strict=True, ge=0, le=1)]


class ModalitySelection(BaseModel):
    """Which columns of one modality are kept, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: int = Field(strict=True, ge=1, description="Columns found, d.")
    kept: list[Index] = Field(min_length=1, description="Columns kept, in their order.")
    names: list[str] = Field(description="Their names; their numbers where there are no names.")
    dropped_constant: list[Index] = Field(description="Columns left out as constant.")
    rule: Rule | None = Field(description="By which the others were chosen; null: all are kept.")
    scores: list[Score] | None = Field(
        description="Of the kept columns: rank by the rule over d, mean over targets; 1 is best."
    )

    @model_validator(mode="after")
    def _check(self) -> ModalitySelection:
        for name in ("kept", "dropped_constant"):
            columns = getattr(self, name)
            if sorted(set(columns)) != columns or columns[-1:] > [self.features - 1]:
                raise ValueError(f"{name} must be ascending columns below {self.features}")
        if len(self.names) != len(self.kept):
            raise ValueError(f"{len(self.names)} names of {len(self.kept)} kept columns")
        if (self.rule is None) != (self.scores is None):
            raise ValueError("rule and scores go together")
        if self.scores is not None and len(self.scores) != len(self.kept):
            raise ValueError(f"{len(self.scores)} scores of {len(self.kept)} kept columns")
        return self

    def apply(self, modality: Modality, name: str) -> Modality:
        """Return the kept columns; see `Selection.apply`."""
        width = modality.values.shape[-1]
        if width != self.features:
            raise DataError(
                f"modality '{name}': found {width} features; "
                f"expected {self.features}, as in the feature selection"
            )
        if len(self.kept) == width:
            return modality
        return replace(modality, values=np.take(modality.values, self.kept, axis=-1))


class Selection(BaseModel):
    """Fitted choice of columns of all sequence modalities; images are left as they are.

    It is an output of its own, so that new data is treated like the training data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    modalities: dict[str, ModalitySelection] = Field(description="By modality.")

    @classmethod
    def load(cls, selection: Mapping[str, Any]) -> Selection:
        """Rebuild from what `model_dump` gave.

        Raises
        ------
        DataError
            If the selection is not of that form.
        """
        try:
            return cls.model_validate(selection)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "(all)"
            raise DataError(f"feature selection, {field}: {first['msg']}") from error

    def apply(self, split: Split) -> Split:
        """Keep the chosen columns; a modality that keeps all is not copied.

        Raises
        ------
        DataError
            If a modality was not there when columns were chosen, or has another number
            of features.
        """
        modalities = dict(split.modalities)
        for name, modality in split.modalities.items():
            if modality.is_image:
                continue
            if name not in self.modalities:
                known = ", ".join(self.modalities) or "none"
                raise DataError(f"modality '{name}' has no feature selection; found {known}")
            modalities[name] = self.modalities[name].apply(modality, name)
        return replace(split, modalities=modalities)

    def narrow(self, features: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Return the names of the kept columns of the modalities whose columns have names."""
        return {
            name: tuple(names[column] for column in self.modalities[name].kept)
            for name, names in features.items()
        }


def select_corpus(corpus: Corpus, selection: Selection) -> Corpus:
    """Keep the chosen columns in all splits; see `Selection.apply` for errors."""
    splits = {name: selection.apply(split) for name, split in corpus.splits.items()}
    return replace(corpus, splits=splits, features=selection.narrow(corpus.features))


def fit_selection(
    corpus: Corpus,
    drop_constant: bool = True,
    keep: Mapping[str, int | None] | None = None,
    rule: Rule = "f_test",
) -> Selection:
    """Choose columns by the training split.

    Padding, steps without frames and absent samples do not count.

    Parameters
    ----------
    corpus : Corpus
    drop_constant : bool
        Whether columns are left out whose observed values are all equal.
    keep : mapping of str to int or None, optional
        How many of the other columns are kept, by modality; all for None, and where
        there are no more. They stay in their order.
    rule : {"f_test", "mutual_information"}
        What a column is scored by: scikit-learn's `f_regression` or `f_classif`, or
        `mutual_info_regression` or `mutual_info_classif`. Statistics for different
        targets have no common scale, so with several targets or labels it is each
        column's rank that is averaged over them. Of equal columns the first is taken.

    Raises
    ------
    ParameterError
        If `keep` names an unknown modality, or less than one column.
    DataError
        If all columns of a modality are constant, or there is nothing to score by.
    """
    keep = keep or {}
    sequences = {name: m for name, m in corpus.train.modalities.items() if not m.is_image}
    if unknown := [name for name in keep if name not in (*sequences, *corpus.left_out)]:
        raise ParameterError(
            f"selection.keep names '{unknown[0]}'; expected one of {', '.join(sequences) or 'none'}"
        )
    if few := [name for name, count in keep.items() if count is not None and count < 1]:
        raise ParameterError(f"selection.keep is {keep[few[0]]} for '{few[0]}'; expected 1 or more")
    return Selection(
        modalities={
            name: _fit(
                name,
                modality,
                corpus.train.targets,
                names=corpus.features.get(name),
                drop_constant=drop_constant,
                count=keep.get(name),
                rule=rule,
            )
            for name, modality in sequences.items()
        }
    )


def _fit(
    name: str,
    modality: Modality,
    targets: Targets,
    *,
    names: Sequence[str] | None,
    drop_constant: bool,
    count: int | None,
    rule: Rule,
) -> ModalitySelection:
    width = modality.values.shape[-1]
    constant = np.zeros(width, dtype=bool)
    if drop_constant:
        constant[:] = [is_constant(column) for column in observed_columns(modality)]
    kept = np.flatnonzero(~constant)
    if not len(kept):
        raise DataError(
            f"modality '{name}': found all {width} features constant in training; "
            "expected one that varies"
        )
    scores = None
    if count is not None and count < len(kept):
        ranks = _ranks(name, modality, targets, kept, rule)
        best = np.sort(np.argsort(-ranks, kind="stable")[:count])
        kept, scores = kept[best], ranks[best].tolist()
    return ModalitySelection(
        features=width,
        kept=kept.tolist(),
        names=[str(column) if names is None else names[column] for column in kept.tolist()],
        dropped_constant=np.flatnonzero(constant).tolist(),
        rule=None if scores is None else rule,
        scores=scores,
    )


def _ranks(
    name: str, modality: Modality, targets: Targets, columns: NDArray[np.intp], rule: Rule
) -> NDArray[np.float64]:
    """Return the mean rank of each of `columns` over the targets, from above 0 to 1."""
    assert modality.steps is not None
    rows = np.flatnonzero(modality.steps.any(axis=1))
    classes = targets.task != "regression"
    labels = targets.values.reshape(len(targets.values), -1)[rows].T
    usable = [label for label in labels if _says_something(label, classes=classes)]
    if len(rows) < _MIN_SAMPLES or not usable:
        raise DataError(
            f"modality '{name}': found {len(rows)} training samples with {len(usable)} targets "
            f"that vary; expected {_MIN_SAMPLES} samples and one target, to choose features by"
        )
    means = _means(modality, rows)[:, columns]
    # Scores are the same on any scale, but lose digits where the mean is far from 0.
    varying = np.array([not is_constant(column) for column in means.T])
    means = means[:, varying]
    means = (means - means.mean(axis=0)) / means.std(axis=0)
    ranks = np.zeros((len(usable), len(columns)))
    for target, label in enumerate(usable):
        scores = np.zeros(len(columns))
        if varying.any():
            scores[varying] = _score(means, label, rule, classes=classes)
        ranks[target] = rankdata(scores)
    return np.asarray(ranks.mean(axis=0) / len(columns))


def _says_something(label: NDArray[Any], *, classes: bool) -> bool:
    """Whether a target varies; classes must also have members in common."""
    found = len(np.unique(label))
    return found > 1 and (not classes or found < len(label))


def _means(modality: Modality, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean over observed steps of each sample in `rows`, sample by sample."""
    assert modality.steps is not None
    means = np.empty((len(rows), modality.values.shape[-1]))
    for number, row in enumerate(rows):
        means[number] = modality.values[row][modality.steps[row]].mean(axis=0, dtype=np.float64)
    return means


def _score(
    means: NDArray[np.float64], label: NDArray[Any], rule: Rule, *, classes: bool
) -> NDArray[np.float64]:
    if rule == "mutual_information":
        measure = mutual_info_classif if classes else mutual_info_regression
        return np.asarray(measure(means, label, random_state=0))
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        # A column that tells classes apart without fail has no variance left in them.
        warnings.simplefilter("ignore", UserWarning)
        statistic, _ = (f_classif if classes else f_regression)(means, label)
    return np.nan_to_num(np.asarray(statistic, dtype=np.float64), nan=0.0)
