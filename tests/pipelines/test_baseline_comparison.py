"""The comparison of all models: its table against numbers made another way, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import rankdata

from mfm_pipeline.data import Corpus, Task
from mfm_pipeline.datasets import StatedTableDataset
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.evaluation import EvaluationOptions, SentimentOptions
from mfm_pipeline.evaluation.metrics import pearson_r
from mfm_pipeline.evaluation.verdict import verdict
from mfm_pipeline.pipelines.train_baselines import comparison
from mfm_pipeline.pipelines.train_baselines.options import BaselineComparisonOptions
from mfm_pipeline.pipelines.trials import fingerprint
from tests.conftest import ROOT, MakeCorpus
from tests.pipelines.baseline_tables import searched

OPTIONS = BaselineComparisonOptions(resamples=200)
PLAIN = EvaluationOptions()
SENTIMENT = EvaluationOptions(sentiment=SentimentOptions(levels=(-3, 3)))
NOISE = {"majority": 9.0, "rf": 1.0, "hcrf": 2.0, "tfn": 4.0, "mfm": 0.3}


def compared(corpus: Corpus, evaluation: EvaluationOptions = PLAIN, **how: object) -> pd.DataFrame:
    trials, predictions = searched(corpus, NOISE, evaluation=evaluation, **how)  # type: ignore[arg-type]
    return comparison.compare(trials, predictions, corpus, evaluation, OPTIONS)


def test_a_row_a_model_in_the_order_of_the_search(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    trials, predictions = searched(corpus, NOISE, failed=("tfn",), not_applicable=("hcrf",))
    table = comparison.compare(trials, predictions, corpus, PLAIN, OPTIONS)
    assert table["model"].tolist() == list(NOISE)
    assert table["state"].tolist() == ["complete", "complete", "n/a", "failed", "complete"]
    assert table["trials"].tolist() == [2, 2, 0, 1, 2]
    assert table["seeds"].tolist() == [3, 3, 0, 0, 3]
    by_model = table.set_index("model")
    assert by_model.at["tfn", "note"] == "MfmError: it broke"
    assert by_model.loc[["hcrf", "tfn"], ["r", "difference", "p_holm"]].isna().all(axis=None)
    own = trials[(trials["model"] == "rf") & trials["final"]]
    assert by_model.at["rf", "r"] == pytest.approx(np.mean(own["test/r"]))
    assert by_model.at["rf", "r_sd"] == pytest.approx(np.std(own["test/r"], ddof=1))
    assert by_model.at["rf", "setting"] == '{"hidden": 8}'
    assert by_model.at["rf", "difference"] == pytest.approx(
        by_model.at["mfm", "r"] - by_model.at["rf", "r"], abs=1e-6
    )
    assert pd.isna(by_model.at["mfm", "difference"])
    for row in by_model.loc[["majority", "rf"]].itertuples():
        assert row.difference_low <= row.difference <= row.difference_high
        assert 0 < row.p_value <= row.p_holm <= 1
    assert table.attrs["corpus"] == "toy" and table.attrs["settings"]["baselines.trials"] == 2
    told = capsys.readouterr().out
    assert " ".join(told.split()).startswith(f"{verdict(table)} Models, test, toy")
    assert all(len(line) <= 80 for line in told.splitlines())


def test_what_is_wrong_with_fits_of_the_best_setting_is_a_note(
    make_corpus: MakeCorpus, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = make_corpus()
    trials, predictions = searched(corpus, NOISE)
    of_rf = trials["model"] == "rf"
    trials.loc[trials.index[of_rf & trials["final"]][-1], "error"] = "12 prediction(s) not finite"
    trials.loc[trials.index[(trials["model"] == "tfn") & ~trials["final"]], "error"] = "of a trial"
    with caplog.at_level("INFO"):
        table = comparison.compare(trials, predictions, corpus, PLAIN, OPTIONS).set_index("model")
    assert table.at["rf", "note"] == "12 prediction(s) not finite"
    assert table["note"].drop("rf").eq("").all() and table["state"].eq("complete").all()
    assert "rf: complete, 12 prediction(s) not finite" in caplog.text


def test_the_interval_is_that_of_a_loop_over_resamples(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(targets=2)
    trials, predictions = searched(corpus, {"rf": 2.0, "mfm": 1.0}, seeds=2)
    table = comparison.compare(trials, predictions, corpus, PLAIN, OPTIONS).set_index("model")
    n = len(corpus.test)
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=200)

    columns = {
        name: [
            one[["true", "predicted"]].to_numpy().T for _, one in own.groupby(["seed", "target"])
        ]
        for name, own in predictions.groupby("model")
    }

    def r(true: np.ndarray, own: np.ndarray) -> float:
        return pearson_r(true, own)

    def saved(true: np.ndarray, own: np.ndarray) -> float:
        return -float(np.mean(np.abs(true - own)))

    drawn = [np.repeat(np.arange(n), row) for row in counts]
    for metric, prefix in ((r, ""), (saved, "mae_")):

        def ahead(index: np.ndarray, metric: Callable[..., float] = metric) -> float:
            mfm, rf = (
                np.mean([metric(true[index], own[index]) for true, own in columns[name]])
                for name in ("mfm", "rf")
            )
            return float(mfm - rf)

        low, high = np.quantile([ahead(index) for index in drawn], [0.025, 0.975])
        names = [f"{prefix}difference{which}" for which in ("", "_low", "_high")]
        found = table.loc["rf", names].tolist()
        assert found == pytest.approx([ahead(np.arange(n)), low, high], abs=1e-5)


def test_videos_are_drawn_whole_by_wish(make_corpus: MakeCorpus) -> None:
    """Of a video a sample it is as by samples."""
    corpus = make_corpus()
    trials, predictions = searched(corpus, {"rf": 2.0, "mfm": 1.0})
    by_video = BaselineComparisonOptions(resamples=200, draw="videos")

    def row(options: BaselineComparisonOptions, ids: list[str]) -> pd.Series:
        test = replace(corpus.test, ids=np.array(ids))
        other = replace(corpus, splits={**corpus.splits, "test": test})
        trials.attrs["data"] = fingerprint(other)[:16]
        table = comparison.compare(trials, predictions, other, PLAIN, options)
        found = table.set_index("model").loc["rf"]
        return found[["difference", "difference_low", "difference_high"]].astype(float)

    n = range(len(corpus.test))
    apart = [f"v{i:03d}[0]" for i in n]
    np.testing.assert_allclose(row(by_video, apart), row(OPTIONS, apart))
    pairs = row(by_video, [f"v{i // 2}[{i % 2}]" for i in n])
    assert pairs["difference_low"] < pairs["difference"] < pairs["difference_high"]
    assert not np.allclose(pairs, row(OPTIONS, apart))


def test_few_videos_show_little(make_corpus: MakeCorpus, caplog: pytest.LogCaptureFixture) -> None:
    """Of k videos that all agree the sign test says 2^(1 - k); with one there is no interval."""
    corpus = make_corpus()
    trials, predictions = searched(corpus, {"rf": 9.0, "mfm": 0.1})
    options = BaselineComparisonOptions(resamples=200, draw="videos")

    def of_videos(videos: int) -> Corpus:
        ids = np.array([f"v{i % videos}[{i}]" for i in range(len(corpus.test))])
        test = replace(corpus.test, ids=ids)
        return replace(corpus, splits={**corpus.splits, "test": test})

    other = of_videos(3)
    trials.attrs["data"] = fingerprint(other)[:16]
    table = comparison.compare(trials, predictions, other, PLAIN, options).set_index("model")
    assert table.at["rf", "p_value"] == table.at["rf", "p_holm"] == 0.25
    assert "test has 3 videos: " in caplog.text and "no lower than 0.25" in caplog.text
    assert table.attrs["settings"]["baseline_comparison.draw"] == "videos"
    assert table.attrs["settings"]["baselines.trials"] == 2
    one = of_videos(1)
    trials.attrs["data"] = fingerprint(one)[:16]
    with pytest.raises(ParameterError, match="the test split of corpus toy is of one, v0; "):
        comparison.compare(trials, predictions, one, PLAIN, options)


def test_predictions_of_another_corpus_are_refused(make_corpus: MakeCorpus) -> None:
    trials, predictions = searched(make_corpus(), NOISE)
    with pytest.raises(DataError, match="make that again"):
        comparison.compare(trials, predictions, make_corpus(seed=1), PLAIN, OPTIONS)


def test_what_only_classifies_is_compared_by_sides(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    trials, predictions = searched(corpus, NOISE, evaluation=SENTIMENT, classify=("hcrf",))
    table = comparison.compare(trials, predictions, corpus, SENTIMENT, OPTIONS).set_index("model")
    assert table["compared"].to_dict() == {**dict.fromkeys(NOISE, "r"), "hcrf": "acc_2"}
    assert pd.isna(table.at["hcrf", "r"]) and pd.isna(table.at["hcrf", "mae"])
    assert table["mae_difference"].notna().to_dict() == {
        name: name not in ("hcrf", "mfm") for name in NOISE
    }
    expected = table.at["mfm", "acc_2"] - table.at["hcrf", "acc_2"]
    assert table.at["hcrf", "difference"] == pytest.approx(expected)


@pytest.mark.parametrize("models", [{"hcrf": 1.0, "thmm": 2.0}, {"rf": 1.0}])
def test_without_mfm_nothing_is_compared(make_corpus: MakeCorpus, models: dict[str, float]) -> None:
    corpus = make_corpus()
    trials, predictions = searched(
        corpus, models, evaluation=SENTIMENT, classify=("hcrf", "thmm"), seeds=1
    )
    table = comparison.compare(trials, predictions, corpus, SENTIMENT, OPTIONS)
    assert table["difference"].isna().all() and table["acc_2"].notna().all()
    assert verdict(table) == "Nothing to compare: MFM has no score."
    figures = (
        comparison.plot_scores(table, corpus),
        comparison.plot_ranks(table, predictions, corpus, SENTIMENT, OPTIONS),
    )
    for figure in figures:
        labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert sorted(labels) == sorted(name.upper() for name in models)


@pytest.mark.parametrize(
    ("task", "targets"), [("regression", 3), ("multiclass", 1), ("multilabel", 3)]
)
def test_ranks_are_means_over_targets(task: Task, targets: int, make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(task=task, targets=targets)
    noise = {"rf": 0.3, "tfn": 0.5, "MFN": 0.5, "mfm": 0.1}
    trials, predictions = searched(corpus, noise)
    table = comparison.compare(trials, predictions, corpus, PLAIN, OPTIONS)
    figure = comparison.plot_ranks(table, predictions, corpus, PLAIN, OPTIONS)
    metric = "r" if task == "regression" else "acc"
    each = [c for c in table if c.startswith(f"{metric}/") and not c.endswith("_sd")] or [metric]
    ranks = rankdata(-table[each].round(9).to_numpy(), axis=0).mean(axis=1)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    offsets = [xy for dots in figure.axes[0].collections[1:] for xy in dots.get_offsets()]
    found = {labels[round(float(y))]: float(x) for x, y in offsets}
    assert found == pytest.approx(dict(zip(table["label"], ranks, strict=True)))


def test_a_model_that_does_not_apply_is_still_so_when_the_trials_are_read_again(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus()
    trials, predictions = searched(corpus, NOISE, not_applicable=("hcrf",))
    catalog = yaml.safe_load((ROOT / "conf/base/catalog_train_baselines.yml").read_text())
    tables = {"baseline_trials": trials}
    for name in ("baseline_trials", "baselines"):
        entry = catalog[name]
        dataset = StatedTableDataset(
            filepath=str(tmp_path / f"{name}.csv"), load_args=entry["load_args"]
        )
        dataset.save(tables[name])
        tables["baselines"] = comparison.compare(
            dataset.load() if name == "baseline_trials" else trials,
            predictions, corpus, PLAIN, OPTIONS,
        )  # fmt: skip
        assert dataset.load()["state"].tolist() == tables[name]["state"].tolist()
    hcrf = tables["baselines"].set_index("model").loc["hcrf"]
    assert (hcrf["state"], hcrf["note"]) == ("n/a", "it cannot")
    assert compared(corpus)["state"].eq("complete").all()


@pytest.mark.parametrize(("resamples", "warned"), [(100, True), (160, False)])
def test_too_few_resamples_for_any_significance_are_said(
    resamples: int, warned: bool, make_corpus: MakeCorpus, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = make_corpus()
    noise = {"mfm": 0.01, **dict.fromkeys(["rf", "gbt", "tfn", "mfn"], 50.0)}
    trials, predictions = searched(corpus, noise)
    options = BaselineComparisonOptions(resamples=resamples)
    table = comparison.compare(trials, predictions, corpus, PLAIN, options)
    assert ("expected at least 160" in caplog.text) == warned
    assert (table["p_holm"].min() < 0.05) != warned
