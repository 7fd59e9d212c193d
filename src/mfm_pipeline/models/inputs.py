"""What enters a model: a split as tensors, every sample starting at step 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mfm_pipeline.data import Modality, Split


@dataclass(frozen=True, eq=False)
class Inputs:
    """Samples as the models read them, resident on one device.

    The data contract pads on the left. Here every sequence is left-justified:
    its first step is step 0, where recurrences start from a zero state, and
    padding comes after the last, so that it cannot reach a state that is read.
    Whatever was not observed is zero.

    Parameters
    ----------
    values : dict of str to Tensor
        Sequences ``(n, T, d)`` float32, or images ``(n, C, H, W)`` uint8.
        Sequences lie in memory step by step, as recurrences read them.
    steps : dict of str to Tensor
        Where a sequence modality has a frame, ``(n, T)`` bool.
    present : dict of str to Tensor
        Whether a sample has the modality at all, ``(n,)`` bool.
    lengths : Tensor
        Steps of each sample, ``(n,)`` int64; 0 where there are none.
    """

    values: dict[str, Tensor]
    steps: dict[str, Tensor]
    present: dict[str, Tensor]
    lengths: Tensor

    @classmethod
    def from_split(cls, split: Split) -> Inputs:
        """Left-justify `split`; nothing that was not observed enters."""
        mask = split.step_mask
        n = len(split)
        lengths = np.zeros(n, np.int64) if mask is None else mask.sum(axis=1)
        values: dict[str, Tensor] = {}
        steps: dict[str, Tensor] = {}
        for name, modality in split.modalities.items():
            if modality.steps is None:
                shown = modality.present[:, None, None, None]
                values[name] = torch.from_numpy(np.where(shown, modality.values, np.uint8(0)))
                continue
            values[name], steps[name] = _left_justify(modality, lengths)
        present = {
            name: torch.from_numpy(modality.present.copy())
            for name, modality in split.modalities.items()
        }
        return cls(values, steps, present, torch.from_numpy(lengths.astype(np.int64)))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Tensor) -> Inputs:
        """Return the samples at `index`, a tensor of positions or a bool mask."""

        def select(tensor: Tensor) -> Tensor:
            if tensor.dim() != 3:
                return tensor[index]
            return tensor.transpose(0, 1)[:, index].transpose(0, 1)

        return self._map(select)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Inputs:
        """Return the same samples on `device`, their sequences as `dtype`."""
        moved = self._map(lambda tensor: tensor.to(device))
        values = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in moved.values.items()
        }
        return replace(moved, values=values)

    def observed(self, name: str) -> Tensor:
        """Where modality `name` holds data: ``(n, T)`` steps, or ``(n,)`` images."""
        return self.steps.get(name, self.present[name])

    def restore(self, values: Tensor) -> Tensor:
        """Return left-justified ``(n, T, ...)`` values as the contract pads them.

        Parameters
        ----------
        values : Tensor, shape (n, T, ...)
            For instance a reconstruction; steps after a sample's last are
            dropped.

        Returns
        -------
        Tensor, shape (n, T, ...)
            Left-padded with zeros.
        """
        length = values.shape[1]
        lengths = self.lengths.to(values.device)
        source = torch.arange(length, device=values.device) - (length - lengths)[:, None]
        rows = torch.arange(len(values), device=values.device)[:, None]
        restored = values[rows, source.clamp(min=0)]
        padding = (source < 0).reshape(source.shape + (1,) * (values.dim() - 2))
        return restored.masked_fill(padding, 0)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Inputs:
        return Inputs(
            {name: change(tensor) for name, tensor in self.values.items()},
            {name: change(tensor) for name, tensor in self.steps.items()},
            {name: change(tensor) for name, tensor in self.present.items()},
            change(self.lengths),
        )


def _left_justify(modality: Modality, lengths: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return values and step mask of a sequence with padding moved to the end."""
    assert modality.steps is not None
    length = modality.values.shape[1]
    source = np.arange(length) + (length - lengths)[:, None]
    inside = source < length
    source = np.minimum(source, max(length - 1, 0))
    rows = np.arange(len(lengths))[:, None]
    steps = modality.steps[rows, source] & inside
    # A choice, not a product: what lies in a hole may be NaN.
    values = np.where(steps[:, :, None], modality.values[rows, source], np.float32(0))
    by_step = torch.from_numpy(np.ascontiguousarray(values.swapaxes(0, 1)))
    return by_step.transpose(0, 1), torch.from_numpy(steps)
