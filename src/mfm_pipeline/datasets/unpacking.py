"""Large files read from their first byte to their last, packed or not, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from gzip import GzipFile
from io import BufferedReader, RawIOBase
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple
from zipfile import ZipFile, ZipInfo

from tqdm import tqdm

from mfm_pipeline.datasets.arrays import check_compression
from mfm_pipeline.errors import DataError

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_BUFFER = 2**20
#: Text of numbers packs to a half or a third. What unpacks to far more was made to do harm.
_MAX_RATIO = 200
_NAMES_IN_MESSAGE = 10


class Unpacked(NamedTuple):
    """A file that is open for reading.

    Parameters
    ----------
    name : str
        Of what is read: that of the file, without ``.gz``, or of the archive's member.
    where : str
        The same for messages: the path, and the member.
    file : BufferedReader
    """

    name: str
    where: str
    file: BufferedReader


@contextmanager
def unpacked(path: Path, member: str | None = None, progress: bool = False) -> Iterator[Unpacked]:
    """Open a plain file, a gzip file or one member of a zip archive, as its first bytes say.

    Parameters
    ----------
    path : Path
    member : str, optional
        Glob of the archive's member, where there are several. Of no meaning elsewhere.
    progress : bool
        Whether to show a bar, if there is a terminal to show it on.

    Yields
    ------
    Unpacked

    Raises
    ------
    DataError
        If no member matches, or several, it is compressed by anything but deflate, or the
        file unpacks to far more than its size.
    """
    size = path.stat().st_size
    with ExitStack() as stack:
        source = stack.enter_context(path.open("rb"))
        head = source.read(4)
        source.seek(0)
        name, where = path.name, str(path)
        file: IO[bytes] | GzipFile = source
        if head == _ZIP:
            archive = stack.enter_context(ZipFile(source))
            name = _choose_member(path, archive, member)
            where = f"{path}: {_shown(name)}"
            check_compression(archive.getinfo(name), where)
            file = stack.enter_context(archive.open(name))
        elif head.startswith(_GZIP):
            name = name.removesuffix(".gz")
            file = stack.enter_context(GzipFile(fileobj=source))
        disable = None if progress else True
        bar = tqdm(total=size, desc=path.name, unit="B", unit_scale=True, disable=disable)
        stack.enter_context(bar)
        yield Unpacked(name, where, BufferedReader(_Watched(where, source, file, bar), _BUFFER))


def _choose_member(path: Path, archive: ZipFile, member: str | None) -> str:
    names = [info.filename for info in archive.infolist() if not _is_hidden(info)]
    several = len(names) > 1 and member is not None
    found = [name for name in names if not several or fnmatchcase(name, str(member))]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(map(_shown, (found or names)[:_NAMES_IN_MESSAGE]))
    if len(found or names) > _NAMES_IN_MESSAGE:
        listed += ", ..."
    if not found and several:
        raise DataError(f"{path}: member: found none that matches '{member}' among: {listed}")
    raise DataError(f"{path}: member: found {len(found)} ({listed}); expected one; name it")


def _is_hidden(member: ZipInfo) -> bool:
    """Return whether it is a folder, or such as macOS adds (``__MACOSX/._glove.txt``)."""
    return member.is_dir() or PurePosixPath(member.filename).name.startswith(".")


def _shown(name: str) -> str:
    """Return a member's name as it may stand in a message of one line."""
    return name if name.isprintable() else repr(name)


class _Watched(RawIOBase):
    """Reads `file`, which unpacks `source`, and looks at how far both have come."""

    def __init__(self, where: str, source: IO[bytes], file: IO[bytes] | GzipFile, bar: Any) -> None:
        self._where, self._source, self._file, self._bar = where, source, file, bar
        self._total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._file.readinto(buffer)  # type: ignore[union-attr]
        packed = self._source.tell()
        self._total += count
        if self._total > _MAX_RATIO * max(packed, _BUFFER // _MAX_RATIO):
            raise DataError(
                f"{self._where}: found data that unpacks to more than {_MAX_RATIO} times its "
                "size; expected at most that"
            )
        self._bar.update(packed - self._bar.n)
        return count
