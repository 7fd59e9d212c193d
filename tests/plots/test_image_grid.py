"""Every image stands where its row and column are, as it was given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfm_pipeline.plots import plot_image_grid, plot_style_transfer


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def shown(axes: Axes) -> list[tuple[float, float, np.ndarray]]:
    """Return left, top and picture of every image, by column and row."""
    found = [(i.get_extent()[0], i.get_extent()[3], np.asarray(i.get_array())) for i in axes.images]
    return sorted(found, key=lambda image: image[:2])


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.axes[0].texts}


def test_blocks_stand_side_by_side() -> None:
    real, made = images(2, 1, 1, 4, 4), images(2, 3, 3, 6, 6)
    figure = plot_image_grid(
        {"real": real, "made": made},
        title="Zy fixed",
        source="toy (synthetic data)",
        rows=["label 0", "label $1"],
        columns=["a", "b", "c"],
    )
    (axes,) = figure.axes
    found = shown(axes)
    expected = [real[0, 0, 0], real[1, 0, 0]]
    expected += [made[row, column].transpose(1, 2, 0) for column in range(3) for row in range(2)]
    for (*_, picture), image in zip(found, expected, strict=True):
        np.testing.assert_array_equal(picture, image)
    tops = [round(top) for _, top, _ in found]
    assert tops == [0, 1] * 4
    lefts = [left for left, *_ in found[::2]]
    # Real images are set apart, with a rule between.
    assert lefts[1] - lefts[0] > 1.2 and np.allclose(np.diff(lefts[1:]), 1)
    (rule,) = axes.lines
    assert lefts[0] + 1 < rule.get_xdata()[0] < lefts[1]
    assert {"real", "made", "label 0", "label $1", "a", "b", "c"} == texts(figure)
    assert figure.get_suptitle().replace("\n", " ") == "Zy fixed; toy (synthetic data)"
    for image in axes.images:
        assert image.get_interpolation() == "nearest" and image.get_clim() == (0, 1)
    assert not axes.axison


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 12), (2, 60)])
def test_cells_are_square_and_everything_is_inside(rows: int, columns: int) -> None:
    figure = plot_image_grid(
        {
            "given": images(rows, 1, 1, 8, 8),
            "a heading of some length": images(rows, columns, 1, 8, 8),
        },
        title="A title that is long enough to be broken over more than one line of text",
        source="toy",
        rows=["a label that is much too long for a figure"] * rows,
    )
    figure.canvas.draw()
    (axes,) = figure.axes
    box, (left, right), (bottom, top) = axes.get_window_extent(), axes.get_xlim(), axes.get_ylim()
    assert box.width / (right - left) == pytest.approx(box.height / (bottom - top), rel=1e-6)
    assert figure.get_size_inches()[0] <= 10.01
    page = figure.bbox
    drawn = [text.get_window_extent() for text in (*axes.texts, figure._suptitle)]
    for extent in drawn:
        assert extent.x0 >= page.x0 and extent.x1 <= page.x1
        assert extent.y0 >= page.y0 and extent.y1 <= page.y1
    title = drawn[-1]
    assert all(extent.y1 <= title.y0 for extent in drawn[:-1])


def test_values_are_clipped_not_stretched() -> None:
    values = np.array([-0.5, 0.25, 1.5]).reshape(1, 1, 1, 1, 3)
    (axes,) = plot_image_grid({"x": values}, title="t", source="s").axes
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0, 0.25, 1]])


def test_style_transfer_has_its_sources_along_the_edges() -> None:
    grid, content, style = images(2, 3, 3, 4, 4), images(2, 1, 5, 5, seed=1), images(3, 3, 4, 4)
    figure = plot_style_transfer(grid, content=content, style=style, title="t", source="toy")
    found = shown(figure.axes[0])
    expected = [image[0] for image in content]
    for column in range(3):
        expected += [style[column].transpose(1, 2, 0)]
        expected += [grid[row, column].transpose(1, 2, 0) for row in range(2)]
    for (*_, picture), image in zip(found, expected, strict=True):
        np.testing.assert_array_equal(picture, image)
    rows = {round(top, 3) for left, top, _ in found if left < 1}
    assert rows == {round(top, 3) for left, top, _ in found if left > 1 and top > 1}
    assert {"style of", "label of"} == texts(figure)


def test_what_does_not_fit_together_is_refused() -> None:
    one, two = images(1, 2, 1, 4, 4), images(2, 2, 1, 4, 4)
    with pytest.raises(ValueError, match=r"blocks of \[1, 2\] rows"):
        plot_image_grid({"a": one, "b": two}, title="t", source="s")
    with pytest.raises(ValueError, match="and 1 labels"):
        plot_image_grid({"a": two}, title="t", source="s", rows=["x"])
    with pytest.raises(ValueError, match="3 labels of 2 columns"):
        plot_image_grid({"a": two}, title="t", source="s", columns=["x", "y", "z"])
    with pytest.raises(ValueError, match="1 and 2 sources of a grid of 2 rows and 2 columns"):
        plot_style_transfer(two, content=two[:1, 0], style=two[0], title="t", source="s")
