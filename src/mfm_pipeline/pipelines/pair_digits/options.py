"""Which images are paired, and how; checked before any node runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mfm_pipeline.features.pairs import Balance, Way
from mfm_pipeline.options import Options
from mfm_pipeline.pipelines.download.options import Digest

Source = Literal["sklearn", "mnist_blended", "svhn_mnist"]


class MnistDigests(Options):
    """Of MNIST's files, unpacked; null for other files of that format."""

    train_images: Digest | None = "md5:6bbc9ace898e44ae57da46a324031adb"
    train_labels: Digest | None = "md5:a25bea736e30d166cdddb491f175f624"
    test_images: Digest | None = "md5:2646ac647ad5339dbf082846283269ea"
    test_labels: Digest | None = "md5:27ae3e4e09519cfbb04c329615203637"


class SvhnDigests(Options):
    """Of SVHN's files of cropped digits; null for other files of that format."""

    train: Digest | None = "md5:e26dedcc434d2e4c54c9b2d4a06d8373"
    test: Digest | None = "md5:eb5a983be6a315427106f1b164d9cef3"
    extra: Digest | None = "md5:a93ce644f1a588dc4d68dda5feec44a7"


class ImageOptions(Options):
    """Where the images come from."""

    source: Source = "sklearn"
    extra: bool = Field(False, description="SVHN's 531,131 easier images as well.")
    seed: int = Field(0, ge=0, description="Of halves, patches and colours.")
    mnist_digests: MnistDigests = MnistDigests()
    svhn_digests: SvhnDigests = SvhnDigests()


class PairOptions(Options):
    """How images are paired."""

    count: int = Field(100_000, ge=3, description="Pairs in all.")
    valid: float = Field(0.05, gt=0, lt=1, description="Share of the pairs.")
    test: float = Field(0.15, gt=0, lt=1, description="Share of the pairs.")
    way: Way = "disjoint"
    balance: Balance = "balanced"
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check_shares(self) -> PairOptions:
        if self.valid + self.test >= 1:
            raise ValueError(
                f"valid and test are {self.valid} and {self.test}; expected less than 1 together"
            )
        return self
