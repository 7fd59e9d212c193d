"""Tables of word vectors, of which only the wanted words are kept.

GloVe's text files (no header), word2vec's and fastText's (a first line with the numbers of
words and of dimensions), and word2vec's binary form (``.bin``); plain, ``.gz``, or a member
of a ``.zip``. The files of gensim's own ``save()`` are pickles and refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray

from mfm_pipeline.datasets.reading import check_file, reading
from mfm_pipeline.datasets.unpacking import unpacked
from mfm_pipeline.datasets.vector_tables import read_binary, read_text
from mfm_pipeline.errors import DataError, ParameterError

_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_EXPECTED = "word vectors (text of GloVe, word2vec or fastText, or word2vec's .bin)"


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their vectors.

    Parameters
    ----------
    words : tuple of str
        Each once. Bytes that are not UTF-8 are lone surrogates, as ``surrogateescape``
        makes them.
    vectors : ndarray of float32, shape (V, D)
        Finite; a row a word.
    """

    words: tuple[str, ...]
    vectors: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Numbers of a vector, D."""
        return int(self.vectors.shape[1])

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Row of each word."""
        return {word: row for row, word in enumerate(self.words)}


def read_word_vectors(
    path: Path, wanted: Collection[str], *, member: str | None = None, progress: bool = False
) -> WordVectors:
    """Read the vectors of the wanted words; of a word that occurs twice, the first.

    The file is streamed: memory is that of the result. Every line's number of fields is
    checked, the numbers themselves on the lines of wanted words alone.

    Parameters
    ----------
    path : Path
    wanted : collection of str
    member : str, optional
        Glob of an archive's member, wanted where a ``.zip`` has several.
    progress : bool
        Whether to show a bar, if there is a terminal to show it on.

    Returns
    -------
    WordVectors
        In the file's order; wanted words that are not there are left out.

    Raises
    ------
    DataError
        If the file is missing, damaged, cut off or of no such format, or a wanted vector
        is not finite; with the line.
    """
    check_file(path, _EXPECTED)
    with reading(path, "contents", f"intact {_EXPECTED}"), unpacked(path, member, progress) as file:
        if _PICKLE.match(file.file.peek(2)):
            raise DataError(
                f"{file.where}: found a pickle, which could run anything; expected {_EXPECTED}; "
                "in gensim: save_word2vec_format"
            )
        read = read_binary if file.name.lower().endswith(".bin") else read_text
        return WordVectors(*read(file, wanted))


@dataclass(frozen=True)
class WordVectorsFile:
    """A file of word vectors, to be read for the words that a node wants.

    Parameters
    ----------
    path : Path
    member : str, optional
        See `read_word_vectors`.
    wanted : tuple of str, optional
        What is read unless something else is asked for.
    """

    path: Path
    member: str | None = None
    wanted: tuple[str, ...] | None = None

    def read(self, wanted: Collection[str] | None = None, *, progress: bool = False) -> WordVectors:
        """Read the vectors of `wanted`; see `read_word_vectors`."""
        wanted = self.wanted if wanted is None else wanted
        if wanted is None:
            raise ParameterError(f"{self.path}: wanted is missing; expected a list of words")
        return read_word_vectors(self.path, wanted, member=self.member, progress=progress)


class WordVectorsDataset(AbstractDataset[None, WordVectorsFile]):
    """Kedro dataset of a file of word vectors; read only.

    Parameters
    ----------
    filepath : str
    wanted : list of str, optional
        Words to read; left out where the node says which.
    member : str, optional
        Glob of an archive's member.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def __init__(
        self,
        *,
        filepath: str,
        wanted: list[str] | None = None,
        member: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        words = None if wanted is None else tuple(wanted)
        self._file = WordVectorsFile(Path(filepath), member, words)
        self.metadata = metadata

    def load(self) -> WordVectorsFile:
        """Return the file, not read yet.

        Raises
        ------
        DataError
            If it is missing or empty.
        """
        check_file(self._file.path, _EXPECTED)
        return self._file

    def save(self, data: None) -> None:
        """Refuse: such files come from other programs."""
        raise DataError(f"{self._file.path}: is read only, never written")

    def _exists(self) -> bool:
        return self._file.path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._file.path), "member": self._file.member}
