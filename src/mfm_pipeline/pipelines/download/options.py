"""What can be fetched, from where, and how patiently; checked before any node runs."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator, model_validator

from mfm_pipeline.options import Options

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+/\S*$")]
Digest = Annotated[str, StringConstraints(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")]


class FileOptions(Options):
    """A public file."""

    file: str = Field(min_length=1, description="Where it goes, below the folder of raw data.")
    urls: tuple[Url, ...] = Field(min_length=1, description="Mirrors, the first that works.")
    digest: Digest = Field(description="sha256: or md5:, and lower-case hexadecimal digits.")
    size: int = Field(ge=1, description="Bytes.")

    @field_validator("file")
    @classmethod
    def _check_file(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or "\\" in value or not path.name:
            raise ValueError("expected a file below the folder of raw data, such as a/b.zip")
        return value


class DownloadOptions(Options):
    """Which files to fetch, and how."""

    files: dict[str, FileOptions] = Field(description="By a name of their own.")
    only: tuple[str, ...] | None = Field(None, description="Names to fetch; null for all.")
    connect_timeout: float = Field(10.0, gt=0, le=600, description="Seconds without connection.")
    read_timeout: float = Field(30.0, gt=0, le=600, description="Seconds without a byte.")
    attempts: int = Field(
        5, ge=1, le=100, description="Of a mirror that breaks off, as long as more arrives."
    )

    @field_validator("only", mode="before")
    @classmethod
    def _allow_one_name(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_names(self) -> DownloadOptions:
        for name in self.only or ():
            if name not in self.files:
                raise ValueError(f"only holds '{name}'; expected of {', '.join(self.files)}")
        places = [one.file for one in self.files.values()]
        for place in places:
            if places.count(place) > 1:
                raise ValueError(f"files holds '{place}' twice; expected each file once")
        return self

    @property
    def wanted(self) -> dict[str, FileOptions]:
        """The files to fetch, by name."""
        return {n: one for n, one in self.files.items() if self.only is None or n in self.only}
