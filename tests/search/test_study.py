"""What a model tries: by equal budgets, reproducibly, and on from wherever it was broken off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.baselines.criterion import Criterion
from mfm_pipeline.data import Corpus
from mfm_pipeline.search.study import Fit, ModelSearch
from mfm_pipeline.search.work import OUT_OF_TIME, Result
from tests.conftest import MakeCorpus, _make_corpus
from tests.search.stand_ins import (
    FITS,
    STAND_INS,
    LinearOptions,
    fitted_on,
    in_memory,
    run,
    search_of,
    stand_ins,
    told,
)

pytestmark = pytest.mark.usefixtures("stand_ins")
__all__ = ["stand_ins"]

CORPUS = _make_corpus(sizes=(30, 16, 12))
FIT = fitted_on(CORPUS)
DEFAULT = LinearOptions().model_dump()


def settings(search: ModelSearch) -> list[dict[str, Any]]:
    return [dict(fit.work.setting) for fit, _ in search.done if fit.trial >= 0]


@pytest.mark.parametrize("name", ["linear", "other", "classifier", "epochs", "failing"])
def test_every_model_tries_as_many_settings_its_default_one_first(
    name: str, tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus = make_corpus(task="multiclass", sizes=(30, 16, 12))
    options = {"limit": 1e9} if name == "failing" else {}
    search = search_of(name, tmp_path, metric="acc", trials=5, **options)
    assert search.planned == 5 + 2
    run(search, fitted_on(corpus))
    assert search.finished and search.planned == 0 and search.in_progress == 0
    assert [fit.trial for fit, _ in search.done] == [0, 1, 2, 3, 4, -1, -1]
    tried = settings(search)
    assert {k: v for k, v in tried[0].items() if k in DEFAULT} == DEFAULT
    searched = set(STAND_INS[name].space)
    for setting in tried[1:]:
        assert all(setting[key] == tried[0][key] for key in set(setting) - searched)
        assert any(setting[key] != tried[0][key] for key in searched)


def test_a_model_without_a_space_has_one_setting_and_every_seed(tmp_path: Path) -> None:
    study = in_memory()
    method = STAND_INS["linear"]
    search = search_of("linear", tmp_path, study)
    alone = ModelSearch(
        search._template, method(), {}, search._budget,
        criterion=Criterion(("r",)), study=in_memory(), storage="", results=search._results,
    )  # fmt: skip
    assert alone.planned == 3
    run(alone, FIT)
    assert [(f.trial, f.work.training.seed) for f, _ in alone.done] == [(0, 3), (-1, 4), (-1, 5)]


def test_draws_lie_in_the_space_and_are_of_its_kind(tmp_path: Path) -> None:
    search = search_of("linear", tmp_path, trials=40)
    run(search, lambda work: Result("failed", 0.0, error="not fitted"))
    drawn = settings(search)[1:]
    assert all(0.01 <= one["penalty"] <= 1000 for one in drawn)
    # Evenly in the logarithm: about half lies below the geometric mean.
    below = np.mean([one["penalty"] < 10**0.5 for one in drawn])
    assert 0.25 < below < 0.75
    assert {one["power"] for one in drawn} == {1, 2, 3}
    assert all(type(one["power"]) is int for one in drawn)
    assert {one["intercept"] for one in drawn} == {True, False}


def test_draws_depend_on_the_seed_and_the_number_alone(tmp_path: Path) -> None:
    first, again, other = (search_of(n, tmp_path) for n in ("linear", "linear", "other"))
    run(first, FIT)
    # Side by side, in another order, and another model meanwhile.
    asked = [again.next(), other.next(), again.next(), other.next(), again.next()]
    fits = [fit for fit in asked if fit is not None]
    assert len(fits) == 5
    for fit in reversed(fits):
        (other if fit.work.name == "other" else again).record(fit, FIT(fit.work))
    run(again, FIT)
    run(other, FIT)
    assert told(first) == told(again)
    assert settings(first) == settings(other)
    assert len({str(one) for one in settings(first)}) == 5


def test_another_seed_draws_otherwise(tmp_path: Path) -> None:
    drawn = []
    for seed in (0, 1, 2):
        search = search_of("linear", tmp_path)
        training = search._template.training.model_copy(update={"seed": seed})
        object.__setattr__(search._template, "training", training)
        run(search, FIT)
        drawn.append([one["penalty"] for one in settings(search)[1:]])
    assert len({value for one in drawn for value in one}) == 12


def test_the_best_setting_is_fitted_with_every_further_seed_and_once(tmp_path: Path) -> None:
    search = search_of("linear", tmp_path, trials=6, seeds=4)
    run(search, FIT)
    best = search.best
    assert best is not None
    scores = [result.valid["r"] for fit, result in search.done if fit.trial >= 0]
    assert scores[best.trial] == max(scores) and best.trial == int(np.argmax(scores))
    further = [fit.work for fit, _ in search.done if fit.trial < 0]
    assert [work.training.seed for work in further] == [4, 5, 6]
    assert all(work.setting == best.work.setting for work in further)
    assert len(FITS) == 6 + 3
    assert len({(str(setting), seed) for _, setting, seed in FITS}) == 9


def test_of_equals_the_first_is_best(tmp_path: Path) -> None:
    search = search_of("linear", tmp_path)
    run(search, lambda work: Result("complete", 0.0, 1, {"r": 0.5}, np.zeros((12, 1))))
    assert search.best is not None and search.best.trial == 0


KNOWN: dict[str, Result] = {}


def outcome(fit: Fit) -> Result:
    """Return some of every kind."""
    if fit.trial % 4 == 1:
        return Result("failed", 0.1, error="failed")
    if fit.trial % 4 == 2:
        return Result("pruned", 0.1)
    key = f"{fit.work.setting} {fit.work.training.seed}"
    if key not in KNOWN:
        KNOWN[key] = FIT(fit.work)
    return KNOWN[key]


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


@given(
    actions=st.lists(st.integers(0, 5), max_size=20),
    trials=st.integers(1, 7),
)
def test_whatever_is_broken_off_and_in_whatever_order_it_ends_comes_to_the_same(
    actions: list[int], trials: int
) -> None:
    with TemporaryDirectory() as place:
        whole = search_of("linear", Path(place) / "whole", trials=trials)
        while (fit := whole.next()) is not None:
            whole.record(fit, outcome(fit))
        study, folder = in_memory(), Path(place) / "broken"
        search, open_fits = search_of("linear", folder, study, trials=trials), []
        for action in actions:
            if action == 0:  # Killed, with all that was in progress.
                search, open_fits = search_of("linear", folder, study, trials=trials), []
            elif action == 5 and open_fits:  # Killed while it records.
                fit = open_fits.pop()
                with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
                    patch.setattr(study, "tell", killed)
                    search.record(fit, outcome(fit))
                    raise KeyboardInterrupt  # Further seeds tell the study nothing.
                search, open_fits = search_of("linear", folder, study, trials=trials), []
            elif action <= 2 and (fit := search.next()) is not None:
                open_fits.append(fit)
            elif open_fits:
                fit = open_fits.pop(-1 if action == 3 else 0)
                search.record(fit, outcome(fit))
        search = search_of("linear", folder, study, trials=trials)
        while (fit := search.next()) is not None:
            search.record(fit, outcome(fit))
        assert told(search) == told(whole)
        assert search.best is not None and whole.best is not None
        assert search.best.trial == whole.best.trial


def test_draws_that_learn_from_results_go_on_as_they_would_have(tmp_path: Path) -> None:
    trials = 14  # The estimator begins after ten.
    whole = search_of("linear", tmp_path / "whole", trials=trials, seeds=1)
    run(whole, FIT)
    study = in_memory()
    for _ in range(trials):
        search = search_of("linear", tmp_path / "broken", study, trials=trials, seeds=1)
        run(search, FIT, most=1)
        search.next()  # Given out, and never recorded.
    search = search_of("linear", tmp_path / "broken", study, trials=trials, seeds=1)
    assert search.finished
    assert told(search) == told(whole)
    drawn = search_of("linear", tmp_path / "drawn", trials=trials, seeds=1)
    run(drawn, lambda work: Result("failed", 0.0, error="nothing to learn from"))
    assert settings(drawn)[:10] == settings(whole)[:10]
    assert settings(drawn)[11:] != settings(whole)[11:]


def test_more_trials_and_seeds_go_on_from_those_that_there_are(tmp_path: Path) -> None:
    whole = search_of("linear", tmp_path / "whole", trials=8, seeds=4)
    run(whole, FIT)
    study = in_memory()
    run(search_of("linear", tmp_path / "grown", study, trials=3, seeds=2), FIT)
    FITS.clear()
    grown = search_of("linear", tmp_path / "grown", study, trials=8, seeds=4)
    run(grown, FIT)
    assert told(grown) == told(whole)
    assert len([one for one in FITS if one[2] == 3]) == 5
    # Fewer are the first of them.
    fewer = search_of("linear", tmp_path / "grown", study, trials=3, seeds=2)
    shorter = search_of("linear", tmp_path / "shorter", trials=3, seeds=2)
    run(shorter, FIT)
    run(fewer, FIT)
    assert told(fewer) == told(shorter)


def test_a_trial_whose_result_is_lost_is_done_again(tmp_path: Path) -> None:
    study = in_memory()
    search = search_of("linear", tmp_path, study)
    run(search, FIT)
    lost = next(fit for fit, _ in search.done if fit.trial == 2)
    place = tmp_path / search._results.key(lost.work)
    (place / "predictions.npy").unlink()
    (place / "result.json").unlink()
    FITS.clear()
    again = search_of("linear", tmp_path, study)
    run(again, lambda work: search._results.load(work) or FIT(work))
    assert [("Linear", dict(lost.work.setting), 3)] == FITS
    assert told(again) == told(search)


def test_no_setting_is_tried_after_its_time(tmp_path: Path) -> None:
    def slow(work: Any) -> Result:
        result = FIT(work)
        return Result(result.state, 25.0, result.parameters, result.valid, result.predictions)

    study = in_memory()
    search = search_of("linear", tmp_path, study, trials=9, minutes=1.0)
    run(search, slow)
    # 25, 50 and 75 seconds of 60; further seeds are not search.
    assert [fit.trial for fit, _ in search.done] == [0, 1, 2, -1, -1]
    again = search_of("linear", tmp_path, study, trials=9, minutes=1.0)
    run(again, slow)
    assert told(again) == told(search)
    # The default setting is tried, whatever the time.
    short = search_of("linear", tmp_path / "short", trials=9, minutes=1e-9)
    run(short, slow)
    assert [fit.trial for fit, _ in short.done] == [0, -1, -1]


def test_what_the_clock_cut_off_is_done_again_with_more_time(tmp_path: Path) -> None:
    def cut(work: Any) -> Result:
        if work.seconds is not None and work.seconds < 25:
            return Result("pruned", work.seconds + 0.1, error=OUT_OF_TIME)
        return Result("complete", 25.0, 1, {"r": 0.5}, np.zeros((12, 1)))

    study = in_memory()
    search = search_of("linear", tmp_path, study, trials=4, seeds=1, minutes=1.0)
    run(search, cut)
    assert [result.state for _, result in search.done] == ["complete", "complete", "pruned"]
    for minutes, states in ((1.0, "ccp"), (2.0, "cccc"), (2.0, "cccc")):
        again = search_of("linear", tmp_path, study, trials=4, seeds=1, minutes=minutes)
        run(again, cut)
        assert "".join(result.state[0] for _, result in again.done) == states
        assert [fit.trial for fit, _ in again.done] == list(range(len(states)))


def test_what_was_lost_with_its_process_is_done_again(tmp_path: Path) -> None:
    study = in_memory()
    search = search_of("linear", tmp_path, study, trials=3)
    run(search, lambda work: Result("failed", 0.0, error="BrokenProcessPool", lost=True))
    assert [result.state for _, result in search.done] == ["failed"] * 3
    again = search_of("linear", tmp_path, study, trials=3)
    run(again, FIT)
    whole = search_of("linear", tmp_path / "whole", trials=3)
    run(whole, FIT)
    assert told(again) == told(whole)


def test_drawn_settings_are_given_the_time_that_is_left(tmp_path: Path) -> None:
    search = search_of("linear", tmp_path, minutes=1.0)
    first = search.next()
    assert first is not None and first.work.seconds is None
    search.record(first, Result("failed", 20.0, error=""))
    second = search.next()
    assert second is not None and second.work.seconds == pytest.approx(40)
    third = search.next(side_by_side=4)
    assert third is not None and third.work.seconds == pytest.approx(10)


@pytest.mark.parametrize("state", ["failed", "pruned"])
def test_without_a_complete_trial_there_is_no_best_one(tmp_path: Path, state: Any) -> None:
    study = in_memory()
    search = search_of("linear", tmp_path, study)
    run(search, lambda work: Result(state, 0.1, error="so it went"))
    assert search.finished and search.best is None
    assert [result.state for _, result in search.done] == [state] * 5
    FITS.clear()
    again = search_of("linear", tmp_path, study)
    assert again.finished and told(again) == told(search) and not FITS


def test_failures_are_among_the_trials_and_never_the_best(tmp_path: Path) -> None:
    search = search_of("failing", tmp_path, trials=8, limit=1.0)
    run(search, FIT)
    by_state = {fit.trial: result.state for fit, result in search.done if fit.trial >= 0}
    for fit, result in search.done:
        assert (result.state == "failed") == (fit.work.setting["penalty"] > 1.0)
        if result.state == "failed":
            assert result.error.startswith("LinAlgError: does not converge (stand_ins.py:")
    assert len(by_state) == 8 and {"failed", "complete"} == set(by_state.values())
    assert search.best is not None and by_state[search.best.trial] == "complete"
    states = [trial.state.name for trial in search._study.trials]
    assert states.count("FAIL") == list(by_state.values()).count("failed")


def test_a_trial_among_the_worst_quarter_is_pruned(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/studies.db"
    study = optuna.create_study(storage=storage, study_name="epochs", direction="maximize")
    search = search_of("epochs", tmp_path, study, trials=8, storage=storage)
    run(search, FIT)
    trials = [(fit.work.setting["cost"], result) for fit, result in search.done if fit.trial >= 0]
    # The literal rule: three trials run to their end; each later one stops that is worse than
    # three quarters of those which completed.
    completed: list[float] = []
    for cost, result in trials:
        behind = len(completed) >= 3 and cost > np.quantile(completed, 0.75)
        assert result.state == ("pruned" if behind else "complete"), cost
        if not behind:
            completed.append(cost)
    assert any(result.state == "pruned" for _, result in trials)
    # At the first epoch after those that each may have, half of six.
    reported = [list(t.intermediate_values) for t in study.trials if t.state.name == "PRUNED"]
    assert all(epochs == [3] for epochs in reported)
    # Of final seeds none is.
    assert [r.state for f, r in search.done if f.trial < 0] == ["complete"] * 2
    unpruned = search_of("epochs", tmp_path / "unpruned", trials=8)
    run(unpruned, FIT)
    assert {result.state for _, result in unpruned.done} == {"complete"}


def test_what_test_says_never_decides(tmp_path: Path) -> None:
    """With other test targets every setting, fit, choice and prediction is the same."""
    search = search_of("linear", tmp_path / "a")
    run(search, FIT)
    fitted = list(FITS)
    FITS.clear()
    shuffled = search_of("linear", tmp_path / "b")
    run(shuffled, fitted_on(_with_shuffled_test(CORPUS)))
    assert fitted == FITS and told(shuffled) == told(search)


def _with_shuffled_test(corpus: Corpus) -> Corpus:
    test = corpus.test
    values = np.random.default_rng(0).permutation(test.targets.values)
    assert (values != test.targets.values).any()
    targets = replace(test.targets, values=values)
    return replace(corpus, splits={**corpus.splits, "test": replace(test, targets=targets)})
