"""Tables as Parquet files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from kedro_datasets.pandas import ParquetDataset

from mfm_pipeline.datasets.atomic import replacing


class WholeParquetDataset(ParquetDataset):  # type: ignore[misc]
    """Kedro's dataset of a local Parquet file, written under another name and moved.

    Parameters
    ----------
    filepath : str
    load_args, save_args : dict, optional
        As pandas takes them.
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    """

    def save(self, data: pd.DataFrame) -> None:
        """Write the file, whole or not at all."""
        with replacing(Path(self._get_save_path())) as path:
            data.to_parquet(path, **self._save_args)
        self._invalidate_cache()
