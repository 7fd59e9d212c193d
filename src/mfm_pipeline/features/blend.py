"""Digits over photographs, as MNIST-M is made of MNIST.

Ganin and Lempitsky, "Unsupervised domain adaptation by backpropagation" (ICML 2015),
Section 4: a digit is blended over a patch cut at random from a photograph,
out = |patch - digit|, channel by channel. Theirs are 200 photographs; here there may be
few, so a patch is also mirrored at random, its channels are put in random order, and any
of them is inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mfm_pipeline.errors import DataError

Images = NDArray[np.uint8]

_CHANNELS = 3
_ORDERS = np.array(list(permutations(range(_CHANNELS))))
#: Images at a time: a few megabytes.
_BLOCK = 1024


def blend_over_photographs(
    digits: Images, photographs: Sequence[Images], *, seed: int = 0, block: int = _BLOCK
) -> Images:
    """Blend each digit over a random patch of a photograph in random colours.

    Parameters
    ----------
    digits : ndarray of uint8, shape (N, 1, H, W)
    photographs : sequence of ndarray of uint8, shape (rows, columns, 3)
        At least one, none smaller than a digit. Each place of each is as likely as another.
    seed : int
        The same seed gives the same images.
    block : int
        Images at a time; of no effect on the result.

    Returns
    -------
    ndarray of uint8, shape (N, 3, H, W)

    Raises
    ------
    DataError
        If there are no photographs, or shapes or dtypes are others.
    """
    if digits.ndim != 4 or digits.shape[1] != 1 or digits.dtype != np.uint8:
        raise DataError(
            f"digits to blend: found {digits.dtype} of shape {digits.shape}; expected uint8 of "
            "shape (N, 1, H, W)"
        )
    windows = _windows(photographs, digits.shape[2:])
    n = len(digits)
    rng = np.random.default_rng(seed)
    ends = np.cumsum([found.shape[0] * found.shape[1] for found in windows])
    places = rng.integers(ends[-1], size=n)
    flips = rng.integers(4, size=n)
    orders = _ORDERS[rng.integers(len(_ORDERS), size=n)]
    inverted = rng.integers(256, size=(n, _CHANNELS, 1, 1), dtype=np.uint8) >> 7
    blended = np.empty((n, _CHANNELS, *digits.shape[2:]), np.uint8)
    for start in range(0, n, block):
        part = slice(start, start + block)
        patches = _patches(windows, ends, places[part])
        _mirror(patches, flips[part])
        patches = np.take_along_axis(patches, orders[part, :, None, None], axis=1)
        patches ^= inverted[part] * np.uint8(255)
        over = digits[part]
        np.subtract(np.maximum(patches, over), np.minimum(patches, over), out=blended[part])
    return blended


def _windows(photographs: Sequence[Images], size: tuple[int, ...]) -> list[Images]:
    """Return views of every patch of each photograph, shape (y, x, 3, H, W)."""
    if not photographs:
        raise DataError("photographs to blend digits with: found none; expected at least one")
    for number, photograph in enumerate(photographs):
        shape = photograph.shape
        fits = len(shape) == 3 and shape[2] == _CHANNELS and shape[0] >= size[0]
        if not fits or shape[1] < size[1] or photograph.dtype != np.uint8:
            raise DataError(
                f"photograph {number}: found {photograph.dtype} of shape {shape}; expected uint8 "
                f"of shape (rows, columns, 3), at least {size[0]} by {size[1]}"
            )
    return [sliding_window_view(found, size, axis=(0, 1)) for found in photographs]


def _patches(windows: Sequence[Images], ends: NDArray[np.intp], places: NDArray[np.intp]) -> Images:
    """Cut out the patches at `places`, which number those of all photographs."""
    which = np.searchsorted(ends, places, side="right")
    patches = np.empty((len(places), *windows[0].shape[2:]), np.uint8)
    for number, found in enumerate(windows):
        here = which == number
        first = ends[number] - found.shape[0] * found.shape[1]
        patches[here] = found[np.divmod(places[here] - first, found.shape[1])]
    return patches


def _mirror(patches: Images, flips: NDArray[np.intp]) -> None:
    """Mirror patches, in place: rows where bit 0 of `flips` is set, columns where bit 1 is."""
    for bit, axis in ((1, 2), (2, 3)):
        chosen = (flips & bit) > 0
        patches[chosen] = np.flip(patches[chosen], axis)
