"""Files of digit images as others write them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

#: Options that take other files than the published ones.
FREE: dict[str, Any] = {
    "mnist_digests": dict.fromkeys(
        ("train_images", "train_labels", "test_images", "test_labels"), None
    ),
    "svhn_digests": dict.fromkeys(("train", "test", "extra"), None),
}


def idx(array: np.ndarray) -> bytes:
    """Return the bytes of an IDX file of unsigned bytes."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_idx(path: Path, array: np.ndarray, packed: bool = False) -> Path:
    content = idx(array)
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def write_svhn(path: Path, images: np.ndarray, labels: Any, packed: bool = True) -> Path:
    """Write images (N, 3, 32, 32) and labels as SVHN has them: 10 for 0, columns of X first."""
    arrays = {"X": np.moveaxis(images, (0, 1), (3, 2)), "y": labels}
    savemat(path, arrays, do_compression=packed)
    return path


def write_raw(folder: Path) -> None:
    """Write files as MNIST and SVHN have them; the first two pixels say file and row."""
    rng = np.random.default_rng(0)
    for place in ("mnist", "svhn"):
        (folder / place).mkdir()
    for number, (name, n) in enumerate({"train": 60, "t10k": 30}.items()):
        pixels, labels = rng.integers(0, 256, (n, 28, 28)), np.arange(n) % 10
        pixels[:, 0, 0], pixels[:, 0, 1] = number, np.arange(n)
        write_idx(folder / "mnist" / f"{name}-images-idx3-ubyte.gz", pixels, packed=True)
        write_idx(folder / "mnist" / f"{name}-labels-idx1-ubyte", labels)
    for number, (name, n) in enumerate({"train": 40, "test": 50, "extra": 20}.items()):
        images = rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
        images[:, 0, 0, 0], images[:, 0, 0, 1] = number, np.arange(n)
        labels = np.arange(n)[:, None] % 10
        write_svhn(folder / "svhn" / f"{name}_32x32.mat", images, np.where(labels, labels, 10))
