"""Baselines of Table 2: what they may see, and that none is trained twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch

from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation import EvaluationOptions
from mfm_pipeline.evaluation.missing import MissingOptions
from mfm_pipeline.models import Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.pipelines import trials
from mfm_pipeline.pipelines.states import State, apart, side_by_side
from mfm_pipeline.pipelines.train_surrogate import baselines, evaluation
from mfm_pipeline.pipelines.train_surrogate.baselines import train_baselines
from mfm_pipeline.training import TrainingOptions
from tests.conftest import MakeCorpus
from tests.evaluation.missing.stand_in import SMALL, model_of

MISSING = MissingOptions(k_tried=(1, 3), shares=(0.0, 0.5), noise=(0.0, 1.0), draws=2)
EVALUATE = EvaluationOptions()
TRAINING = TrainingOptions(epochs=1, batch_size=16)


@pytest.fixture
def tracked(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[mlflow.ActiveRun]:
    """Open a run, as the pipeline does; a copy of a database, for a new one takes long."""
    shutil.copy(finished / "mlflow.db", tmp_path)
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run() as run:
        yield run


def surrogates_of(corpus: Corpus, *, seeds: int = 1) -> State:
    """Return surrogate inference that was not trained, of two patterns."""
    states = {}
    for seed in range(seeds):
        full = model_of(corpus)
        plan = SurrogateBlueprint(
            model=Blueprint.of(corpus.train, ModelOptions.model_validate(SMALL)),
            options=SurrogateOptions(patterns=(("language",), ("acoustic", "visual"))),
        )
        torch.manual_seed(seed)
        networks = [plan.build_network(one, full) for one in plan.networks]
        states[str(seed)] = plan.to_state(plan.assemble(full, networks))
    return side_by_side(states)


def train(corpus: Corpus, surrogates: State, place: Path, **training: Any) -> State:
    options = TRAINING.model_copy(update=training)
    return train_baselines(surrogates, corpus, options, MISSING, place)


def as_initialised(trial: trials.Trial, corpus: Corpus, *_: Any, **__: Any) -> Any:
    """Return what training would start from."""
    torch.manual_seed(trial.training.seed)
    blueprint = Blueprint.of(corpus.train, trial.model)
    return blueprint.to_state(blueprint.build()), {"valid/loss": 0.0, "seconds": 0.0}


def test_baselines_see_what_is_observed_alone(
    make_corpus: MakeCorpus, tracked: object, tmp_path: Path
) -> None:
    corpus = make_corpus()
    surrogates = surrogates_of(corpus)
    states = apart(train(corpus, surrogates, tmp_path / "trials"))
    assert list(states) == [
        "0, seq2seq, language", "0, discriminative, language",
        "0, seq2seq, acoustic+visual", "0, discriminative, acoustic+visual",
    ]  # fmt: skip
    inputs = Inputs.from_split(corpus.test)
    for name, state in states.items():
        _, method, pattern = name.split(", ")
        observed = pattern.split("+")
        blueprint, model = Blueprint.from_state(state)
        for value in inputs.values.values():
            value.grad = None
            value.requires_grad_()
        output = model(inputs)
        missing = {"language", "acoustic", "visual"} - set(observed)
        assert set(output.reconstructions) == (missing if method == "seq2seq" else set())
        total = output.heads.sum() + sum(made.sum() for made in output.reconstructions.values())
        total.backward()
        for modality, value in inputs.values.items():
            read = value.grad is not None and bool(value.grad.any())
            assert read == (modality in observed)
        assert blueprint.options.task_weight == (0 if method == "seq2seq" else 1)
        assert blueprint.options.prior_weight == 0 == blueprint.options.noise


def test_what_is_finished_is_not_trained_again(
    make_corpus: MakeCorpus,
    tracked: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus = make_corpus()
    surrogates, place = surrogates_of(corpus), tmp_path / "trials"
    original, seen = trials.fit, []

    def counted(*args: Any, **kwargs: Any) -> Any:
        seen.append(args)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(trials, "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        train(corpus, surrogates, place)
    resumed = train(corpus, surrogates, place, resume=True)
    # Two before, one broken off, and then that one and the last.
    assert len(seen) == 5
    again = train(corpus, surrogates, place, resume=True)
    assert len(seen) == 5
    anew = train(corpus, surrogates, tmp_path / "others")
    assert len(seen) == 9
    for other in (again, anew):
        assert other["description"] == resumed["description"]
        for key, values in resumed["weights"].items():
            assert torch.equal(values, other["weights"][key])


def test_tables_have_every_method_and_repeat_exactly(
    make_corpus: MakeCorpus,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus = make_corpus()
    surrogates = surrogates_of(corpus, seeds=2)
    monkeypatch.setattr(baselines, "train_once", as_initialised)
    trained = train(corpus, surrogates, tmp_path / "trials")
    neighbours = evaluation.choose_neighbours(surrogates, corpus, MISSING, EVALUATE)
    assert set(neighbours) == {"0", "1"} and set(neighbours.values()) <= {1, 3}
    scores = evaluation.score_patterns(
        surrogates, trained, neighbours, corpus, MISSING, TRAINING, EVALUATE
    )
    again = evaluation.score_patterns(
        surrogates, trained, neighbours, corpus, MISSING, TRAINING, EVALUATE
    )
    assert scores.equals(again)
    table = evaluation.summarise(scores, corpus)
    assert list(table["missing"].unique()) == ["none", "language", "acoustic+visual"]
    assert set(table["seeds"]) == {2} and set(table["protocol"]) == {"test"}
    methods = ["surrogate", "seq2seq", "discriminative", "absent", "zeros", "mean", "knn"]
    for missing in ("language", "acoustic+visual"):
        rows = table[table["missing"] == missing]
        assert list(rows["method"]) == methods
        assert list(rows["method"][rows["r"].isna()]) == ["seq2seq"]
        assert list(rows["method"][rows[f"mse/{missing.split('+')[0]}"].isna()]) == [
            "discriminative"
        ]
    holes = evaluation.score_holes(surrogates, neighbours, corpus, MISSING, TRAINING, EVALUATE)
    assert len(holes) == 2 * 5 * (1 + 2) and list(holes.columns[:4]) == [
        "protocol", "method", "share", "seed",
    ]  # fmt: skip
    noise = evaluation.score_noise(surrogates, corpus, MISSING, TRAINING, EVALUATE)
    assert len(noise) == 2 * 3 * (1 + 2)
    natural = evaluation.score_natural(surrogates, corpus, MISSING, TRAINING, EVALUATE)
    assert natural["observed"].iloc[0] == "all samples"
    for stated in (scores, table, holes, noise, natural):
        assert stated.attrs["corpus"] == "toy" and stated.attrs["synthetic"]
        assert stated.attrs["seeds"] == [0, 1] and stated.attrs["protocol"] == "test"
        assert stated.attrs["settings"]["training.epochs"] == 1
        assert stated.attrs["settings"]["missing.draws"] == 2
        assert (stated["protocol"] == "test").all()
    model = Blueprint.of(corpus.train, ModelOptions.model_validate(SMALL)).to_state(
        model_of(corpus)
    )
    assert trials.fingerprint_of_weights(model).startswith(table.attrs["model"])
    for figure in (
        evaluation.plot_patterns(table, corpus),
        evaluation.plot_holes(holes, corpus),
        evaluation.plot_noise(noise, corpus),
    ):
        told = figure.get_suptitle()
        assert "toy (synthetic data)" in told and "protocol test" in told
    assert "language" in capsys.readouterr().out


def test_baselines_may_have_a_learning_rate_of_their_own(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus()
    seen: list[float] = []

    def record(trial: trials.Trial, *_: Any, **__: Any) -> Any:
        seen.append(trial.training.learning_rate)
        return as_initialised(trial, corpus)

    monkeypatch.setattr(baselines, "train_once", record)
    for rate in (None, 0.5):
        options = MISSING.model_copy(update={"baseline_learning_rate": rate})
        baselines.train_baselines(surrogates_of(corpus), corpus, TRAINING, options, tmp_path)
    assert seen == [TRAINING.learning_rate] * 4 + [0.5] * 4


def test_a_set_number_of_neighbours_is_taken(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    options = MISSING.model_copy(update={"k": 7})
    chosen = evaluation.choose_neighbours(surrogates_of(corpus), corpus, options, EVALUATE)
    assert chosen == {"0": 7}


def test_several_states_lie_side_by_side_and_come_apart() -> None:
    states = {
        "0, a": {"description": {"x": 1}, "weights": {"w.b": torch.ones(1)}},
        "1, a": {"description": {"x": 2}, "weights": {"w.b": torch.zeros(1), "c": torch.ones(2)}},
    }
    together = side_by_side(states)
    assert set(together["weights"]) == {"0, a.w.b", "1, a.w.b", "1, a.c"}
    assert apart(together) == states
