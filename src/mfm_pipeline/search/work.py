"""One fit of one model: what a process, here or on another machine, is given to do."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from textwrap import shorten
from time import monotonic
from typing import Any, Literal

import numpy as np
import optuna
from numpy.typing import NDArray

from mfm_pipeline.baselines import BASELINES, Fitted, Session, fit_adapted
from mfm_pipeline.baselines.adapt import VALUES_ONLY, only_classifies
from mfm_pipeline.data import Corpus, Split, Targets
from mfm_pipeline.errors import MfmError
from mfm_pipeline.evaluation import SentimentOptions, score
from mfm_pipeline.evaluation.predict import decide
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.training import TrainingOptions

State = Literal["complete", "pruned", "failed"]
Report = Callable[[Mapping[str, float]], None]
LONGEST_ERROR = 500
OUT_OF_TIME = "out of time"
SETTING = "setting"
"""Attribute of a trial in its study."""
PRUNED_BEHIND = 75.0
"""Percentage of a model's finished trials; of these there are `PRUNED_AFTER` first."""
PRUNED_AFTER = 3

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class Place:
    """Where a trial stands in its study, so that it can be pruned.

    Parameters
    ----------
    storage : str
        URL of the database, which the process has to reach.
    study : str
    trial : int
        Its id there.
    warm_up : int
        Epochs that every trial may have.
    """

    storage: str
    study: str
    trial: int
    warm_up: int


@dataclass(frozen=True)
class Work:
    """A model, its setting and a seed.

    Parameters
    ----------
    name : str
        Of the model, in `BASELINES`.
    setting : mapping
        Values of its options.
    training : TrainingOptions
        With the seed.
    model : ModelOptions
        Of MFM.
    sentiment : SentimentOptions, optional
    place : Place, optional
        Without, it runs to its end.
    seconds : float, optional
        After which a training by gradient is given up.
    """

    name: str
    setting: Mapping[str, Any]
    training: TrainingOptions
    model: ModelOptions
    sentiment: SentimentOptions | None = None
    place: Place | None = field(default=None, compare=False)
    seconds: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Result:
    """What came of it.

    Parameters
    ----------
    state : {"complete", "pruned", "failed"}
    seconds : float
    parameters : int
    valid : dict of str to float
        Metrics on the validation split.
    predictions : ndarray, shape (n, outputs), optional
        Of the test split, as `Fitted.predict` returns them; not looked at here.
    error : str
        One line: why it did not complete, or what is wrong with what did.
    lost : bool
        Whether it was not done, rather than failed: it is done again when a search goes on.
    """

    state: State
    seconds: float
    parameters: int = 0
    valid: Mapping[str, float] = field(default_factory=dict)
    predictions: NDArray[np.float32] | None = None
    error: str = ""
    lost: bool = False


class _PrunedError(Exception):
    """A trial is not worth going on with."""


class _OutOfTimeError(Exception):
    """A trial has had its time."""


def do(work: Work, corpus: Corpus) -> Result:
    """Fit a model, score it on valid, and predict the test split.

    Whatever goes wrong is a result, too: one failure does not stop the others.
    """
    start = monotonic()
    with tempfile.TemporaryDirectory(prefix="mfm_baseline_") as folder:
        session = Session(
            training=work.training,
            folder=Path(folder),
            model=work.model,
            after_epoch=_reporter(work, start),
        )
        try:
            options = BASELINES[work.name](**work.setting)
            fitted = fit_adapted(options, corpus, session, work.sentiment)
            seconds = monotonic() - start
            valid = _predicted(fitted, corpus.valid)
            if bad := _not_finite(valid, corpus.valid):
                return Result("failed", seconds, error=f"{bad} prediction(s) on valid not finite")
            test, error = _of_test(fitted, corpus, outputs=valid.shape[1])
            valid_scores = scores(work, corpus, "valid", valid)
            return Result("complete", seconds, fitted.parameters, valid_scores, test, error)
        except _PrunedError:
            return Result("pruned", monotonic() - start)
        except _OutOfTimeError:
            return Result("pruned", monotonic() - start, error=OUT_OF_TIME)
        except MfmError as error:
            return Result("failed", monotonic() - start, error=str(error))
        except Exception as error:
            return Result("failed", monotonic() - start, error=_one_line(error))


def _one_line(error: Exception) -> str:
    """Return an error and the line that it came from."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    line = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    return shorten(line, LONGEST_ERROR)


def _of_test(fitted: Fitted, corpus: Corpus, outputs: int) -> tuple[NDArray[np.float32], str]:
    """Predict the test split, and say what is wrong with that.

    Without numbers if it fails, for test must not decide a trial.
    """
    why = ""
    try:
        test = _predicted(fitted, corpus.test)
    except Exception as error:
        test = np.full((len(corpus.test), outputs), np.nan, dtype=np.float32)
        why = f": {_one_line(error)}"
    bad = _not_finite(test, corpus.test)
    return test, f"{bad} prediction(s) on test not finite, trivial instead{why}" if bad else ""


def scores(
    work: Work, corpus: Corpus, split: str, predictions: NDArray[np.floating[Any]]
) -> dict[str, float]:
    """Return the metrics of predictions; of what only classifies, those of classes alone."""
    train = corpus.train.targets
    metrics = score(
        corpus.splits[split].targets, decided(corpus, split, predictions), work.sentiment
    )
    if not only_classifies(BASELINES[work.name], train):
        return metrics
    return {key: value for key, value in metrics.items() if key not in VALUES_ONLY}


def decided(corpus: Corpus, split: str, predictions: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Return values, classes or labels.

    The trivial ones of samples that have nothing, or for which no finite number came out.
    """
    train: Targets = corpus.train.targets
    known = corpus.splits[split].has_any_modality & np.isfinite(predictions).all(axis=1)
    return decide(predictions, known, train)


def _predicted(fitted: Fitted, split: Split) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return fitted.predict(split).astype(np.float32)


def _not_finite(predictions: NDArray[np.float32], split: Split) -> int:
    """Return how many samples that have something are predicted by what is no number."""
    return int((~np.isfinite(predictions).all(axis=1) & split.has_any_modality).sum())


def _reporter(work: Work, start: float) -> Report | None:
    """Return what is told every epoch, and stops a trial that is not worth its time."""
    trial = _trial(work) if work.place else None
    if trial is None and work.seconds is None:
        return None
    epoch, best = 0, inf

    def report(costs: Mapping[str, float]) -> None:
        nonlocal epoch, best, trial
        if work.seconds is not None and monotonic() - start > work.seconds:
            raise _OutOfTimeError
        if not costs:
            return
        # The epoch that is kept is the best one, not the last.
        best = min(best, costs["valid/task"])
        # A write to the database an epoch: none while there is nothing to decide.
        if trial is not None and work.place is not None and epoch >= work.place.warm_up:
            try:
                trial.report(-best, epoch)
                behind = trial.should_prune()
            except Exception:
                # Whatever became of the database, the fit goes on.
                trial, behind = None, False
            if behind:
                raise _PrunedError
        epoch += 1

    return report


def _trial(work: Work) -> optuna.Trial | None:
    """Return the trial in its study; None where that is out of reach, or is another search's.

    Without it nothing is pruned: that is all that may come of a database which cannot be
    reached from here, for which drivers are missing, or that only has the same address.
    """
    place = work.place
    assert place is not None
    path = place.storage.removeprefix("sqlite:///")
    if path != place.storage and not Path(path).exists():
        return None
    # Milder than the median: valid is small, and what is behind early may still come out first.
    pruner = optuna.pruners.PercentilePruner(
        PRUNED_BEHIND, n_startup_trials=PRUNED_AFTER, n_warmup_steps=place.warm_up
    )
    try:
        study = optuna.load_study(study_name=place.study, storage=place.storage, pruner=pruner)
        trial = optuna.Trial(study, place.trial)
        own = trial.user_attrs.get(SETTING) == dict(work.setting)
    except Exception:
        return None
    return trial if own else None
