"""Whether bytes are those that were published."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mfm_pipeline.errors import DataError


def check_digest(parts: Iterable[bytes | bytearray], expected: str | None, where: str) -> None:
    """Check the digest of bytes that come in parts.

    Parameters
    ----------
    parts : iterable of bytes
    expected : str or None
        ``md5:`` or ``sha256:`` and hexadecimal digits; None for any.
    where : str
        File, and whether unpacked, for the message.

    Raises
    ------
    DataError
        If it is another.
    """
    if expected is None:
        return
    algorithm, _, _ = expected.partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for part in parts:
        digest.update(part)
    found = f"{algorithm}:{digest.hexdigest()}"
    if found != expected:
        raise DataError(f"{where}: found digest {found}; expected {expected}")
