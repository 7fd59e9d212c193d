"""The data report says what the corpus holds; the console says it in few lines."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.data import Corpus, Modality, Split, Targets, Task
from mfm_pipeline.features.scale import fit_scaling
from mfm_pipeline.ingestion.report import make_report
from mfm_pipeline.ingestion.tally import Tally
from mfm_pipeline.ingestion.tell import tell_data
from mfm_pipeline.pipelines.ingest_features.nodes import report_data
from tests.ingestion.tiny_corpus import make_options

MakeCorpus = Callable[..., Corpus]


def modality(*samples: str) -> Modality:
    """Return one feature a step: 1, 2, ... where there is an x; dots have no frame."""
    steps = np.array([[mark == "x" for mark in row] for row in samples])
    values = np.where(steps, np.arange(1, steps.shape[1] + 1), 0)[..., None]
    return Modality(values.astype(np.float32), steps.any(axis=1), steps)


def make_split(name: str, labels: list[float], **samples: tuple[str, ...]) -> Split:
    targets = Targets(np.array(labels, dtype=np.float32)[:, None], ("mood",), "regression")
    ids = np.array([f"{name}{i}" for i in range(len(labels))])
    return Split({key: modality(*rows) for key, rows in samples.items()}, targets, ids)


def small_corpus() -> Corpus:
    """Return seven samples of five that have steps, with gaps and absences."""
    return Corpus(
        "small",
        {
            "train": make_split(
                "a", [-3, -1, 1, 2],
                sound=("xxxx", ".xxx", "....", "...."), sight=("x.xx", "...x", "..xx", "...."),
            ),
            "valid": make_split("b", [0.5], sound=("..xx",), sight=("....",)),
            "test": make_split("c", [2, 3], sound=("xxxx", "...x"), sight=("xxxx", "...x")),
        },
        left_out=("text",),
        counts={"segments without words": 2},
    )  # fmt: skip


def small_samples() -> pd.DataFrame:
    rows = [
        ("a0", "va", "train", 4, 9, "shortened", "the last 4 of 9 steps are kept"),
        ("a1", "va", "train", 3, 3, "kept", ""),
        ("a2", "vb", "train", 2, 2, "kept", ""),
        ("a3", "vb", "train", 0, 0, "kept", ""),
        ("x0", "vb", "train", 0, 0, "dropped", "no words in the segment"),
        ("x1", "vx", "train", 0, 0, "dropped", "no words in the segment"),
        ("b0", "vc", "valid", 2, 2, "kept", ""),
        ("c0", "vd", "test", 4, 4, "kept", ""),
        ("c1", "ve", "test", 1, 1, "kept", ""),
    ]
    columns = ["id", "video", "split", "steps", "steps_found", "fate", "reason"]
    return pd.DataFrame(rows, columns=columns)


def samples_of(corpus: Corpus) -> pd.DataFrame:
    """Return the samples as prepared arrays have them: no videos."""
    tables = []
    for name, split in corpus.splits.items():
        assert split.step_mask is not None
        steps = split.step_mask.sum(axis=1)
        tables.append(
            pd.DataFrame({"id": split.ids, "video": "", "split": name, "steps": steps,
                          "steps_found": steps, "fate": "kept", "reason": ""})
        )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def report(
    corpus: Corpus,
    samples: pd.DataFrame,
    tally: Tally | None = None,
    clip: float = 10.0,
    **options: Any,
) -> pd.DataFrame:
    """Make the table, and tell it."""
    scaling = fit_scaling(corpus, clip, "identity")
    counts = (tally or Tally()).table()
    table = make_report(corpus, samples, counts, scaling, make_options(**options))
    tell_data(corpus, table)
    return table


def row(table: pd.DataFrame, quantity: str, split: str = "all", modality: str = "") -> pd.Series:
    found = table[
        (table["quantity"] == quantity)
        & (table["split"] == split)
        & (table["modality"] == modality)
    ]
    assert len(found) == 1, f"{quantity}, {split}, {modality}: {len(found)} rows"
    return found.iloc[0]


def value_of(table: pd.DataFrame, quantity: str, split: str = "all", modality: str = "") -> float:
    return float(row(table, quantity, split, modality)["value"])


def test_samples_and_videos_are_counted_with_reasons() -> None:
    table = report(small_corpus(), small_samples())
    assert list(table) == ["section", "split", "modality", "quantity", "value", "of", "share"]
    for split, samples, of in (("all", 7, 9), ("train", 4, 6), ("valid", 1, 1), ("test", 2, 2)):
        found = row(table, "samples", split)
        assert (found["value"], found["of"]) == (samples, of)
        assert found["share"] == pytest.approx(samples / of, abs=1e-6)
    reason = "samples dropped: no words in the segment"
    assert value_of(table, "samples dropped", "train") == 2
    assert value_of(table, reason) == value_of(table, reason, "train") == 2
    assert value_of(table, "samples shortened") == 1
    assert value_of(table, "samples shortened", "test") == 0
    assert (value_of(table, "videos"), row(table, "videos")["of"]) == (5, 6)
    assert value_of(table, "videos dropped", "train") == 1
    assert value_of(table, "videos dropped", "test") == 0
    assert value_of(table, "videos in more than one split") == 0


def test_steps_are_those_of_the_corpus() -> None:
    table = report(small_corpus(), small_samples())
    # From the first step that any modality has: 4, 3, 2 and 0 steps.
    assert value_of(table, "steps a sample, mean", "train") == 2.25
    assert value_of(table, "steps a sample, median", "train") == 2.5
    assert value_of(table, "steps a sample, most", "train") == 4
    assert value_of(table, "steps a sample, mean") == pytest.approx(16 / 7, abs=1e-6)
    assert value_of(table, "steps found in a sample, most", "train") == 9
    assert value_of(table, "steps found in a sample, mean", "train") == 3.5


def test_presence_and_gaps() -> None:
    table = report(small_corpus(), small_samples())
    assert value_of(table, "samples with it", "train", "sound") == 2
    assert value_of(table, "samples with it", "train", "sight") == 3
    assert value_of(table, "samples with it", "all", "sight") == 5
    assert row(table, "samples with it", "valid", "sight")["share"] == 0
    gaps = row(table, "steps without frames, of samples with it", "train", "sight")
    assert (gaps["value"], gaps["of"]) == (3, 9)
    assert value_of(table, "samples without any modality", "train") == 1
    assert value_of(table, "samples without any modality") == 1
    assert value_of(table, "left out: no training sample has it", modality="text") == 1


def test_stated_sizes_are_beside_those_found(caplog: pytest.LogCaptureFixture) -> None:
    stated = {"videos": 5, "train videos": 4, "segments": 9, "valid": 1, "test segments": 3,
              "speakers": 7}  # fmt: skip
    with caplog.at_level(logging.WARNING):
        table = report(small_corpus(), small_samples(), stated=stated)
    found = table[table["section"] == "stated"].set_index(["split", "quantity"])
    difference = ": difference from the paper"
    for split, unit, value, of in (
        ("all", "videos", 5, 5),
        ("train", "videos", 2, 4),
        ("all", "segments", 7, 9),
        ("valid", "segments", 1, 1),
        ("test", "segments", 2, 3),
    ):
        assert tuple(found.loc[(split, unit), ["value", "of"]]) == (value, of)
        assert found.loc[(split, unit + difference), "value"] == value - of
    assert math.isnan(found.loc[("all", "speakers"), "value"])
    assert found.loc[("all", "speakers"), "of"] == 7
    told = [message for message in caplog.messages if "states" in message]
    assert told == [
        "small: found 2 videos of train; the paper states 4",
        "small: found 7 segments; the paper states 9",
        "small: found 2 segments of test; the paper states 3",
    ]


def test_regression_labels_are_summarised() -> None:
    table = report(small_corpus(), small_samples())
    expected = {"mean": -0.25, "standard deviation": math.sqrt(3.6875), "least": -3,
                "first quartile": -1.5, "median": 0, "third quartile": 1.25, "most": 2}  # fmt: skip
    for quantity, value in expected.items():
        assert value_of(table, f"mood: {quantity}", "train") == pytest.approx(value, abs=1e-6)
    assert value_of(table, "mood: mean", "test") == 2.5


def test_sixteen_targets_are_each_summarised(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(targets=16)
    table = report(corpus, samples_of(corpus))
    labels = table[table["section"] == "labels"]
    assert len(labels) == 3 * 16 * 7
    mean = value_of(table, "target_9: mean", "valid")
    assert mean == pytest.approx(sum(corpus.valid.targets.values[:, 9]) / 16, abs=1e-5)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_classes_and_labels_are_counted(make_corpus: MakeCorpus, task: Task) -> None:
    corpus = make_corpus(task=task, targets=3)
    table = report(corpus, samples_of(corpus))
    for split_name, split in corpus.splits.items():
        values = split.targets.values
        for i, name in enumerate(split.targets.names):
            of_class = task == "multiclass"
            count = sum(v == i for v in values) if of_class else sum(values[:, i])
            found = row(table, f"class {name}" if of_class else f"{name}: yes", split_name)
            assert (found["value"], found["of"]) == (count, len(split))


def test_counts_of_ingestion_are_repeated() -> None:
    tally = Tally()
    tally.add("labelled videos in no fold", 2)
    tally.add("seconds of {modality}, of those with words", 30, of=20, split="train",
              modality="sound")  # fmt: skip
    table = report(small_corpus(), small_samples(), tally)
    found = row(table, "labelled videos in no fold")
    assert (found["section"], found["value"]) == ("ingestion", 2)
    assert math.isnan(found["of"]) and math.isnan(found["share"])
    seconds = "seconds of sound, of those with words"
    assert row(table, seconds, "train", "sound")["share"] == 1.5


def test_values_at_the_limit_are_clipped_ones() -> None:
    # Values are the number of the step, so that a 4 lies at the limit of 4.
    table = report(small_corpus(), small_samples(), clip=4.0)
    found = row(table, "values clipped to 4", "train", "sight")
    assert (found["value"], found["of"]) == (3, 6)
    assert value_of(table, "values clipped to 4", "valid", "sight") == 0


def test_videos_that_are_not_known(make_corpus: MakeCorpus, capsys: Any) -> None:
    corpus = make_corpus()
    table = report(corpus, samples_of(corpus), stated={"videos": 90})
    unknown = " (not known: the arrays name no videos)"
    for quantity in ("videos in more than one split", "videos"):
        found = table[table["quantity"] == quantity + unknown]
        assert len(found) and found["value"].isna().all()
        assert quantity not in set(table["quantity"])
    assert "not known" in capsys.readouterr().out


def test_a_video_in_two_splits_is_counted() -> None:
    samples = small_samples()
    samples.loc[samples["id"] == "c0", "video"] = "va"
    found = row(report(small_corpus(), samples), "videos in more than one split")
    assert (found["value"], found["of"]) == (1, 5)


def test_the_console_has_one_narrow_table(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        report(small_corpus(), small_samples())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    cells = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in lines]
    assert ["samples", "4", "1", "2", "7"] in cells
    assert ["samples shortened", "1", "0", "0", "1"] in cells
    assert ["samples dropped", "2", "0", "0", "2"] in cells
    assert ["no words in the segment", "2", "0", "0", "2"] in cells
    assert ["videos", "2", "1", "2", "5"] in cells
    assert ["with sound", "2 (50%)", "1 (100%)", "2 (100%)", "5 (71%)"] in cells
    assert "small: 2 segments without words" in caplog.messages
    warned = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warned == ["small: 1 sample(s) have no modality at all: train 1, valid 0, test 0"]


def test_unknown_words_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    quantity = "words that the {modality} vectors lack"
    for count, warned in ((20, False), (21, True)):
        tally = Tally()
        tally.add(quantity, count, of=50, split="train", modality="sound")
        tally.add(quantity, 0, of=50, split="test", modality="sound")
        caplog.clear()
        report(small_corpus(), small_samples(), tally)
        told = [message for message in caplog.messages if "vectors lack" in message]
        assert bool(told) is warned
    assert told == [
        "small: sound: the word vectors lack 21 % of the words: are they in its language?"
    ]


def test_what_the_table_says_is_not_said_again(caplog: pytest.LogCaptureFixture) -> None:
    corpus = small_corpus()
    counts = {**corpus.counts, "samples without any modality": 1}
    with caplog.at_level(logging.INFO):
        report(replace(corpus, counts=counts), small_samples())
    assert caplog.messages == [
        "small: 2 segments without words",
        "small: 1 sample(s) have no modality at all: train 1, valid 0, test 0",
    ]


def test_a_class_without_training_samples_is_warned_of(
    make_corpus: MakeCorpus, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = make_corpus(task="multiclass")
    report(corpus, samples_of(corpus))
    assert "no training sample" not in caplog.text
    targets = corpus.train.targets
    middle = replace(targets, values=np.minimum(targets.values, 1))
    splits = {**corpus.splits, "train": replace(corpus.train, targets=middle)}
    corpus = replace(corpus, splits=splits)
    report(corpus, samples_of(corpus))
    assert caplog.messages == ["toy (synthetic data): class high has no training sample"]


def test_figures_come_with_the_table() -> None:
    corpus = small_corpus()
    statistics = fit_scaling(corpus, 10.0).model_dump()
    table, data, sample = report_data(
        corpus, small_samples(), Tally().table(), statistics, make_options()
    )
    assert len(table)
    assert data.get_suptitle() == "Data of small: 7 samples"
    assert "a0: mood" in sample.get_suptitle()
