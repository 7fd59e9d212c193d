"""Pickles of prepared arrays, as MMSA (`aligned_50.pkl`) and MultiBench (`mosi_raw.pkl`) have."""

from __future__ import annotations

from pathlib import Path

from mfm_pipeline.datasets.bundle import Bundle, BundleDataset, bundle_of
from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.datasets.unpickle import EXPECTED, SafeUnpickler


def read_pickled(path: Path) -> Bundle:
    """Read a pickle of any protocol, by Python 2 or 3, without running anything in it.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If it is missing, empty or damaged, holds anything but NumPy arrays and plain
        containers, or has no train, valid and test.
    """
    check_file(path, "a pickle")
    with reading(path, "pickle", EXPECTED), path.open("rb") as file:
        content = SafeUnpickler(file, path).load()
    return bundle_of(path, content)


class PickledDataset(BundleDataset):
    """Kedro dataset of one pickle of prepared arrays; read only.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    reader = staticmethod(read_pickled)
