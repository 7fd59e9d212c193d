"""What chains of hidden states observe: modalities side by side, or each for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mfm_pipeline.models.inputs import Inputs


@dataclass(frozen=True)
class Views:
    """Groups of modalities, each of which is observed as one vector a step.

    Parameters
    ----------
    features : tuple of tuple of (str, int)
        The modalities of each view, with their features.
    window : int
        Steps before and after a step that are observed with it.
    """

    features: tuple[tuple[tuple[str, int], ...], ...]
    window: int = 0

    @classmethod
    def fused(cls, features: Mapping[str, int], window: int = 0) -> Views:
        """Return a single view of all modalities: early fusion."""
        return cls((tuple(features.items()),), window)

    @classmethod
    def apart(cls, features: Mapping[str, int], window: int = 0) -> Views:
        """Return a view of each modality."""
        return cls(tuple((pair,) for pair in features.items()), window)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Size of each view's vector."""
        span = 2 * self.window + 1
        return tuple(span * sum(size for _, size in view) for view in self.features)

    def read(self, inputs: Inputs) -> list[Tensor]:
        """Return each view's values, ``(T, n, size)``; zero where nothing is observed."""
        return [
            _windows(
                torch.cat([inputs.values[name].transpose(0, 1) for name in names], dim=2),
                self.window,
            )
            for names in self._names()
        ]

    def observed(self, inputs: Inputs) -> list[Tensor]:
        """Return the steps of which each view observes something, ``(T, n)`` bool."""
        return [
            _windows(torch.stack([inputs.steps[name].T for name in names], dim=2), self.window).any(
                dim=2
            )
            for names in self._names()
        ]

    def _names(self) -> Iterable[tuple[str, ...]]:
        return (tuple(name for name, _ in view) for view in self.features)


def _windows(values: Tensor, window: int) -> Tensor:
    """Return each step's values with those of its neighbours, ``(T, n, (2 w + 1) d)``."""
    if window == 0:
        return values
    margin = values.new_zeros(window, *values.shape[1:])
    padded = torch.cat([margin, values, margin])
    return torch.cat([padded[k : k + len(values)] for k in range(2 * window + 1)], dim=2)
