"""Public files, fetched over HTTP and checked: whole and right, or not there.

What has arrived lies beside the file in a hidden ``.part``, from which the next attempt goes
on; pooch checks the digest and moves the file into place.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from mfm_pipeline.errors import DataError

logger = logging.getLogger(__name__)

_CHUNK = 2**16
_MAX_REDIRECTS = 10


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to go on after a transfer broke off.

    Parameters
    ----------
    connect, read : float
        Seconds without a connection, without a byte.
    attempts : int
        A mirror, each of which has to bring something new.
    """

    connect: float = 10.0
    read: float = 30.0
    attempts: int = 5


@dataclass(frozen=True)
class PublicFile:
    """A file, where it can be had and what it has to be.

    Parameters
    ----------
    path : Path
        Where it goes.
    urls : tuple of str
        Mirrors, in the order in which they are tried.
    digest : str
        ``sha256:`` or ``md5:`` and hexadecimal digits.
    size : int
        Bytes.
    """

    path: Path
    urls: tuple[str, ...]
    digest: str
    size: int

    @property
    def part(self) -> Path:
        """Where the bytes that have arrived so far lie; hidden from listings of raw files."""
        return self.path.with_name(f".{self.path.name}.part")

    @property
    def arrived(self) -> int:
        """How many bytes have arrived so far."""
        return self.part.stat().st_size if self.part.exists() else 0

    def is_intact(self) -> bool:
        """Return whether the file is there and right."""
        if not self.path.is_file() or self.path.stat().st_size != self.size:
            return False
        algorithm, _, digest = self.digest.partition(":")
        return bool(pooch.file_hash(str(self.path), alg=algorithm) == digest)


class _MirrorError(Exception):
    """What a mirror did wrong."""


class _BrokenOffError(_MirrorError):
    """The transfer ended early; what has arrived is kept."""


class _WrongContentError(_MirrorError):
    """All bytes are there, but they are not the file's."""


def fetch(file: PublicFile, patience: Patience) -> str | None:
    """Fetch a file from the first mirror that has it; one that is there and right stays.

    Parameters
    ----------
    file : PublicFile
    patience : Patience

    Returns
    -------
    str or None
        The mirror's URL; None if nothing had to be fetched.

    Raises
    ------
    DataError
        If no mirror has the file as it should be, or it cannot be written.
    """
    # The project says itself what is fetched.
    pooch.get_logger().setLevel(logging.WARNING)
    failures = []
    try:
        if file.is_intact():
            return None
        for url in file.urls:
            try:
                _fetch_from(url, file, patience)
                return url
            except _MirrorError as error:
                failures.append(f"{url}: {error}")
                logger.warning("%s", failures[-1])
    except OSError as error:
        raise DataError(f"{file.path}: cannot be read or written ({error})") from error
    raise DataError(
        f"{file.path}: found no mirror that serves it ({'; '.join(failures)}); "
        f"expected {file.size} bytes, {file.digest}"
    )


def _fetch_from(url: str, file: PublicFile, patience: Patience) -> None:
    resumed = file.arrived > 0
    try:
        _retrieve(url, file, patience)
    except _WrongContentError as error:
        if not resumed:
            raise
        # The part may have come from another mirror, or from another file.
        logger.info("%s: %s; starting again", url, error)
        _retrieve(url, file, patience)


def _retrieve(url: str, file: PublicFile, patience: Patience) -> None:
    def download(url: str, output_file: str, _: object) -> None:
        os.unlink(output_file)  # Empty still; if the process is killed, it would stay.
        _complete_part(url, file, patience)
        os.replace(file.part, output_file)

    try:
        pooch.retrieve(
            url,
            known_hash=file.digest,
            fname=file.path.name,
            path=file.path.parent,
            downloader=download,
        )
    except ValueError as error:
        raise _WrongContentError(" ".join(str(error).split())) from error


def _complete_part(url: str, file: PublicFile, patience: Patience) -> None:
    if file.arrived > file.size:
        file.part.unlink()
    left = patience.attempts
    while file.arrived < file.size:
        before, left = file.arrived, left - 1
        try:
            _request_rest(url, file, patience)
        except _BrokenOffError as error:
            if not left or file.arrived <= before:
                raise
            logger.info("%s: %s; going on", url, error)


def _request_rest(url: str, file: PublicFile, patience: Patience) -> None:
    """Ask for what the part lacks and append it; if all comes instead, write all."""
    start = file.arrived
    # The bytes as they are: they are what the digest is of.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.Session() as session:
        session.max_redirects = _MAX_REDIRECTS
        timeout = (patience.connect, patience.read)
        try:
            response = session.get(url, headers=headers, stream=True, timeout=timeout)
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise _MirrorError(_reason(error)) from error
        with response:
            first = _first_byte(response, file, start)
            if first is not None:
                _receive(response, file, first)
                return
    logger.info("%s: does not go on from byte %d; starting again", url, start)
    file.part.unlink()
    _request_rest(url, file, patience)


def _first_byte(response: requests.Response, file: PublicFile, start: int) -> int | None:
    """Return where in the file the response begins; None if not where it was asked to."""
    status = response.status_code
    if start and status in (206, 416):
        asked = f"bytes {start}-{file.size - 1}"
        found = response.headers.get("Content-Range")
        return start if found in (f"{asked}/{file.size}", f"{asked}/*") else None
    if status != 200:
        raise _MirrorError(f"found status {status}; expected 200")
    length = response.headers.get("Content-Length", str(file.size))
    if length != str(file.size):
        raise _MirrorError(f"found {length[:20]} bytes; expected {file.size}")
    return 0


def _receive(response: requests.Response, file: PublicFile, first: int) -> None:
    """Write what comes, from byte `first` on."""
    arrived = first
    with (
        file.part.open("ab" if first else "wb") as part,
        tqdm(
            total=file.size, initial=first, desc=file.path.name,
            unit="B", unit_scale=True, disable=None,
        ) as bar,
    ):  # fmt: skip
        try:
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                arrived += len(chunk)
                if arrived > file.size:
                    break
                part.write(chunk)
                bar.update(len(chunk))
        except HTTPError as error:
            raise _BrokenOffError(
                f"found {arrived} bytes, then {_reason(error)}; expected {file.size}"
            ) from error
        part.flush()
        os.fsync(part.fileno())
    if arrived > file.size:
        file.part.unlink()
        raise _MirrorError(f"found more than {file.size} bytes; expected as many")
    if arrived < file.size:
        raise _BrokenOffError(f"found {arrived} bytes; expected {file.size}")


def _reason(error: BaseException) -> str:
    """Return what happened at the bottom of it, in one line."""
    root = error
    while root.__context__ is not None:
        root = root.__context__
    return f"{type(error).__name__} ({' '.join(str(root).split())})"
