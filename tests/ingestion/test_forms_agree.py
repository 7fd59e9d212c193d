"""One corpus in every form: the same tensors, whichever it is read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfm_pipeline.data import Corpus
from mfm_pipeline.ingestion.options import IngestionOptions
from tests.conftest import ROOT
from tests.ingestion import sample_forms as forms
from tests.ingestion.environments import read_parameters
from tests.ingestion.tiny_corpus import ingest_with

WORDS, VECTORS, ACOUSTIC, VISUAL, LABELS = (
    "TimestampedWords", "TimestampedWordVectors", "COVAREP", "Facet_42", "Opinion_Labels",
)  # fmt: skip
Write = Callable[[Path, forms.Sequences], None]


def _only(name: str, writer: Callable[[Path], Any]) -> Write:
    """Write one stream by `writer`, the others as computational sequences."""

    def write(folder: Path, sequences: forms.Sequences) -> None:
        others = {WORDS, VECTORS, ACOUSTIC, VISUAL, LABELS} - {name}
        forms.write_csd(folder, sequences, *others)
        writer(folder)(sequences[name])

    return write


def _words_looked_up(kind: str, shared: bool) -> Write:
    def write(folder: Path, sequences: forms.Sequences) -> None:
        forms.write_csd(folder, sequences, WORDS, ACOUSTIC, VISUAL, LABELS)
        place = folder.parent / "glove" if shared else folder
        forms.glove(place, forms.vectors_by_word(sequences), kind)

    return write


def _segment_keys(folder: Path, sequences: forms.Sequences) -> None:
    forms.write_csd(folder, sequences, WORDS, VECTORS, VISUAL, LABELS)
    forms.segment_csd(folder, ACOUSTIC, sequences[LABELS])(sequences[ACOUSTIC])


def _segment_words(folder: Path, sequences: forms.Sequences) -> None:
    forms.write_csd(folder, sequences, VECTORS, ACOUSTIC, VISUAL, LABELS)
    forms.segment_words(folder, sequences[LABELS])(sequences[WORDS])


def _all_files(folder: Path, sequences: forms.Sequences) -> None:
    """Write nothing but a file a video, as the paper's authors had them, and GloVe."""
    forms.covarep(folder)(sequences[ACOUSTIC])
    forms.facet(folder)(sequences[VISUAL])
    forms.segment_words(folder, sequences[LABELS])(sequences[WORDS])
    forms.labels_csv(folder)(sequences[LABELS])
    forms.glove(folder, forms.vectors_by_word(sequences), "txt")


def _table(*how: str) -> Write:
    return _only(ACOUSTIC, lambda folder: forms.table(folder, "acoustic", *how))


RAW: dict[str, Write] = {
    "csd, a segment a key": _segment_keys,
    "covarep v5": _only(ACOUSTIC, forms.covarep),
    "covarep v7": _only(ACOUSTIC, lambda folder: forms.covarep(folder, compressed=True)),
    "covarep v7.3": _only(ACOUSTIC, forms.covarep_73),
    "opensmile": _only(ACOUSTIC, forms.opensmile),
    "table": _table(),
    "table, one time a row": _table("time"),
    "table, tabs, at a rate": _table("", "\t"),
    "npz a video": _only(ACOUSTIC, lambda folder: forms.array(folder, "acoustic")),
    "npy a video, at a rate": _only(
        ACOUSTIC, lambda folder: forms.array_at_rate(folder, "acoustic")
    ),
    "facet": _only(VISUAL, forms.facet),
    "openface": _only(VISUAL, forms.openface),
    "textgrid, long": _only(WORDS, forms.textgrid_long),
    "textgrid, long, UTF-16": _only(WORDS, lambda folder: forms.textgrid_long(folder, "utf-16")),
    "textgrid, short": _only(WORDS, forms.textgrid_short),
    "textgrid, short, UTF-16": _only(WORDS, lambda folder: forms.textgrid_short(folder, "utf-16")),
    "labels.csv": _only(LABELS, forms.labels_csv),
    "vectors a video": _only(VECTORS, lambda folder: forms.table(folder, "language")),
    "words a segment": _segment_words,
    "glove": _words_looked_up("txt", shared=False),
    "glove, shared": _words_looked_up("txt", shared=True),
    "glove, gzip, shared": _words_looked_up("gz", shared=True),
    "glove, zip": _words_looked_up("zip", shared=True),
    "word2vec": _words_looked_up("vec", shared=False),
    "word2vec, binary": _words_looked_up("bin", shared=False),
    "all in files": _all_files,
}
PREPARED = {
    "arrays": forms.prepared_h5,
    "side by side": forms.prepared_side_by_side,
    "MMSA": forms.mmsa_pickle,
    "MultiBench": forms.multibench_pickle,
    "npz": forms.npz,
}


def _options(acoustic_rate: float | None = None) -> IngestionOptions:
    parameters = read_parameters(ROOT / "conf", None)["ingestion"]
    videos = [f"sample_{i:02}" for i in range(10)]
    folds = {"train": videos[:6], "valid": videos[6:8], "test": videos[8:]}
    for name, columns in (("language", [0, 25]), ("acoustic", [25, 33]), ("visual", [33, 40])):
        parameters["modalities"][name]["columns"] = columns
    if acoustic_rate is not None:
        files = [{"glob": "acoustic/*", "rate": acoustic_rate}]
        parameters["modalities"]["acoustic"]["files"] = files
    return IngestionOptions.model_validate({**parameters, "folds": folds, "steps": 6})


@pytest.fixture(scope="module")
def sequences() -> forms.Sequences:
    return forms.make_sequences()


@pytest.fixture(scope="module")
def reference(sequences: forms.Sequences, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("reference") / "sample"
    forms.write_csd(folder, sequences, WORDS, VECTORS, ACOUSTIC, VISUAL, LABELS)
    return ingest_with(folder, _options())[0]


def _check_same(found: Corpus, reference: Corpus, ids: bool = True) -> None:
    for name, split in reference.splits.items():
        other = found.splits[name]
        if ids:
            assert other.ids.tolist() == split.ids.tolist()
        np.testing.assert_allclose(other.targets.values, split.targets.values, atol=1e-6)
        for modality, expected in split.modalities.items():
            seen = other.modalities[modality]
            assert seen.steps is not None
            np.testing.assert_array_equal(seen.present, expected.present, err_msg=modality)
            np.testing.assert_array_equal(seen.steps, expected.steps, err_msg=modality)
            np.testing.assert_allclose(
                seen.values, expected.values, rtol=1e-6, atol=1e-6, err_msg=modality
            )


def test_the_reference_holds_what_it_should(reference: Corpus) -> None:
    assert {name: len(split) for name, split in reference.splits.items()} == {
        "train": 18, "valid": 6, "test": 6,
    }  # fmt: skip
    present = [m.present for split in reference.splits.values() for m in split.modalities.values()]
    assert not np.concatenate(present).all()  # A video lacks a modality.
    assert all(m.values.any() for m in reference.train.modalities.values())


@pytest.mark.parametrize("form", RAW)
def test_raw_forms_agree(
    form: str, sequences: forms.Sequences, reference: Corpus, tmp_path: Path
) -> None:
    folder = tmp_path / "sample"
    RAW[form](folder, sequences)
    found = ingest_with(folder, _options(100.0 if form.endswith("at a rate") else None))[0]
    if "glove" in form or "word2vec" in form or form == "all in files":
        # Words are there also where the file of vectors lacked the video.
        _check_same(*(_without_language(corpus) for corpus in (found, reference)))
        _check_language(found, reference, forms.vectors_by_word(sequences))
    else:
        _check_same(found, reference)
    assert found.train.words is not None and reference.train.words is not None
    assert np.char.lower(found.train.words).tolist() == reference.train.words.tolist()


def _without_language(corpus: Corpus) -> Corpus:
    splits = {name: split.keep(["acoustic", "visual"]) for name, split in corpus.splits.items()}
    return Corpus(corpus.name, splits)


def _check_language(found: Corpus, reference: Corpus, vectors: dict[str, np.ndarray]) -> None:
    """Compare with the reference where it has language, and with the table everywhere."""
    for name, split in reference.splits.items():
        expected, seen = split.modalities["language"], found.splits[name].modalities["language"]
        there, spoken = expected.present, found.splits[name].words
        assert seen.present.all() and spoken is not None
        assert seen.steps is not None and expected.steps is not None
        np.testing.assert_array_equal(seen.steps[there], expected.steps[there])
        np.testing.assert_allclose(seen.values[there], expected.values[there], rtol=1e-6, atol=1e-6)
        known = np.isin(np.char.lower(spoken), list(vectors))
        np.testing.assert_array_equal(seen.steps, known)
        looked_up = np.stack([vectors[word.lower()] for word in spoken[seen.steps].tolist()])
        np.testing.assert_allclose(seen.values[seen.steps], looked_up, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", PREPARED)
def test_prepared_forms_agree(form: str, reference: Corpus, tmp_path: Path) -> None:
    PREPARED[form](tmp_path / "sample", reference)
    found = ingest_with(tmp_path / "sample", _options())[0]
    _check_same(found, reference, ids=form in ("MMSA", "MultiBench", "npz"))
