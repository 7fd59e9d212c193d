"""What a corpus holds: samples, presence, steps and labels by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfm_pipeline.data import Corpus
from mfm_pipeline.plots.style import COLOURS, MUTED, new_figure, tidy
from mfm_pipeline.plots.text import plain
from mfm_pipeline.plots.training import SPLITS

SPLIT_COLOURS = {**SPLITS, "test": COLOURS[1]}
#: How a sample's fate is drawn, over the colour of its split.
FATES: dict[str, dict[str, Any]] = {
    "kept": {"alpha": 1.0, "linewidth": 0.0},
    "shortened": {"alpha": 0.45, "linewidth": 0.0},
    "dropped": {"fill": False, "hatch": "/////", "linewidth": 0.0},
}
#: Labels a panel of its usual height has room for.
_ROOM = 6
#: Characters of labels that fit beside each other.
_ROOM_BESIDE = 80
#: Ratio of spreads beyond which targets do not share an axis.
_ALIKE = 10.0

Floats = NDArray[np.float64]
BySplit = Mapping[str, Floats]


def plot_data(corpus: Corpus, samples: pd.DataFrame) -> Figure:
    """Plot the make-up of a corpus by split.

    Parameters
    ----------
    corpus : Corpus
    samples : DataFrame
        A row a labelled segment, with its ``split`` and its ``fate``: kept, shortened or
        dropped.
    """
    labels = 1 if corpus.train.targets.task == "regression" else len(corpus.train.targets.names)
    below = 3.0 * min(max(labels / _ROOM, 1.0), 4.0)
    figure, grid = new_figure(
        10.5, 3.4 + below, nrows=2, ncols=3, height_ratios=[3.0, below], squeeze=False
    )
    _plot_fates(grid[0, 0], samples)
    _plot_presence(grid[0, 1], corpus)
    _plot_gaps(grid[0, 2], corpus)
    _plot_steps(grid[1, 0], corpus)
    wide = grid[1, 1].get_gridspec()[1, 1:]
    grid[1, 1].remove()
    grid[1, 2].remove()
    _plot_labels(figure.add_subplot(wide), corpus)
    figure.legend(
        [Patch(color=colour) for colour in SPLIT_COLOURS.values()],
        list(SPLIT_COLOURS), loc="outside lower right", ncols=3, fontsize=8, frameon=False,
    )  # fmt: skip
    kept = sum(len(split) for split in corpus.splits.values())
    figure.suptitle(
        f"Data of {plain(corpus.label, 80)}: {kept:,} samples",
        fontsize=10, x=0.01, ha="left", parse_math=False,
    )  # fmt: skip
    return figure


def _plot_fates(axes: Axes, samples: pd.DataFrame) -> None:
    seen = set()
    for row, (split, colour) in enumerate(SPLIT_COLOURS.items()):
        fates = samples.loc[samples["split"] == split, "fate"]
        counts = {fate: int((fates == fate).sum()) for fate in FATES}
        begin = 0
        for fate, style in FATES.items():
            if counts[fate]:
                axes.barh(
                    row, counts[fate], left=begin, height=0.5, color=colour, edgecolor=colour,
                    **style,
                )  # fmt: skip
                seen.add(fate)
            begin += counts[fate]
        told = [f"{counts['kept'] + counts['shortened']:,} samples"]
        told += [f"{counts[fate]:,} {fate}" for fate in ("shortened", "dropped") if counts[fate]]
        axes.annotate(
            f"{split}: {', '.join(told)}", (0, row - 0.28), (3, 0), textcoords="offset points",
            fontsize=8, va="bottom",
        )  # fmt: skip
    axes.set_ylim(2.6, -0.7)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    tidy(axes, title="samples", x="labelled segments")
    if seen - {"kept"}:
        shown = [fate for fate in FATES if fate in seen]
        axes.legend(
            [Patch(color=MUTED, **FATES[fate]) for fate in shown],
            ["whole" if fate == "kept" else fate for fate in shown],
            loc="upper left", bbox_to_anchor=(0, -0.2), ncols=3, fontsize=8, frameon=False,
        )  # fmt: skip


def _plot_presence(axes: Axes, corpus: Corpus) -> None:
    shares, counts = {}, {}
    for name, split in corpus.splits.items():
        present = [m.present for m in split.modalities.values()]
        shares[name] = np.array([mask.mean() for mask in present])
        counts[name] = [f"{int(mask.sum()):,}" for mask in present]
    names = list(corpus.train.modalities)
    _plot_shares(axes, names, shares, counts)
    told = "share of samples, and their number"
    if corpus.left_out:
        told += f"\n(left out: {plain(', '.join(corpus.left_out), 36)})"
    tidy(axes, title="samples that have a modality", x=told)


def _plot_gaps(axes: Axes, corpus: Corpus) -> None:
    names = [name for name, m in corpus.train.modalities.items() if m.steps is not None]
    shares = {}
    for name, split in corpus.splits.items():
        found = [split.modalities[key] for key in names]
        used = split.step_mask
        shares[name] = np.array([_share_without(m.steps, m.present, used) for m in found])
    texts = {name: [f"{share:.1%}" for share in found] for name, found in shares.items()}
    _plot_shares(axes, names, shares, texts)
    axes.set_xlim(0, 1.35 * max(0.01, *(found.max(initial=0) for found in shares.values())))
    tidy(axes, title="steps without frames", x="share of its samples' steps")


def _share_without(
    steps: NDArray[np.bool_] | None, present: NDArray[np.bool_], used: NDArray[np.bool_] | None
) -> float:
    if steps is None or used is None or not (whole := used[present].sum()):
        return 0.0
    return 1 - float(steps.sum() / whole)


def _plot_steps(axes: Axes, corpus: Corpus) -> None:
    tidy(axes, title="steps a sample", x="steps", y="share of samples")
    masks = {name: split.step_mask for name, split in corpus.splits.items()}
    found = {name: mask.sum(axis=1) for name, mask in masks.items() if mask is not None}
    if not found:
        axes.text(0.5, 0.5, "images alone: no steps", ha="center", transform=axes.transAxes)
        return
    low = min(values.min() for values in found.values())
    high = max(values.max() for values in found.values())
    width = -(-(high - low + 1) // 25)
    _plot_histograms(axes, found, np.arange(low - 0.5, high + 0.5 + width, width))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _plot_labels(axes: Axes, corpus: Corpus) -> None:
    targets = {name: split.targets for name, split in corpus.splits.items()}
    task, names = corpus.train.targets.task, corpus.train.targets.names
    values = {name: found.values.astype(np.float64) for name, found in targets.items()}
    if task == "regression" and len(names) == 1:
        every = np.concatenate(list(values.values()))
        edges = np.histogram_bin_edges(every, bins=15)
        _plot_histograms(axes, {name: found[:, 0] for name, found in values.items()}, edges)
        tidy(axes, title="labels", x=plain(names[0], 40), y="share of samples")
        axes.xaxis.label.set_parse_math(False)
    elif task == "regression":
        _plot_boxes(axes, names, values)
    else:
        if task == "multiclass":
            classes = np.arange(len(names))
            values = {name: 1.0 * (found[:, None] == classes) for name, found in values.items()}
        counts = {name: [f"{n:,.0f}" for n in found.sum(axis=0)] for name, found in values.items()}
        shares = {name: found.mean(axis=0) for name, found in values.items()}
        _plot_shares(axes, names, shares, counts)
        tidy(
            axes, title="classes" if task == "multiclass" else "labels that are yes",
            x="share of samples, and their number",
        )  # fmt: skip


def _plot_boxes(axes: Axes, names: Sequence[str], values: BySplit) -> None:
    unit = ""
    spreads = values["train"].std(axis=0)
    if spreads.max() > _ALIKE * spreads.min():
        mean, spread = values["train"].mean(axis=0), np.where(spreads > 0, spreads, 1)
        values = {name: (found - mean) / spread for name, found in values.items()}
        unit = "standard deviations of train"
    for offset, (split, colour) in zip((-0.27, 0, 0.27), SPLIT_COLOURS.items(), strict=True):
        axes.boxplot(
            values[split],
            positions=np.arange(len(names)) + offset,
            widths=0.2,
            whis=(0, 100),
            showfliers=False,
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "edgecolor": colour, "linewidth": 0.6},
            whiskerprops={"color": colour, "linewidth": 0.8},
            capprops={"linewidth": 0},
            medianprops={"color": "black", "linewidth": 1.2},
        )
    axes.set_xticks(range(len(names)), [plain(name) for name in names], parse_math=False)
    if max(map(len, names)) * len(names) > _ROOM_BESIDE:
        axes.tick_params(axis="x", rotation=45)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(names) - 0.4)
    tidy(axes, title="labels: median, quartiles and range", y=unit)


def _plot_shares(
    axes: Axes, names: Sequence[str], shares: BySplit, texts: Mapping[str, Sequence[str]]
) -> None:
    """Draw a group of bars a name, a bar a split, with its text at its end."""
    for offset, (split, colour) in zip((-0.27, 0, 0.27), SPLIT_COLOURS.items(), strict=True):
        rows = np.arange(len(names)) + offset
        bars = axes.barh(rows, shares[split], height=0.24, color=colour)
        axes.bar_label(bars, texts[split], padding=2, fontsize=7)
    axes.set_yticks(range(len(names)), [plain(name) for name in names], parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.18 * max(0.01, *(found.max(initial=0) for found in shares.values())))
    axes.xaxis.set_major_formatter(_percent)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _plot_histograms(axes: Axes, values: Mapping[str, NDArray[np.number]], edges: Floats) -> None:
    for split, colour in SPLIT_COLOURS.items():
        heights = np.histogram(values[split], edges)[0] / len(values[split])
        axes.stairs(heights, edges, color=colour, linewidth=1.4)
        if split == "train":
            axes.stairs(heights, edges, color=colour, fill=True, alpha=0.25)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(_percent)


def _percent(share: float, _: float) -> str:
    return f"{100 * share:.3g}%"
