"""The figures of generation: which samples, which latents fixed, which drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline import generation, plots
from mfm_pipeline.data import Split
from mfm_pipeline.generation import Sampler, SamplerOptions
from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.completed import Complete
from mfm_pipeline.models.mfm import DISCRIMINATIVE

STEPS = 9
"""Points of an interpolation, both ends included."""
ROWS = 6
"""Samples of a figure in which the rows are not the classes."""

Array = NDArray[Any]


class Scene:
    """One sample of each class of a split, and what is drawn around them.

    Parameters
    ----------
    model : MFM
    split : Split
        Of classes; its image modalities are drawn.
    samplers : mapping of str to Sampler, optional
        Of every latent; N(0, I) by default.
    source : str
        Whose data it is, for titles.
    columns : int
        Images side by side.
    seed : int
        Of the samples chosen and the latents drawn.
    infer : callable, optional
        What infers Zy where modalities are missing; by default the model.
    """

    def __init__(
        self,
        model: MFM,
        split: Split,
        samplers: Mapping[str, Sampler] | None = None,
        *,
        source: str,
        columns: int,
        seed: int,
        infer: Complete | None = None,
    ) -> None:
        self.model = model
        self.infer = infer
        self.source = source
        self.columns = columns
        self.generator = torch.Generator().manual_seed(seed)
        self.images = [name for name in model.modalities if split.modalities[name].is_image]
        chosen, self.classes = _one_of_each_class(split, self.images, seed)
        self.shown = Inputs.from_split(split.select(chosen)).gather()
        self.latents = generation.infer_latents(model, self.shown)
        self.samplers = (
            generation.fit_samplers(self.latents, SamplerOptions())
            if samplers is None
            else samplers
        )

    def figures(self) -> dict[str, Figure]:
        """Draw every figure, by file name."""
        figures = {"fixed_label.png": self.fixed_label("Zy of a real pair, each Za drawn")}
        for name in self.images:
            figures[f"fixed_style_{name}.png"] = self.fixed_style(name)
            figures[f"style_transfer_{name}.png"] = self.style_transfer(name)
            figures[f"{name}_from_others.png"] = self.from_others(name)
            figures[f"interpolation_{name}.png"] = self.interpolation(name)
        return figures

    def fixed_label(self, title: str) -> Figure:
        """Keep Zy of each sample and draw every Zai."""
        made = self._given({DISCRIMINATIVE: self._zy}, self.images)
        return plots.plot_image_grid(
            self._real(self.images) | {f"{name}, drawn": made[name] for name in self.images},
            title=title,
            source=self.source,
            rows=self.classes,
        )

    def fixed_style(self, name: str) -> Figure:
        """Keep Zai of some samples and draw Zy."""
        made = self._given({name: self.latents[name][:ROWS]}, [name])
        return plots.plot_image_grid(
            {f"real {name}": self._pixels(name)[:ROWS], f"{name}, drawn": made[name]},
            title=f"Za of real {name}, Zy drawn",
            source=self.source,
        )

    def style_transfer(self, name: str) -> Figure:
        """Cross the Zy of each sample with the Zai of each other."""
        made = generation.transfer_style(self.model, self._zy, {name: self.latents[name]})
        real = self._pixels(name)[:, 0]
        return plots.plot_style_transfer(
            _array(made[name]),
            content=real,
            style=real,
            title=f"Labels in the style of others, {name}",
            source=self.source,
        )

    def from_others(self, name: str) -> Figure:
        """Generate one modality from the Zy of the others, its Zai drawn."""
        others = [other for other in self.model.modalities if other != name]
        made = generation.generate_missing(
            self.model,
            self.shown,
            others,
            self.samplers,
            self.columns,
            generator=self.generator,
            infer=self.infer,
        )
        seen = [other for other in others if other in self.images]
        return plots.plot_image_grid(
            self._real(seen) | {f"{name}, generated": _array(made[name])},
            title=f"{name} from {', '.join(others)}",
            source=self.source,
            rows=self.classes,
        )

    def interpolation(self, name: str) -> Figure:
        """Go from each sample to the next one in Zy, and in every latent."""
        start = {latent: values[:ROWS] for latent, values in self.latents.items()}
        end = {latent: values.roll(-1, dims=0)[:ROWS] for latent, values in self.latents.items()}
        blocks: dict[str, Array] = {}
        for along, told in (([DISCRIMINATIVE], "in Zy"), (list(start), "in all latents")):
            made = generation.interpolate(self.model, start, end, STEPS, along=along)
            blocks[told] = _array(made[name])
        return plots.plot_image_grid(
            blocks,
            title=f"From one sample of {name} to another",
            source=self.source,
            rows=[f"{a} to {b}" for a, b in zip(self.classes, _next(self.classes), strict=True)][
                : len(start[DISCRIMINATIVE])
            ],
        )

    @property
    def _zy(self) -> Tensor:
        return self.latents[DISCRIMINATIVE]

    def _given(self, given: Mapping[str, Tensor], names: list[str]) -> dict[str, Array]:
        made = generation.generate_given(
            self.model,
            given,
            self.samplers,
            self.columns,
            generator=self.generator,
            modalities=names,
        )
        return {name: _array(images) for name, images in made.items()}

    def _real(self, names: list[str]) -> dict[str, Array]:
        return {f"real {name}": self._pixels(name) for name in names}

    def _pixels(self, name: str) -> Array:
        """Return the real images, a column, ``(rows, 1, C, H, W)``."""
        return _array(self.shown.values[name][:, None])


def _one_of_each_class(
    split: Split, images: list[str], seed: int
) -> tuple[NDArray[np.int64], list[str]]:
    """Return a sample of each class that has all the images, and the names of those classes."""
    whole = np.logical_and.reduce([split.modalities[name].present for name in images])
    order = np.random.default_rng(seed).permutation(np.flatnonzero(whole))
    classes, first = np.unique(split.targets.values[order], return_index=True)
    return order[first], [split.targets.names[index] for index in classes]


def _next(names: list[str]) -> list[str]:
    return [*names[1:], names[0]]


def _array(images: Tensor) -> Array:
    array: Array = images.numpy()
    return array
