"""Options, and the pipeline as Kedro runs it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro.validation.parameter_validator import ParameterValidator
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset

from mfm_pipeline.datasets import CorpusDataset, FolderDataset, RawFolderDataset
from mfm_pipeline.ingestion.options import IngestionOptions, ScalingOptions, SelectionOptions
from mfm_pipeline.pipelines.ingest_features import create_pipeline
from tests.ingestion.environments import read_parameters
from tests.ingestion.tiny_corpus import ingest_with, make_entries, make_options, write_corpus

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step": 20}, "step"),
        ({"steps": 0}, "steps"),
        ({"min_overlap": -1}, "min_overlap"),
        ({"bad_frames": "drop"}, "bad_frames"),
        ({"modalities": {"language": {"csd": "*"}}}, "expected at least two"),
        ({"modalities": {"a": {"csv": "*"}, "b": None}}, "csv"),
        ({"modalities": {"a": {"csd": "*"}, "b": {}}}, "no place to look"),
        ({"anchor": ["speech"]}, "unknown modality 'speech'"),
        ({"anchor": []}, "anchor"),
        ({"granularity": "phone"}, "granularity"),
        ({"words": {"files": [{"glob": "w/*", "format": "praat"}]}}, "textgrid"),
        ({"words": {"files": [{"glob": "w/*", "video": "(a"}]}}, "regular expression"),
        ({"words": {"files": [{"glob": "w/*", "video": "a.*"}]}}, "0 groups"),
        ({"words": {"files": [{"glob": "w/*", "rate": 0}]}}, "rate"),
        ({"unknown_words": "guess"}, "unknown_words"),
        ({"splits": {"by": ["luck"]}}, "by"),
        ({"splits": {"valid": 0}}, "valid"),
        ({"targets": {"names": ["a", "b"], "values": [0, 1]}}, "multiclass"),
        ({"targets": {"names": ["a", "b"], "task": "multiclass", "values": [0, 1, 2]}}, "3 values"),
        ({"targets": {"names": ["a", "a"]}}, "twice"),
        ({"targets": {"names": ["a"], "columns": [0, 1]}}, "2 columns for 1 names"),
        ({"targets": {"names": ["a"], "task": "multiclass"}}, "at least two"),
        ({"folds": {"train": ["a"], "valid": ["b"], "test": ["a"]}}, "'a' is named twice"),
        ({"folds": {"train": [], "valid": ["b"], "test": ["a"]}}, "train"),
        ({"folds": {"train": ["a", 7], "valid": ["b"], "test": ["c"]}}, "holds 7; .* in quotes"),
    ],
)
def test_wrong_options_are_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_options(**changes)


ENVIRONMENTS = (
    None, "pom", "youtube", "ict_mmmo", "cmu_mosi", "cmu_mosei", "moud", "iemocap", "template",
)  # fmt: skip


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_kedro_checks_the_parameters_of_each_environment(environment: str | None) -> None:
    parameters = read_parameters(ROOT / "conf", environment)
    blocks = {name: parameters[name] for name in ("ingestion", "selection", "scaling")}
    checked = ParameterValidator({"x": create_pipeline()}).validate_raw_params(blocks)
    ingestion = checked["ingestion"]
    assert isinstance(ingestion, IngestionOptions)
    assert isinstance(checked["scaling"], ScalingOptions)
    assert ingestion.corpus == (environment or "sample")
    sizes = {
        None: (40, 8, 16),
        "pom": (600, 100, 203),
        "cmu_mosi": (52, 10, 31),
    }
    folds = ingestion.folds
    assert (folds is None) == (environment not in sizes)
    if folds is not None:
        assert tuple(len(videos) for _, videos in folds.items()) == sizes[environment]
    if environment == "pom":
        assert len(ingestion.targets.names) == 16
        assert ingestion.targets.columns is not None and 14 not in ingestion.targets.columns


def _csv(path: Path) -> CSVDataset:
    return CSVDataset(filepath=str(path), save_args={"index": False})


def test_the_pipeline_runs_node_by_node(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "raw", make_entries())
    catalog = DataCatalog(
        {
            "raw@folder": RawFolderDataset(path=str(folder)),
            "params:ingestion": MemoryDataset(make_options(corpus="sample")),
            "shared_vectors": RawFolderDataset(path=str(tmp_path / "none"), required=False),
            "video_parts": FolderDataset(path=str(tmp_path / "parts")),
            "params:selection": MemoryDataset(SelectionOptions()),
            "params:scaling": MemoryDataset(ScalingOptions(clip=1.5)),
            "word_vectors": ParquetDataset(filepath=str(tmp_path / "vectors.parquet")),
            "samples": _csv(tmp_path / "samples.csv"),
            "ingestion_counts": _csv(tmp_path / "counts.csv"),
            "feature_selection": JSONDataset(filepath=str(tmp_path / "selection.json")),
            "data_report": _csv(tmp_path / "report.csv"),
            "data_plot": MemoryDataset(copy_mode="assign"),
            "sample_plot": MemoryDataset(copy_mode="assign"),
            "aligned_corpus": CorpusDataset(filepath=str(tmp_path / "aligned.h5")),
            "scaling_statistics": JSONDataset(filepath=str(tmp_path / "scaling.json")),
            "corpus": CorpusDataset(filepath=str(tmp_path / "corpus.h5")),
        }
    )
    pipeline = create_pipeline()
    for node in pipeline.nodes:
        SequentialRunner().run(pipeline.only_nodes(node.name), catalog)
    corpus = catalog.load("corpus")
    assert corpus.synthetic
    assert corpus.counts["acoustic values clipped to 1.5"] > 0
    for modality in corpus.train.modalities.values():
        seen = modality.values[modality.steps]
        assert np.abs(seen).max() <= 1.5 and not modality.values[~modality.steps].any()


@pytest.mark.parametrize(
    ("corpus", "sizes", "left_out", "widths"),
    [
        ("pom", (600, 100, 203), ("language",), {"acoustic": (43,), "visual": (41,)}),
        ("youtube", (173, 36, 60), ("language",), {"acoustic": (74,), "visual": (36,)}),
    ],
)
def test_real_data_is_ingested(
    corpus: str, sizes: Any, left_out: Any, widths: Any, tmp_path: Path
) -> None:
    folder = SHARED / corpus
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    options = IngestionOptions.model_validate(read_parameters(ROOT / "conf", corpus)["ingestion"])
    found, _, _ = ingest_with(folder, options, tmp_path)
    assert tuple(len(split) for split in found.splits.values()) == sizes
    assert found.left_out == left_out
    assert {name: m.shape for name, m in found.train.modalities.items()} == widths
    absent = {name: int((~m.present).sum()) for name, m in found.train.modalities.items()}
    if corpus == "pom":  # Counted from the files.
        assert absent == {"acoustic": 0, "visual": 322}
        assert found.train.targets.names[-3:] == ("ner", "per", "hum")
    else:
        assert absent == {"acoustic": 125, "visual": 129}
        assert found.train.targets.task == "multiclass"
