"""Grids of images: real ones beside those generated from their latents."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfm_pipeline.plots.style import MUTED, new_figure
from mfm_pipeline.plots.text import plain

Images = NDArray[np.floating]

#: Inches an image takes, unless a grid of them would be wider than a page.
_CELL, _PAGE = 0.56, 10.0
#: Parts of a cell between images, and between blocks of them.
_GAP, _BLOCK_GAP = 0.06, 0.3
#: Inches of a line of text, of one character, and around everything.
_LINE, _CHARACTER, _MARGIN = 0.2, 0.08, 0.1


def plot_image_grid(
    blocks: Mapping[str, Images],
    *,
    title: str,
    source: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> Figure:
    """Plot blocks of images side by side, row by row.

    Parameters
    ----------
    blocks : mapping of str to ndarray of float, shape (rows, columns, C, H, W)
        By their headings, for instance the real images of each row, then those that
        were generated from them. Grey (C = 1) or colour (C = 3), in [0, 1]; sizes may
        differ from block to block.
    title : str
    source : str
        Whose data it is, for the title.
    rows : sequence of str, optional
        Labels of the rows.
    columns : sequence of str, optional
        Labels of the columns of the last block.

    Raises
    ------
    ValueError
        If blocks differ in rows, or there are not as many labels as rows or columns.
    """
    heights = sorted({len(images) for images in blocks.values()})
    widths = [images.shape[1] for images in blocks.values()]
    if len(heights) != 1 or (rows and len(rows) != heights[0]):
        raise ValueError(f"blocks of {heights} rows and {len(rows)} labels; expected as many")
    if columns and len(columns) != widths[-1]:
        raise ValueError(f"{len(columns)} labels of {widths[-1]} columns; expected as many")
    lefts = np.cumsum([0.0] + [width + _BLOCK_GAP for width in widths[:-1]])
    heads = [
        textwrap.wrap(plain(heading, 200), max(6, int(width * _CELL / _CHARACTER)))
        for heading, width in zip(blocks, widths, strict=True)
    ]
    lines = max(map(len, heads)) + bool(columns)
    canvas = _Canvas(
        lefts[-1] + widths[-1], heights[0], f"{title}; {source}", lines=lines, labels=rows
    )
    for left, width, head, images in zip(lefts, widths, heads, blocks.values(), strict=True):
        canvas.images(images, left, 0)
        canvas.write(left + width / 2, -bool(columns), "\n".join(head), va="bottom")
        if left:
            canvas.rule([left - _BLOCK_GAP / 2] * 2, [0, heights[0]])
    for column, label in enumerate(columns):
        canvas.write(lefts[-1] + column + 0.5, 0, label, va="bottom")
    return canvas.figure


def plot_style_transfer(
    grid: Images, *, content: Images, style: Images, title: str, source: str
) -> Figure:
    """Plot the content of each row in the style of each column.

    Parameters
    ----------
    grid : ndarray of float, shape (m, s, C, H, W)
        Generated images, in [0, 1].
    content : ndarray of float, shape (m, C, H, W)
        Real images that Zy was inferred from; those of another modality will do.
    style : ndarray of float, shape (s, C, H, W)
        Real images that Zai was inferred from.
    title : str
    source : str
        Whose data it is, for the title.

    Raises
    ------
    ValueError
        If there are not as many sources as rows and columns.
    """
    m, s = grid.shape[:2]
    if (len(content), len(style)) != (m, s):
        raise ValueError(
            f"{len(content)} and {len(style)} sources of a grid of {m} rows and {s} columns"
        )
    edge, between = 1 + _BLOCK_GAP, 1 + _BLOCK_GAP / 2
    canvas = _Canvas(s + edge, m + edge, f"{title}; {source}", lines=1)
    canvas.images(style[None], edge, 0)
    canvas.images(content[:, None], 0, edge)
    canvas.images(grid, edge, edge)
    canvas.rule([between, between], [0, m + edge])
    canvas.rule([0, s + edge], [between, between])
    canvas.write(edge + s / 2, 0, "style of", va="bottom")
    canvas.axes.text(0.5, 1, "label of", fontsize=8, ha="center", va="bottom")
    return canvas.figure


class _Canvas:
    """A figure whose unit is a cell, y downwards, with room for text above and beside."""

    def __init__(
        self, width: float, height: float, title: str, *, lines: int, labels: Sequence[str] = ()
    ) -> None:
        shown = [plain(label, 24) for label in labels]
        beside = max(map(len, shown), default=0) * _CHARACTER
        self.cell = min(_CELL, (_PAGE - beside - 2 * _MARGIN) / width)
        wide = max(beside + self.cell * width + 2 * _MARGIN, 2.5)
        heading = textwrap.wrap(plain(title, 300), int((wide - 2 * _MARGIN) / _CHARACTER))
        text = _LINE * (lines + len(heading))
        high = text + self.cell * height + 2 * _MARGIN
        self.figure, self.axes = new_figure(wide, high)
        # By hand: the layout engine would stretch the cells.
        self.axes.set_position(
            (
                (_MARGIN + beside) / wide,
                _MARGIN / high,
                self.cell * width / wide,
                self.cell * height / high,
            )
        )
        self.axes.set_axis_off()
        self.limits = {"xlim": (0, width), "ylim": (height, 0)}
        self.axes.set(**self.limits)
        for row, label in enumerate(shown):
            self.axes.annotate(
                label, (0, row + 0.5), (-4, 0), textcoords="offset points", fontsize=8,
                ha="right", va="center", parse_math=False, annotation_clip=False,
            )  # fmt: skip
        self.figure.suptitle(
            "\n".join(heading), fontsize=10, x=_MARGIN / wide, y=1 - _MARGIN / high,
            ha="left", va="top", parse_math=False,
        )  # fmt: skip

    def images(self, images: Images, left: float, top: float) -> None:
        """Draw ``(rows, columns, C, H, W)``, a cell each, with white between them."""
        for (row, column), image in _each(images):
            x, y = left + column + _GAP / 2, top + row + _GAP / 2
            self.axes.imshow(
                image, cmap="gray", vmin=0, vmax=1, interpolation="nearest",
                extent=(x, x + 1 - _GAP, y + 1 - _GAP, y), aspect="auto",
            )  # fmt: skip
        self.axes.set(**self.limits)

    def write(self, x: float, line: float, text: str, **style: Any) -> None:
        """Write above the cells, `line` lines up (negative)."""
        self.axes.annotate(
            text, (x, 0), (0, 2 - line * 72 * _LINE), textcoords="offset points", fontsize=8,
            ha="center", parse_math=False, annotation_clip=False, **style,
        )  # fmt: skip

    def rule(self, x: Sequence[float], y: Sequence[float]) -> None:
        """Draw a thin line."""
        self.axes.plot(x, y, color=MUTED, linewidth=0.8)


def _each(images: Images) -> Iterator[tuple[tuple[int, ...], Images]]:
    """Yield position and picture, ``(H, W)`` grey or ``(H, W, 3)``, of every image."""
    shown = np.clip(np.moveaxis(images, 2, -1), 0, 1)
    for place in np.ndindex(shown.shape[:2]):
        yield place, shown[place].squeeze(-1) if shown.shape[-1] == 1 else shown[place]
