"""One sample as the model reads it: its modalities, step by step, under its words."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mfm_pipeline.data import Modality, Split, Targets
from mfm_pipeline.plots.style import MUTED, new_figure, tidy
from mfm_pipeline.plots.text import plain

#: Features of a modality that are shown.
MOST_FEATURES = 24
_MOST_TICKS = 60
#: Inches of a step from which on its text is written in lines, not aslant; how many
#: characters an inch holds.
_WIDE, _CHARACTERS = 1.2, 13
_GAP: dict[str, Any] = {
    "facecolor": "#f1f1f1",
    "edgecolor": MUTED,
    "hatch": "////",
    "linewidth": 0.0,
}
_COLOURS = "RdBu_r"


def choose_sample(split: Split) -> int:
    """Return the sample with the most modalities, of those the first with the most steps."""
    present = sum(m.present.astype(np.int64) for m in split.modalities.values())
    used = split.step_mask
    steps = np.zeros(len(split)) if used is None else used.sum(axis=1)
    return int(np.lexsort((-steps, -np.asarray(present)))[0])


@dataclass(frozen=True, eq=False)
class _Picture:
    """What is drawn of a modality: values (features, steps), NaN at steps without frames."""

    values: NDArray[np.float32]
    columns: NDArray[np.intp]
    note: str

    @property
    def gaps(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.isnan(self.values).any(axis=0))


def plot_aligned_sample(
    split: Split, index: int, title: str, columns: Mapping[str, Sequence[str]]
) -> Figure:
    """Plot the scaled values of one sample: a heat map a modality, features by steps.

    Parameters
    ----------
    split : Split
    index : int
        Of the sample.
    title : str
        Whose data it is.
    columns : mapping of str to sequence of str
        Names of the features of a modality; without them they are numbered.
    """
    used = _used_steps(split, index)
    pictures = {name: _picture(m, index, used) for name, m in split.modalities.items()}
    heights = [0.5 + 0.12 * len(picture.columns) for picture in pictures.values()]
    width = float(np.clip(0.27 * len(used) + 2.6, 7.0, 16.0))
    figure, grid = new_figure(
        width, sum(heights) + 1.8, nrows=len(pictures), sharex=True, squeeze=False,
        height_ratios=heights,
    )  # fmt: skip
    limit = _limit(picture.values for picture in pictures.values())
    for axes, (name, picture) in zip(grid.flat, pictures.items(), strict=True):
        _draw(axes, name, picture, columns.get(name), limit)
    _name_steps(grid[-1, 0], split, index, used, (width - 1.8) / max(len(used), 1))
    scale = ScalarMappable(Normalize(-limit, limit), _COLOURS)
    bar = figure.colorbar(
        scale, ax=list(grid.flat), extend="both", extendfrac=0.02, aspect=40, pad=0.02
    )
    bar.set_label("scaled value", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    if any(len(picture.gaps) for picture in pictures.values()):
        figure.legend(
            [Patch(**_GAP)], ["step without frames"], loc="outside lower right", fontsize=8,
            frameon=False,
        )  # fmt: skip
    told = f"{plain(str(split.ids[index]), 60)}: {_tell_labels(split.targets, index)}"
    lines = [f"One sample of {plain(title, 80)}", *textwrap.wrap(told, int(14 * width))]
    figure.suptitle("\n".join(lines), fontsize=10, x=0.01, ha="left", parse_math=False)
    return figure


def _used_steps(split: Split, index: int) -> NDArray[np.intp]:
    """Return the steps after the padding."""
    mask = split.step_mask
    return np.zeros(0, dtype=np.intp) if mask is None else np.flatnonzero(mask[index])


def _picture(modality: Modality, index: int, used: NDArray[np.intp]) -> _Picture:
    if modality.steps is None or not modality.steps[index].any():
        note = "missing in this sample" if modality.steps is not None else "an image: no steps"
        return _Picture(np.zeros((0, len(used)), np.float32), np.zeros(0, np.intp), note)
    observed = modality.steps[index, used]
    values = modality.values[index, used]
    spread = values[observed].var(axis=0)
    columns = np.sort(np.argsort(-spread, kind="stable")[:MOST_FEATURES])
    note = f"{len(spread)} feature{'s' if len(spread) > 1 else ''}"
    if len(columns) < len(spread):
        note = f"{len(columns)} of {len(spread)} features, those that vary most here"
    return _Picture(np.where(observed[:, None], values[:, columns], np.nan).T, columns, note)


def _limit(values: Iterable[NDArray[np.float32]]) -> float:
    """Return where colours end: what 98 % of the values lie within."""
    every = np.abs(np.concatenate([found.ravel() for found in values]))
    every = every[~np.isnan(every)]
    return max(float(np.quantile(every, 0.98)), 1e-6) if len(every) else 1.0


def _draw(
    axes: Axes, name: str, picture: _Picture, names: Sequence[str] | None, limit: float
) -> None:
    features, steps = picture.values.shape
    tidy(axes)
    told = f" ({picture.note})" if features else ""
    axes.set_title(plain(name) + told, fontsize=9, loc="left", fontweight="bold", parse_math=False)
    axes.set(xlim=(-0.5, max(steps, 1) - 0.5))
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    if not features:
        axes.set_yticks([])
        axes.text(
            0.5, 0.5, picture.note, ha="center", va="center", fontsize=9, color=MUTED,
            transform=axes.transAxes,
        )  # fmt: skip
        return
    axes.imshow(
        picture.values, cmap=_COLOURS, vmin=-limit, vmax=limit, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    for step in picture.gaps:
        axes.axvspan(step - 0.5, step + 0.5, **_GAP)
    rows = _distinct([names[c] for c in picture.columns]) if names else map(str, picture.columns)
    axes.set_yticks(range(features), list(rows), fontsize=6, parse_math=False)
    axes.tick_params(axis="y", length=0)


def _distinct(names: Sequence[str]) -> list[str]:
    """Shorten names; where one is long, by the words that all begin with."""
    written = [plain(name, tail=8) for name in names]
    common = re.sub(r"[^\W_]*$", "", os.path.commonprefix(names))  # noqa: RUF071, no paths
    if written == list(names) or not common:
        return written
    return [plain(name.removeprefix(common), tail=8) for name in names]


def _name_steps(
    axes: Axes, split: Split, index: int, used: NDArray[np.intp], inches: float
) -> None:
    """Write the sample's words below the steps, `inches` wide each, or number the steps."""
    every = max(1, -(-len(used) // _MOST_TICKS))
    ticks = np.arange(0, len(used), every)
    axes.tick_params(axis="x", bottom=True, labelbottom=True)
    if split.words is None:
        axes.set_xticks(ticks, [str(tick + 1) for tick in ticks], fontsize=7)
        axes.set_xlabel("step", fontsize=9)
        return
    words = [str(split.words[index, used[tick]]) for tick in ticks]
    if inches >= _WIDE:
        lines = [_wrap(word, int(_CHARACTERS * inches)) for word in words]
        axes.set_xticks(ticks, lines, fontsize=8, parse_math=False)
        return
    words = [plain(word, 32 if " " in word else 18) for word in words]
    axes.set_xticks(
        ticks, words, fontsize=8, rotation=60, ha="right", rotation_mode="anchor", parse_math=False
    )
    if every > 1:
        axes.set_xlabel(f"words of one step in {every}", fontsize=9)


def _wrap(text: str, length: int) -> str:
    lines = textwrap.wrap(plain(text, 500), length, max_lines=5, placeholder=" …")
    return "\n".join(lines)


def _tell_labels(targets: Targets, index: int) -> str:
    value = targets.values[index]
    if targets.task == "multiclass":
        return plain(targets.names[value], 40)
    names = [plain(name, 40) for name in targets.names]
    if targets.task == "multilabel":
        yes = [name for name, is_yes in zip(names, value, strict=True) if is_yes]
        return ", ".join(yes) or "none of its labels"
    # A name stays in one line with its number.
    return ", ".join(
        f"{name}\N{NO-BREAK SPACE}{v:.2f}" for name, v in zip(names, value, strict=True)
    )
