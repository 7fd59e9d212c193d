"""The figures of the data show the numbers of the corpus, for every task and any text."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfm_pipeline.data import Corpus, Modality, Split, Targets, Task
from mfm_pipeline.plots.aligned_sample import MOST_FEATURES, choose_sample, plot_aligned_sample
from mfm_pipeline.plots.data import plot_data
from mfm_pipeline.plots.text import plain

MakeCorpus = Callable[..., Corpus]


def with_values(corpus: Corpus, make: Callable[[int], np.ndarray]) -> Corpus:
    """Return the corpus with other values of its targets, made for so many samples."""
    splits = {
        name: replace(split, targets=replace(split.targets, values=make(len(split))))
        for name, split in corpus.splits.items()
    }
    return replace(corpus, splits=splits)


def fates(corpus: Corpus, **counts: int) -> pd.DataFrame:
    rows = [(name, "kept") for name, split in corpus.splits.items() for _ in range(len(split))]
    rows += [("train", fate) for fate, count in counts.items() for _ in range(count)]
    return pd.DataFrame(rows, columns=["split", "fate"])


def draw(figure: Figure) -> None:
    """Write the figure; nothing may be warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(BytesIO(), format="png", dpi=50)


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def one_sample(**modalities: tuple[list[list[float]], list[bool]]) -> Split:
    """Return a split of one sample: values by step, and which steps have frames."""
    made = {}
    for name, (values, steps) in modalities.items():
        mask = np.array([steps])
        array = np.where(mask[..., None], np.array([values]), 0).astype(np.float32)
        made[name] = Modality(array, mask.any(axis=1), mask)
    targets = Targets(np.array([[1.5]], dtype=np.float32), ("mood",), "regression")
    return Split(made, targets, np.array(["v[0]"]))


def test_samples_are_counted_by_fate(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    figure = plot_data(corpus, fates(corpus, shortened=3, dropped=2))
    draw(figure)
    axes = panels(figure)["samples"]
    assert texts(axes) == ["train: 51 samples, 3 shortened, 2 dropped", "valid: 16 samples",
                           "test: 20 samples"]  # fmt: skip
    assert [bar.get_width() for bar in axes.patches] == [48, 3, 2, 16, 20]
    assert [bar.get_x() for bar in axes.patches] == [0, 48, 51, 0, 0]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.texts] == ["whole", "shortened", "dropped"]
    assert figure.get_suptitle() == "Data of toy (synthetic data): 84 samples"


def test_presence_and_gaps_are_those_of_the_corpus(make_corpus: MakeCorpus) -> None:
    corpus = replace(make_corpus(), left_out=("gaze",))
    found = panels(plot_data(corpus, fates(corpus)))
    presence, gaps = found["samples that have a modality"], found["steps without frames"]
    assert "left out: gaze" in presence.get_xlabel()
    names = list(corpus.train.modalities)
    assert [label.get_text() for label in presence.get_yticklabels()] == names
    for position, split in enumerate(corpus.splits.values()):
        shares, numbers, without = [], [], []
        used = split.step_mask
        assert used is not None
        for modality in split.modalities.values():
            shares.append(sum(modality.present) / len(split))
            numbers.append(str(sum(modality.present)))
            assert modality.steps is not None
            gap = [u and not s for i in np.flatnonzero(modality.present)
                   for u, s in zip(used[i], modality.steps[i], strict=True)]  # fmt: skip
            without.append(sum(gap) / used[modality.present].sum())
        group = slice(3 * position, 3 * position + 3)
        assert [bar.get_width() for bar in presence.patches[group]] == pytest.approx(shares)
        assert texts(presence)[group] == numbers
        assert [bar.get_width() for bar in gaps.patches[group]] == pytest.approx(without)


def test_histograms_are_shares_of_each_split(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    found = panels(plot_data(corpus, fates(corpus)))
    train, _, valid, test = (patch.get_data() for patch in found["steps a sample"].patches)
    for shown, split in ((train, corpus.train), (valid, corpus.valid), (test, corpus.test)):
        assert split.step_mask is not None
        lengths = split.step_mask.sum(axis=1)
        for length, share in zip(shown.edges[:-1] + 0.5, shown.values, strict=True):
            assert share == pytest.approx((lengths == length).mean())
    labels = [patch.get_data().values.sum() for patch in found["labels"].patches]
    assert labels == pytest.approx([1, 1, 1, 1])
    assert found["labels"].get_xlabel() == "target_0"


def test_samples_of_one_length_have_one_tick() -> None:
    split = one_sample(a=([[1.0]] * 10, [True] * 10), b=([[1.0]] * 10, [True] * 10))
    corpus = Corpus("toy", dict.fromkeys(("train", "valid", "test"), split))
    figure = plot_data(corpus, fates(corpus))
    draw(figure)
    axes = panels(figure)["steps a sample"]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [10]


def test_sixteen_targets_are_boxes(make_corpus: MakeCorpus) -> None:
    rng = np.random.default_rng(0)
    corpus = with_values(
        make_corpus(targets=16), lambda n: rng.normal(4, 1, (n, 16)).astype(np.float32)
    )
    figure = plot_data(corpus, fates(corpus))
    draw(figure)
    axes = panels(figure)["labels: median, quartiles and range"]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        f"target_{i}" for i in range(16)
    ]
    assert len(axes.patches) == 3 * 16
    heights = {line.get_ydata()[0] for line in axes.lines}
    medians = np.median(corpus.train.targets.values, axis=0)
    assert all(np.isclose(list(heights), median).any() for median in medians)


def test_targets_of_other_sizes_share_an_axis(make_corpus: MakeCorpus) -> None:
    rng = np.random.default_rng(0)
    corpus = with_values(
        make_corpus(targets=2), lambda n: rng.normal(0, [1, 1e4], (n, 2)).astype(np.float32)
    )
    figure = plot_data(corpus, fates(corpus))
    axes = panels(figure)["labels: median, quartiles and range"]
    assert axes.get_ylabel() == "standard deviations of train"
    assert max(map(abs, axes.get_ylim())) < 10


@pytest.mark.parametrize(
    ("task", "title"), [("multiclass", "classes"), ("multilabel", "labels that are yes")]
)
def test_classes_and_labels_are_bars(make_corpus: MakeCorpus, task: Task, title: str) -> None:
    corpus = make_corpus(task=task, targets=3)
    figure = plot_data(corpus, fates(corpus))
    draw(figure)
    axes = panels(figure)[title]
    values = corpus.train.targets.values
    of_class = task == "multiclass"
    counts = [int((values == i).sum() if of_class else values[:, i].sum()) for i in range(3)]
    assert texts(axes)[:3] == [str(count) for count in counts]
    assert [bar.get_width() for bar in axes.patches[:3]] == pytest.approx(np.array(counts) / 48)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(corpus.train.targets.names)


def test_the_sample_has_all_modalities_and_the_most_steps() -> None:
    def modality(*steps: str) -> Modality:
        mask = np.array([[mark == "x" for mark in row] for row in steps])
        return Modality(np.zeros((*mask.shape, 1), np.float32), mask.any(axis=1), mask)

    targets = Targets(np.zeros((4, 1), np.float32), ("t",), "regression")
    split = Split(
        {"a": modality("xxxx", "..xx", ".xxx", ".xxx"),
         "b": modality("....", "...x", "...x", ".xxx")},
        targets, np.array(list("0123")),
    )  # fmt: skip
    assert choose_sample(split) == 2
    nothing = split.select([0])
    assert choose_sample(nothing) == 0


def test_a_heat_map_holds_the_values_after_the_padding() -> None:
    split = one_sample(
        a=([[9, 9], [1, 2], [3, 4], [5, 6]], [False, True, True, True]),
        b=([[9], [9], [7], [9]], [False, False, True, False]),
    )
    figure = plot_aligned_sample(split, 0, "toy (synthetic data)", {"a": ["pitch", "energy"]})
    draw(figure)
    top, bottom = figure.axes[:2]
    np.testing.assert_array_equal(top.images[0].get_array(), [[1, 3, 5], [2, 4, 6]])
    assert top.get_title(loc="left") == "a (2 features)"
    assert [label.get_text() for label in top.get_yticklabels()] == ["pitch", "energy"]
    shown = np.ma.filled(bottom.images[0].get_array().astype(float), np.nan)
    np.testing.assert_array_equal(shown, [[np.nan, 7, np.nan]])
    assert [patch.get_x() for patch in bottom.patches] == [-0.5, 1.5], "the gaps are hatched"
    assert not top.patches
    assert [text.get_text() for text in figure.legends[0].texts] == ["step without frames"]
    assert [label.get_text() for label in bottom.get_xticklabels()] == ["1", "2", "3"]
    title = figure.get_suptitle()
    assert "v[0]" in title and "mood\N{NO-BREAK SPACE}1.50" in title and "synthetic" in title


def test_the_features_that_vary_most_are_shown() -> None:
    rng = np.random.default_rng(0)
    spread = rng.permutation(60)
    values = rng.normal(size=(20, 60)) * 10.0 ** (spread / 10)
    split = one_sample(a=(values.tolist(), [True] * 20), b=([[1.0]] * 20, [True] * 20))
    axes = plot_aligned_sample(split, 0, "toy", {}).axes[0]
    expected = sorted(np.argsort([np.var(column) for column in values.T])[-MOST_FEATURES:])
    assert [int(label.get_text()) for label in axes.get_yticklabels()] == expected
    assert axes.get_title(loc="left").startswith(f"a ({MOST_FEATURES} of 60 features")
    np.testing.assert_allclose(axes.images[0].get_array(), values.T[expected], rtol=1e-6)


def test_a_missing_modality_is_said() -> None:
    split = one_sample(a=([[1.0]] * 3, [True] * 3), b=([[1.0]] * 3, [False] * 3))
    figure = plot_aligned_sample(split, 0, "toy", {})
    draw(figure)
    assert texts(figure.axes[1]) == ["missing in this sample"]
    assert not figure.axes[1].images and not figure.legends


def test_a_sample_without_any_modality_is_drawn(make_corpus: MakeCorpus) -> None:
    split = one_sample(a=([[1.0]] * 3, [False] * 3), b=([[1.0]] * 3, [False] * 3))
    draw(plot_aligned_sample(split, 0, "toy", {}))


def test_words_of_any_kind_are_written() -> None:
    split = one_sample(a=([[1.0]] * 5, [True] * 5), b=([[1.0]] * 5, [True] * 5))
    words = ["$5 or $6\t_", "\\frac{", "a sentence that does not end", "ñandú", "词"]
    figure = plot_aligned_sample(replace(split, words=np.array([words])), 0, "$x$", {})
    draw(figure)
    written = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert written == ["$5 or $6 _", "\\frac{", "a sentence that does not end", "ñandú", "□"]


def test_few_sentences_are_written_in_lines() -> None:
    split = one_sample(a=([[1.0]] * 2, [True] * 2), b=([[1.0]] * 2, [True] * 2))
    words = ["it was so good that I saw it twice, which I never do", "word " * 99]
    figure = plot_aligned_sample(replace(split, words=np.array([words])), 0, "toy", {})
    draw(figure)
    first, second = figure.axes[1].get_xticklabels()
    assert first.get_text().replace("\n", " ") == words[0] and "\n" in first.get_text()
    assert first.get_rotation() == 0
    assert second.get_text().count("\n") == 4 and second.get_text().endswith("…")


def test_long_names_are_told_apart() -> None:
    split = one_sample(a=([[1.0, 2]], [True]), b=([[1.0, 2]], [True]))
    names = {
        "a": ["TimestampedWordVectors 1", "TimestampedWordVectors 12"],
        "b": ["pcm_fftMag_mfcc_sma[0]", "F0semitoneFrom27.5Hz_sma3nz_amean"],
    }
    figure = plot_aligned_sample(split, 0, "toy", names)
    written = [[label.get_text() for label in axes.get_yticklabels()] for axes in figure.axes[:2]]
    assert written == [["1", "12"], ["pcm_fftMa…c_sma[0]", "F0semiton…nz_amean"]]


def test_long_samples_are_not_labelled_at_each_step() -> None:
    split = one_sample(a=([[1.0]] * 500, [True] * 500), b=([[1.0]] * 500, [True] * 500))
    figure = plot_aligned_sample(replace(split, words=np.full((1, 500), "word")), 0, "toy", {})
    draw(figure)
    assert len(figure.axes[1].get_xticks()) == 56
    assert figure.axes[1].get_xlabel() == "words of one step in 9"


@pytest.mark.parametrize(
    ("task", "told"), [("multiclass", "middle"), ("multilabel", "target_0, target_2")]
)
def test_labels_are_in_the_title(make_corpus: MakeCorpus, task: Task, told: str) -> None:
    split = make_corpus(task=task, targets=3).train
    value = {"multiclass": np.int64(1), "multilabel": np.array([1, 0, 1], dtype=np.float32)}[task]
    values = split.targets.values.copy()
    values[4] = value
    split = replace(split, targets=replace(split.targets, values=values))
    assert plot_aligned_sample(split, 4, "toy", {}).get_suptitle().endswith(f"train_4: {told}")


def test_images_have_no_steps() -> None:
    pixels = np.zeros((2, 1, 4, 4), dtype=np.uint8)
    image = Modality(pixels, np.array([True, True]))
    targets = Targets(np.array([0, 1]), ("a", "b"), "multiclass")
    split = Split({"left": image, "right": image}, targets, np.array(["0", "1"]))
    corpus = Corpus("pictures", dict.fromkeys(("train", "valid", "test"), split))
    draw(plot_data(corpus, fates(corpus)))
    assert choose_sample(split) == 0
    figure = plot_aligned_sample(split, 0, "pictures", {})
    draw(figure)
    assert texts(figure.axes[0]) == ["an image: no steps"]


def test_text_keeps_its_end_where_that_tells_more() -> None:
    assert plain("WordVectors of something 12", 12) == "WordVectors…"
    assert plain("WordVectors of something 12", 12, tail=5) == "WordVe…ng 12"
    assert plain("short\n text ") == "short text"
