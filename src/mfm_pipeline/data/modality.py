"""One modality of a split: sequences or images, and who has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.errors import DataError

BoolArray = NDArray[np.bool_]
Index = NDArray[np.integer[Any]] | NDArray[np.bool_] | slice


@dataclass(frozen=True, eq=False)
class Modality:
    """One modality of a split.

    Parameters
    ----------
    values : ndarray
        Sequences ``(n, T, d)`` float32, left-padded; or images
        ``(N, C, H, W)`` uint8.
    present : ndarray of bool, shape (n,)
        Whether the sample has this modality at all.
    steps : ndarray of bool, shape (n, T), optional
        Steps that hold a frame; sequences only. No step of an absent sample
        may be set. Values at other steps are never read as data.
    rows : ndarray of int64, shape (n,), optional
        Which of the images each sample has; images only. Samples, and splits,
        may share images, and none is copied. Without, N is n and each sample
        has its own.
    generated : ndarray of bool, shape (n,), optional
        Samples whose values a model made, of what else they have; none without.

    Raises
    ------
    DataError
        If shapes, dtypes or masks disagree, an observed value is not finite, or a
        row is not that of an image.
    """

    values: NDArray[Any]
    present: BoolArray
    steps: BoolArray | None = None
    rows: NDArray[np.int64] | None = None
    generated: BoolArray | None = None

    def __post_init__(self) -> None:
        n = len(self.values) if self.rows is None else len(self.rows)
        made = self.generated
        if made is not None and (made.shape != (n,) or made.dtype != np.bool_):
            raise DataError(
                f"what is generated is {made.dtype} of shape {made.shape}; "
                f"expected bool of shape ({n},)"
            )
        if self.present.shape != (n,) or self.present.dtype != np.bool_:
            raise DataError(
                f"presence is {self.present.dtype} of shape {self.present.shape}; "
                f"expected bool of shape ({n},)"
            )
        if self.is_image:
            if self.values.dtype != np.uint8 or self.steps is not None:
                raise DataError(
                    f"images are {self.values.dtype}; expected uint8 without a step mask"
                )
            _check_rows(self.rows, len(self.values))
            return
        if self.rows is not None:
            raise DataError("a sequence has rows; expected them of images only")
        if self.values.ndim != 3 or self.values.dtype != np.float32:
            raise DataError(
                f"values are {self.values.dtype} of shape {self.values.shape}; "
                "expected sequences (n, T, d) float32 or images (n, C, H, W) uint8"
            )
        steps = self.steps
        if steps is None or steps.shape != self.values.shape[:2] or steps.dtype != np.bool_:
            found = None if steps is None else (steps.dtype, steps.shape)
            raise DataError(f"step mask is {found}; expected bool of shape {self.values.shape[:2]}")
        if steps[~self.present].any():
            raise DataError("the step mask is set in a sample whose modality is absent")
        if not _all_finite(self.values, steps):
            raise DataError("an observed step holds NaN or infinity; expected finite values")

    @property
    def is_image(self) -> bool:
        """Whether the values are images rather than sequences."""
        return self.values.ndim == 4

    @property
    def kind(self) -> Literal["sequence", "image"]:
        """Name of the modality kind, as the model's registry knows it."""
        return "image" if self.is_image else "sequence"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what one step (``(d,)``) or one image (``(C, H, W)``) holds."""
        return self.values.shape[1:] if self.is_image else self.values.shape[2:]

    def __len__(self) -> int:
        return len(self.present)

    @classmethod
    def absent(cls, n: int, shape: tuple[int, ...], steps: int) -> Modality:
        """Return a modality that none of `n` samples has.

        Parameters
        ----------
        n : int
        shape : tuple of int
            Of one step, ``(d,)``, or of one image, ``(C, H, W)``.
        steps : int
            Steps T; of images it does not count.
        """
        present = np.zeros(n, dtype=np.bool_)
        if len(shape) == 3:
            image = np.zeros((1, *shape), dtype=np.uint8)
            return cls(image, present, rows=np.zeros(n, dtype=np.int64))
        mask = np.zeros((n, steps), dtype=np.bool_)
        return cls(np.zeros((*mask.shape, *shape), dtype=np.float32), present, mask)

    def select(self, index: Index) -> Modality:
        """Return the samples at `index`; of images with rows, the rows alone."""
        present = self.present[index]
        made = None if self.generated is None else self.generated[index]
        if self.rows is not None:
            return Modality(self.values, present, rows=self.rows[index], generated=made)
        steps = None if self.steps is None else self.steps[index]
        return Modality(self.values[index], present, steps, generated=made)


def _check_rows(rows: NDArray[np.int64] | None, images: int) -> None:
    if rows is None:
        return
    if rows.dtype != np.int64 or rows.ndim != 1:
        raise DataError(
            f"rows are {rows.dtype} of shape {rows.shape}; expected int64 of shape (n,)"
        )
    if len(rows) and not (rows.min() >= 0 and rows.max() < images):
        raise DataError(f"rows reach from {rows.min()} to {rows.max()}; expected 0 .. {images - 1}")


def _all_finite(values: NDArray[np.float32], steps: BoolArray) -> bool:
    """Whether observed steps are finite; sample by sample, for a mask copies what it picks."""
    return all(
        bool(np.isfinite(sample[observed]).all())
        for sample, observed in zip(values, steps, strict=True)
    )
