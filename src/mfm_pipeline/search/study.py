"""One model's part of the search: an Optuna study, then several seeds of its best setting."""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from mfm_pipeline.baselines import BaselineOptions, Choice, Distribution, Space
from mfm_pipeline.baselines.criterion import Criterion
from mfm_pipeline.search.results import ResultStore
from mfm_pipeline.search.work import OUT_OF_TIME, SETTING, Place, Result, Work

TELL = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
_NUMBER, _RESULT = "number", "result"


@dataclass(frozen=True, eq=False)
class Fit:
    """A piece of work of one model, and what it is for.

    Parameters
    ----------
    work : Work
    trial : int
        Number in the search; -1 for a further seed of the best setting.
    """

    work: Work
    trial: int


@dataclass(frozen=True)
class Budget:
    """What every model may spend.

    Parameters
    ----------
    trials : int
        Settings.
    minutes : float
        Of fitting, after which no further setting is tried.
    seeds : int
        Fits of the best setting, its trial included.
    pruning : bool
    """

    trials: int
    minutes: float
    seeds: int
    pruning: bool


class ModelSearch:
    """What one model tries.

    Its default setting comes first, then what Optuna's tree-structured Parzen estimator draws:
    nine settings at random, then by the results so far. The setting that is best on valid is
    fitted with every seed. What is drawn depends on the seed, the number of the trial and,
    from the eleventh on, those results: one trial after the other and without pruning, a
    search that was broken off goes on as it would have. Of several side by side the order in
    which they end decides, too, what is pruned and what is learned from.

    Parameters
    ----------
    template : Work
        With the first seed, and without a setting.
    default : BaselineOptions
    space : mapping of str to Distribution
    budget : Budget
    criterion : Criterion
        What settings are judged by.
    study : optuna.Study
    storage : str
        URL of the database that it is in.
    results : ResultStore
    """

    def __init__(
        self,
        template: Work,
        default: BaselineOptions,
        space: Space,
        budget: Budget,
        *,
        criterion: Criterion,
        study: optuna.Study,
        storage: str,
        results: ResultStore,
    ) -> None:
        self.name, self.criterion = template.name, criterion
        self.done: list[tuple[Fit, Result]] = []
        """What came of what: trials by their numbers, then further seeds."""
        self._template, self._default, self._budget = template, default, budget
        self._space = {name: _distribution(one) for name, one in space.items()}
        self._study, self._storage, self._results = study, storage, results
        self._to_try = deque(range(budget.trials if space else 1))
        self._in_progress: dict[Fit, optuna.Trial | None] = {}
        self._further: deque[Fit] | None = None
        self._go_on()

    @property
    def planned(self) -> int:
        """How many fits there are still to be, at most."""
        if self._further is not None:
            return len(self._further)
        return len(self._to_try) + self._budget.seeds - 1

    @property
    def in_progress(self) -> int:
        """How many fits were given out and not recorded."""
        return len(self._in_progress)

    @property
    def finished(self) -> bool:
        """Whether all is done."""
        return not self._in_progress and self._further is not None and not self._further

    @property
    def best(self) -> Fit | None:
        """The trial that is best on valid, the first of equals; None without any."""
        scored = [
            (self.criterion(result.valid), -fit.trial, fit)
            for fit, result in self.done
            if fit.trial >= 0 and result.state == "complete"
        ]
        return max(scored, key=lambda one: one[:2])[2] if scored else None

    def next(self, side_by_side: int = 1) -> Fit | None:
        """Return what to fit next; None while that depends on what is in progress, or at the end.

        Further seeds wait for all trials.

        Parameters
        ----------
        side_by_side : int
            Fits of this model that go on at once, and share the time that is left.
        """
        if self._searching:
            return self._ask(side_by_side)
        if not self._further:
            return None
        fit = self._further.popleft()
        self._in_progress[fit] = None
        return fit

    def record(self, fit: Fit, result: Result) -> None:
        """Keep what came of a fit."""
        trial = self._in_progress.pop(fit)
        self._results.save(fit.work, result)
        self._add(fit, result)
        if trial is None:
            return
        if not result.lost:
            # At once, before the state: killed between the two, it is as if it was not recorded.
            told = {"state": result.state, "seconds": result.seconds, "error": result.error}
            trial.set_user_attr(_RESULT, told)
        value = self.criterion(result.valid) if result.state == "complete" else None
        self._study.tell(trial, value, TELL[result.state])
        self._plan_seeds()

    @property
    def _searching(self) -> bool:
        """Whether there is a further setting to try, and time for it."""
        return bool(self._to_try) and (self._time_left() > 0 or self._to_try[0] == 0)

    def _plan_seeds(self) -> None:
        """Plan further fits of the best setting once all trials have come to an end."""
        if self._further is None and not self._in_progress and not self._searching:
            self._further = deque(self._seeds())

    def _ask(self, side_by_side: int) -> Fit:
        number = self._to_try.popleft()
        # Small seeds side by side begin alike.
        (seed,) = np.random.SeedSequence([self._template.training.seed, number]).generate_state(1)
        self._study.sampler = optuna.samplers.TPESampler(seed=int(seed))
        trial = self._study.ask(self._space if number else None)
        setting = {**self._default.model_dump(mode="json"), **trial.params}
        trial.set_user_attr(_NUMBER, number)
        trial.set_user_attr(SETTING, setting)
        place = None
        if self._budget.pruning:
            place = Place(
                self._storage,
                self._study.study_name,
                # As `optuna.Trial` takes it; it has no public name.
                trial._trial_id,
                warm_up=self._template.training.epochs // 2,
            )
        # The default setting is given all the time that it takes.
        seconds = self._time_left() / side_by_side if number else None
        work = replace(self._template, setting=setting, place=place, seconds=seconds)
        fit = Fit(work, number)
        self._in_progress[fit] = trial
        return fit

    def _go_on(self) -> None:
        """Take over what the study holds of earlier runs, but for what was broken off."""
        # The last one of a number counts.
        for trial in reversed(self._study.get_trials(deepcopy=False)):
            if not trial.state.is_finished():
                self._study.tell(trial.number, state=TrialState.FAIL)
                continue
            told = trial.user_attrs.get(_RESULT)
            number = trial.user_attrs.get(_NUMBER, -1)
            # Recorded only if it came to an end by itself.
            if told is None or TELL[told["state"]] != trial.state or number not in self._to_try:
                continue
            work = replace(self._template, setting=trial.user_attrs[SETTING])
            complete = told["state"] == "complete"
            result = self._results.load(work) if complete else Result(**told)
            if result is not None:
                self._to_try.remove(number)
                self._add(Fit(work, number), result)
        self._try_again_what_was_out_of_time()
        self._plan_seeds()

    def _try_again_what_was_out_of_time(self) -> None:
        """Give what the clock cut off another go if there is more time now."""
        for fit, result in [one for one in self.done if one[1].error == OUT_OF_TIME]:
            if self._time_left() > 0:
                self.done.remove((fit, result))
                self._to_try = deque(sorted([*self._to_try, fit.trial]))

    def _add(self, fit: Fit, result: Result) -> None:
        insort(self.done, (fit, result), key=lambda one: _order(one[0]))

    def _seeds(self) -> list[Fit]:
        best = self.best
        if best is None:
            return []
        first = self._template.training.seed
        fits = []
        for seed in range(first + 1, first + self._budget.seeds):
            training = self._template.training.model_copy(update={"seed": seed})
            work = replace(self._template, setting=best.work.setting, training=training)
            fits.append(Fit(work, -1))
        return fits

    def _time_left(self) -> float:
        spent = sum(result.seconds for fit, result in self.done if fit.trial >= 0)
        return 60 * self._budget.minutes - spent


def _order(fit: Fit) -> tuple[bool, int, int]:
    return fit.trial < 0, fit.trial, fit.work.training.seed


def _distribution(one: Distribution) -> BaseDistribution:
    """Return what Optuna draws from."""
    if isinstance(one, Choice):
        return CategoricalDistribution(one.of)
    if isinstance(one.low, int) and isinstance(one.high, int):
        return IntDistribution(one.low, one.high, log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)
