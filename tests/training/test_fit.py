"""Training end to end on a small corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mfm_pipeline.errors import DataError, ParameterError, TrainingError
from mfm_pipeline.evaluation import predict_corpus, score_test
from mfm_pipeline.evaluation.predict import reconstruction_errors
from mfm_pipeline.models import Inputs, ModelOptions
from mfm_pipeline.training import TrainingOptions, fit
from mfm_pipeline.training.module import TrainingModule
from tests.conftest import MakeCorpus
from tests.models.image_samples import SMALL as IMAGES
from tests.models.image_samples import mixed_corpus

SMALL = {"discriminative": {"latent": 8, "factor": 8}, "generative": {"latent": 4, "factor": 4}}


@pytest.mark.parametrize("task", ["regression", "multiclass", "multilabel"])
@pytest.mark.parametrize("fusion", ["mfn", "ef_lstm", "statistics"])
def test_every_fusion_learns_every_task(
    make_corpus: MakeCorpus, tmp_path: Path, task: str, fusion: str
) -> None:
    corpus = make_corpus(task=task, targets=1)
    options = TrainingOptions(epochs=12, learning_rate=0.02, batch_size=16, monitor="valid/task")
    model = ModelOptions(fusion=fusion, **SMALL)
    trained = fit(corpus, model, options, tmp_path)
    assert len(trained.history) == 12
    predictions = predict_corpus(trained.model, corpus, 64)
    errors = reconstruction_errors(trained.model, corpus, 64)
    metrics = score_test(predictions, errors, corpus, None)
    better = "r" if task == "regression" else "acc"
    assert metrics[f"test/{better}"] > metrics[f"trivial/{better}"] + 0.1
    assert (trained.history["train/loss"].iloc[-3:].mean()) < trained.history["train/loss"].iloc[0]


def test_weights_kept_are_those_of_the_best_validation_epoch(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus()
    options = TrainingOptions(epochs=12, learning_rate=0.05, schedule="constant", batch_size=16)
    trained = fit(
        corpus, ModelOptions(fusion="ef_lstm", prior_weight=0.0, **SMALL), options, tmp_path
    )
    predictions = predict_corpus(trained.model, corpus, 64)
    valid = predictions[predictions["split"] == "valid"]
    usable = valid["predicted_by"] == "model"
    spread = corpus.train.targets.values.std()
    mae = (valid["true/target_0"] - valid["predicted/target_0"])[usable].abs().mean() / spread
    best = trained.history["valid/loss"].idxmin()
    assert mae == pytest.approx(trained.history["valid/task"][best], rel=1e-5)


def test_the_epoch_of_the_fewest_wrong_classes_is_kept(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(task="multiclass")
    options = TrainingOptions(epochs=4, learning_rate=0.01, monitor="valid/error")
    model = ModelOptions(fusion="ef_lstm", **SMALL)
    trained = fit(corpus, model, options, tmp_path)
    table = predict_corpus(trained.model, corpus, batch_size=16)
    valid = table[(table["split"] == "valid") & (table["predicted_by"] == "model")]
    wrong = (valid["true"] != valid["predicted"]).mean()
    assert wrong == pytest.approx(trained.history["valid/error"].min())
    with pytest.raises(ParameterError, match=r"valid/error.*regression; expected"):
        fit(make_corpus(task="regression"), model, options, tmp_path)


def test_same_seed_same_weights_other_seed_others(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()

    def weights(seed: int) -> torch.Tensor:
        options = TrainingOptions(epochs=2, seed=seed)
        model = fit(corpus, ModelOptions(fusion="mfn", **SMALL), options, tmp_path).model
        return torch.cat([p.flatten() for p in model.parameters()])

    first = weights(0)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_a_resumed_run_ends_with_the_same_bits(
    make_corpus: MakeCorpus, tmp_path: Path, schedule: str, averaging: float
) -> None:
    corpus = make_corpus()
    model = ModelOptions(
        fusion="mfn",
        discriminative={"latent": 8, "factor": 8, "dropout": 0.3},
        generative={"latent": 4, "factor": 4},
    )
    options = {
        "epochs": 8,
        "learning_rate": 0.02,
        "schedule": schedule,
        "averaging": averaging,
        "plateau": {"factor": 0.5, "patience": 0},
    }
    whole = fit(corpus, model, TrainingOptions(**options), tmp_path / "whole")

    class KilledError(Exception):
        pass

    original = TrainingModule.training_step

    def dies_in_epoch_3(self: TrainingModule, index: torch.Tensor) -> torch.Tensor:
        if self.current_epoch == 3:
            raise KilledError
        return original(self, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", dies_in_epoch_3)
        with pytest.raises(KilledError):
            fit(corpus, model, TrainingOptions(**options), tmp_path / "broken")
    resumed = fit(corpus, model, TrainingOptions(**options, resume=True), tmp_path / "broken")

    pd.testing.assert_frame_equal(whole.history, resumed.history, check_exact=True)
    for (name, a), b in zip(
        whole.model.state_dict().items(), resumed.model.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


def test_early_stopping_stays_stopped_when_resumed(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()
    model = ModelOptions(fusion="statistics", **SMALL)
    options = {"epochs": 60, "learning_rate": 0.1, "schedule": "constant", "early_stopping": 3}
    first = fit(corpus, model, TrainingOptions(**options), tmp_path)
    assert 4 <= len(first.history) < 60
    again = fit(corpus, model, TrainingOptions(**options, resume=True), tmp_path)
    pd.testing.assert_frame_equal(first.history, again.history, check_exact=True)


def test_checkpoint_of_another_model_is_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()
    fit(corpus, ModelOptions(fusion="ef_lstm", **SMALL), TrainingOptions(epochs=1), tmp_path)
    with pytest.raises(ParameterError, match="resume"):
        fit(
            corpus,
            ModelOptions(fusion="mfn", **SMALL),
            TrainingOptions(epochs=1, resume=True),
            tmp_path,
        )


def test_constant_target_is_named(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(targets=2)
    corpus.train.targets.values[:, 1] = 3.0
    with pytest.raises(DataError, match="target_1"):
        fit(corpus, ModelOptions(), TrainingOptions(epochs=1), tmp_path)


def test_unknown_modality_in_options_is_named(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    options = ModelOptions(reconstruction={"langage": 1.0, "default": 1.0})
    with pytest.raises(ParameterError, match="langage"):
        fit(make_corpus(), options, TrainingOptions(epochs=1), tmp_path)


def test_samples_without_any_modality_are_left_out_and_guessed(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus()
    for split in corpus.splits.values():
        for modality in split.modalities.values():
            modality.present[0] = False
            modality.steps[0] = False  # type: ignore[index]
            modality.values[0] = np.nan
    trained = fit(corpus, ModelOptions(fusion="mfn", **SMALL), TrainingOptions(epochs=2), tmp_path)
    table = predict_corpus(trained.model, corpus, 64)
    test = table[table["split"] == "test"].reset_index()
    assert test["predicted_by"][0] == "trivial"
    median = np.median(corpus.train.targets.values)
    assert test["predicted/target_0"][0] == pytest.approx(median)
    assert np.isfinite(trained.history["train/loss"]).all()


def test_divergence_is_one_clear_error(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TrainingModule.on_train_epoch_start

    def spoil_in_epoch_2(self: TrainingModule) -> None:
        original(self)
        if self.current_epoch == 2:
            torch.nn.init.constant_(next(self.model.head.parameters()), torch.inf)

    monkeypatch.setattr(TrainingModule, "on_train_epoch_start", spoil_in_epoch_2)
    with pytest.raises(TrainingError, match=r"diverged in epoch 2: .*training\.learning_rate"):
        fit(make_corpus(), ModelOptions(**SMALL), TrainingOptions(epochs=4), tmp_path)


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_any_precision_trains(make_corpus: MakeCorpus, tmp_path: Path, precision: str) -> None:
    options = TrainingOptions(epochs=2, precision=precision)
    model = ModelOptions(fusion="mfn", **SMALL)
    corpus = make_corpus()
    trained = fit(corpus, model, options, tmp_path)
    assert trained.history["train/loss"].iloc[1] < trained.history["train/loss"].iloc[0]
    with torch.inference_mode():
        predicted = trained.model.predict(Inputs.from_split(corpus.test))
    assert predicted.dtype == torch.float32 and predicted.isfinite().all()


def test_two_devices_share_an_epoch(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    options = TrainingOptions(epochs=2, accelerator="cpu", devices=2, averaging=0.9)
    trained = fit(make_corpus(), ModelOptions(fusion="statistics", **SMALL), options, tmp_path)
    assert list(trained.history["epoch"]) == [0, 1]
    assert trained.history["train/loss"].iloc[1] < trained.history["train/loss"].iloc[0]


def test_a_device_that_is_not_there_is_named(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    options = TrainingOptions(epochs=1, strategy="ddq")
    with pytest.raises(ParameterError, match="strategy is 'ddq'"):
        fit(make_corpus(), ModelOptions(**SMALL), options, tmp_path)


def test_swapped_styles_are_in_the_history_and_resume_alike(tmp_path: Path) -> None:
    corpus = mixed_corpus(sizes=(24, 12, 12))
    model = ModelOptions.model_validate(IMAGES | {"style_swap": {"picture": 0.5, "default": 0}})
    options = TrainingOptions(epochs=2, schedule="constant", batch_size=12)
    whole = fit(corpus, model, options, tmp_path / "whole")
    swapped = {name for name in whole.history if "/swap/" in name}
    assert swapped == {"train/swap/picture", "valid/swap/picture"}
    parts = ("task", "prior", "reconstruction/picture", "reconstruction/speech")
    total = sum(whole.history[f"valid/{part}"] for part in parts)
    total = total + 0.5 * whole.history["valid/swap/picture"]
    np.testing.assert_allclose(whole.history["valid/loss"], total, rtol=1e-5)
    fit(corpus, model, options.model_copy(update={"epochs": 1}), tmp_path / "parts")
    resumed = options.model_copy(update={"resume": True})
    again = fit(corpus, model, resumed, tmp_path / "parts")
    pd.testing.assert_frame_equal(again.history, whole.history)
