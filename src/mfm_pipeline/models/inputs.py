"""What enters a model: a split as tensors, sequences starting at step 0, images by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mfm_pipeline.data import Modality, Split


class ImageRows(NamedTuple):
    """Images as they lie in memory, and which of them each sample has.

    Attributes
    ----------
    images : Tensor of uint8, shape (N, C, H, W)
    rows : Tensor of int64, shape (n,)
    """

    images: Tensor
    rows: Tensor


@dataclass(frozen=True, eq=False)
class Inputs:
    """Samples as the models read them, resident on one device.

    The data contract pads on the left. Here every sequence is left-justified:
    its first step is step 0, where recurrences start from a zero state, and
    padding comes after the last, so that it cannot reach a state that is read.
    Whatever was not observed is zero.

    Images stay uint8 where they lie, and are not copied, until a batch is
    taken: ``inputs[index]``, or `gather` for all of them.

    Parameters
    ----------
    values : dict of str to Tensor
        Sequences ``(n, T, d)``, in memory step by step, as recurrences read
        them; images of a batch ``(n, C, H, W)``, from 0 to 1.
    steps : dict of str to Tensor
        Where a sequence modality has a frame, ``(n, T)`` bool.
    present : dict of str to Tensor
        Whether a sample has the modality at all, ``(n,)`` bool.
    lengths : Tensor
        Steps of each sample, ``(n,)`` int64; 0 where there are none.
    images : dict of str to ImageRows
        Of image modalities that are not among `values` yet.
    dtype : torch.dtype
        What images become.
    """

    values: dict[str, Tensor]
    steps: dict[str, Tensor]
    present: dict[str, Tensor]
    lengths: Tensor
    images: dict[str, ImageRows] = field(default_factory=dict)
    dtype: torch.dtype = torch.float32

    @classmethod
    def from_split(cls, split: Split) -> Inputs:
        """Left-justify `split`; nothing that was not observed enters."""
        mask = split.step_mask
        n = len(split)
        lengths = np.zeros(n, np.int64) if mask is None else mask.sum(axis=1)
        values: dict[str, Tensor] = {}
        steps: dict[str, Tensor] = {}
        images: dict[str, ImageRows] = {}
        for name, modality in split.modalities.items():
            if modality.steps is None:
                rows = np.arange(n) if modality.rows is None else modality.rows
                images[name] = ImageRows(torch.from_numpy(modality.values), torch.from_numpy(rows))
                continue
            values[name], steps[name] = _left_justify(modality, lengths)
        present = {
            name: torch.from_numpy(modality.present.copy())
            for name, modality in split.modalities.items()
        }
        return cls(values, steps, present, torch.from_numpy(lengths.astype(np.int64)), images)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Tensor) -> Inputs:
        """Return the samples at `index`, positions or a bool mask, with their images."""

        def select(tensor: Tensor) -> Tensor:
            if tensor.dim() != 3:
                return tensor[index]
            return tensor.transpose(0, 1)[:, index].transpose(0, 1)

        chosen = self._map(select)
        images = {name: one._replace(rows=one.rows[index]) for name, one in self.images.items()}
        return replace(chosen, images=images).gather()

    def batches(self, size: int) -> Iterator[Inputs]:
        """Return the samples in their order, `size` at once, the last ones fewer."""
        for positions in torch.split(torch.arange(len(self)), size):
            yield self[positions]

    def gather(self) -> Inputs:
        """Return the same samples with every image among the values."""
        if not self.images:
            return self
        values = {
            name: _pixels(one, self.present[name], self.dtype) for name, one in self.images.items()
        }
        return replace(self, values=self.values | values, images={})

    def without(self, lost: Mapping[str, Tensor]) -> Inputs:
        """Return the same samples without some of their modalities, and no trace of them.

        They are what `from_split` makes of a split that `features.holes.punch` left: a
        sample that loses something begins where what is left of it was first observed.

        Parameters
        ----------
        lost : mapping of str to Tensor of bool, shape (n,)
            Samples that lose a modality, by its name; those not named lose nothing.
        """
        whole = self.gather()
        lost = {name: mask & whole.present[name] for name, mask in lost.items()}
        some = torch.stack(list(lost.values())).any(dim=0)
        if not some.any():
            return whole
        present = whole.present | {name: whole.present[name] & ~mask for name, mask in lost.items()}
        steps = {name: mask & present[name][:, None] for name, mask in whole.steps.items()}
        values = dict(whole.values)
        for name, mask in lost.items():
            hidden = mask.reshape(-1, *(1,) * (values[name].dim() - 1))
            values[name] = values[name].masked_fill(hidden, 0)
        left = replace(whole, values=values, steps=steps, present=present)
        if not steps:
            return left
        observed = torch.stack(list(steps.values())).any(dim=0)
        first = torch.where(observed.any(dim=1), observed.byte().argmax(dim=1), whole.lengths)
        return left.skip(torch.where(some, first, 0))

    def skip(self, first: Tensor) -> Inputs:
        """Return the samples without their first steps, ``(n,)`` int64 of them; images stay."""
        if not first.any():
            return self
        length = next(iter(self.steps.values())).shape[1]
        source = torch.arange(length, device=first.device)[:, None] + first
        inside = source < length
        source = source.clamp(max=length - 1)
        rows = torch.arange(len(first), device=first.device)
        values = dict(self.values)
        for name in self.steps:
            moved = values[name].transpose(0, 1)[source, rows]
            values[name] = moved.masked_fill(~inside[:, :, None], 0).transpose(0, 1)
        steps = {name: mask[rows, source].T & inside.T for name, mask in self.steps.items()}
        return replace(self, values=values, steps=steps, lengths=self.lengths - first)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Inputs:
        """Return the same samples on `device`; what a model reads becomes `dtype`."""
        moved = self._map(lambda tensor: tensor.to(device))
        return replace(
            moved,
            values={name: tensor.to(dtype) for name, tensor in moved.values.items()},
            images={
                name: ImageRows(one.images.to(device), one.rows.to(device))
                for name, one in self.images.items()
            },
            dtype=self.dtype if dtype is None else dtype,
        )

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
        return replace(
            self,
            values={name: change(tensor) for name, tensor in self.values.items()},
            steps={name: change(tensor) for name, tensor in self.steps.items()},
            present={name: change(tensor) for name, tensor in self.present.items()},
            lengths=change(self.lengths),
        )


def _pixels(one: ImageRows, present: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the image of each sample from 0 to 1, ``(n, C, H, W)``; 0 where absent."""
    pixels = one.images[one.rows].to(dtype).div_(255)
    if not present.all():
        pixels[~present] = 0
    return pixels


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
