"""The node of the downloads."""

from __future__ import annotations

import logging
from pathlib import Path

from mfm_pipeline.datasets.download import Patience, PublicFile, fetch
from mfm_pipeline.pipelines.download.options import DownloadOptions

logger = logging.getLogger(__name__)


def download_files(
    raw_root: Path, download: DownloadOptions
) -> dict[str, dict[str, str | int | None]]:
    """Fetch what is not there yet; files that are there and right are left alone.

    Parameters
    ----------
    raw_root : Path
        Folder of raw data.
    download : DownloadOptions

    Returns
    -------
    dict of str to dict
        Of each file, by name: ``file`` (below `raw_root`), ``bytes``, ``digest``, and
        ``url``, null if it was there.

    Raises
    ------
    DataError
        If no mirror has a file as it should be.
    """
    patience = Patience(download.connect_timeout, download.read_timeout, download.attempts)
    done: dict[str, dict[str, str | int | None]] = {}
    for name, one in download.wanted.items():
        url = fetch(PublicFile(raw_root / one.file, one.urls, one.digest, one.size), patience)
        logger.info("%s: %s", raw_root / one.file, f"fetched from {url}" if url else "is there")
        done[name] = {"file": one.file, "bytes": one.size, "digest": one.digest, "url": url}
    return done
