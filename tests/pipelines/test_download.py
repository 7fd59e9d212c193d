"""Downloads from a server on this machine that does what servers do wrong."""

import gzip
import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from mfm_pipeline.config import ConfigLoader
from mfm_pipeline.datasets import FolderDataset, RawFolderDataset
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.ingestion.embed import read_vectors
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.pipelines.download import create_pipeline
from mfm_pipeline.pipelines.download.nodes import download_files
from mfm_pipeline.pipelines.download.options import DownloadOptions
from mfm_pipeline.pipelines.pair_digits.nodes import read_digits
from mfm_pipeline.pipelines.pair_digits.options import ImageOptions, SvhnDigests
from mfm_pipeline.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT
from tests.datasets.image_files import FREE, write_raw
from tests.ingestion.environments import read_parameters
from tests.pipelines.mirrors import CONTENT, DIGEST, GLOVE, HALF, SIZE, WRONG, Server, serve


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as found:
        yield found


Download = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def download(server: Server, tmp_path: Path) -> Download:
    """Return a downloader of one file from these paths of the server, in their order."""

    def run(*paths: str, **options: Any) -> dict[str, dict[str, Any]]:
        urls = [path if ":" in path else f"{server.url}/{path}" for path in paths]
        one = {"file": "sub/a.bin", "urls": urls, "digest": DIGEST, "size": SIZE}
        values = {"connect_timeout": 2, "read_timeout": 0.3, **options}
        return download_files(
            tmp_path, DownloadOptions.model_validate({"files": {"a": one}, **values})
        )

    return run


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "sub").iterdir())


def _check(folder: Path) -> None:
    assert (folder / "sub" / "a.bin").read_bytes() == CONTENT
    assert _files(folder) == ["a.bin"]


@pytest.mark.parametrize("path", ["good", "unlabelled", "redirect", "squeezed"])
def test_a_file_arrives_whole(
    server: Server, download: Download, tmp_path: Path, path: str
) -> None:
    url = f"{server.url}/{path}"
    expected = {"file": "sub/a.bin", "bytes": SIZE, "digest": DIGEST, "url": url}
    assert download(path) == {"a": expected}
    _check(tmp_path)
    assert server.served == SIZE


def test_a_good_file_is_left_alone(server: Server, download: Download, tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    before = path.stat()
    assert download("good")["a"]["url"] is None
    assert server.requests == []
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize("content", [WRONG, CONTENT[:HALF], CONTENT + b"more"])
def test_a_wrong_file_is_replaced(
    server: Server, download: Download, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "sub" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError):
        download("missing")
    assert path.read_bytes() == content
    download("good")
    _check(tmp_path)


def test_a_transfer_that_breaks_off_goes_on(
    server: Server, download: Download, tmp_path: Path
) -> None:
    download("cut-once")
    _check(tmp_path)
    assert server.requests == [("/cut-once", None), ("/cut-once", f"bytes={HALF}-")]
    assert server.served == SIZE


def test_a_transfer_goes_on_through_a_redirect(
    server: Server, download: Download, tmp_path: Path
) -> None:
    download("redirect-to-cut")
    _check(tmp_path)
    assert [path for path, _ in server.requests] == ["/redirect-to-cut", "/cut-once"] * 2
    assert server.requests[-1][1] == f"bytes={HALF}-"
    assert server.served == SIZE


def test_the_next_run_goes_on(server: Server, download: Download, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"found {HALF} bytes"):
        download("cut-once", attempts=1)
    assert _files(tmp_path) == [".a.bin.part"]
    assert (tmp_path / "sub" / ".a.bin.part").read_bytes() == CONTENT[:HALF]
    download("cut-once", attempts=1)
    _check(tmp_path)
    assert server.requests[1:] == [("/cut-once", f"bytes={HALF}-")]
    assert server.served == SIZE


def test_the_next_mirror_goes_on(server: Server, download: Download, tmp_path: Path) -> None:
    assert download("cut-at-the-same-byte", "good")["a"]["url"] == f"{server.url}/good"
    _check(tmp_path)
    assert server.requests[-1] == ("/good", f"bytes={HALF}-")


def test_attempts_are_counted(server: Server, download: Download, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"found 150000 bytes, then .*; expected {SIZE}"):
        download("cut-often", attempts=3)
    download("cut-often", attempts=5)
    _check(tmp_path)
    assert len(server.requests) == 7 and server.served == SIZE


@pytest.mark.parametrize("path", ["cut-without-range", "other-range", "refuses-range"])
def test_a_mirror_that_cannot_go_on_starts_again(
    server: Server, download: Download, tmp_path: Path, path: str
) -> None:
    download(path)
    _check(tmp_path)
    assert server.requests[1] == (f"/{path}", f"bytes={HALF}-")
    assert server.served >= HALF + SIZE


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("missing", "found status 404; expected 200"),
        ("says-less", f"found 1000 bytes; expected {SIZE}"),
        ("says-more", f"found {SIZE + 9} bytes; expected {SIZE}"),
        ("sends-more", f"found more than {SIZE} bytes"),
        ("page", f"found 25 bytes; expected {SIZE}"),
        ("wrong", f"expected {DIGEST} but got {hashlib.sha256(WRONG).hexdigest()}"),
        ("cut-at-the-same-byte", f"found {HALF} bytes, then"),
        ("unlabelled-cut", f"found {HALF} bytes; expected {SIZE}"),
        ("loop", "TooManyRedirects"),
        ("to-file", "InvalidSchema"),
        ("silent", "ReadTimeout"),
        ("stalls", "ReadTimeoutError"),
        ("http://127.0.0.1:1/a", "Connection refused"),
        ("http://[::1/a", "Invalid"),
    ],
)
def test_what_a_mirror_does_wrong(
    download: Download,
    server: Server,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    path: str,
    expected: str,
) -> None:
    url = path if ":" in path else f"{server.url}/{path}"
    with pytest.raises(DataError) as caught:
        download(path, "missing")
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"{tmp_path / 'sub' / 'a.bin'}: found")
    for part in (f"{url}: ", expected, f"{server.url}/missing: found status 404", DIGEST):
        assert part in message
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == 2 and told[0].startswith(f"{url}: ") and expected in told[0]
    assert not (tmp_path / "sub" / "a.bin").exists()
    caplog.clear()
    assert download(path, "good")["a"]["url"] == f"{server.url}/good"
    _check(tmp_path)


@pytest.mark.parametrize("part", [WRONG[:HALF], WRONG, CONTENT + b"more", CONTENT, b""])
def test_any_part_that_was_left(
    server: Server, download: Download, tmp_path: Path, part: bytes
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".a.bin.part").write_bytes(part)
    download("good")
    _check(tmp_path)
    if part == CONTENT:
        assert server.requests == []


def test_a_part_of_a_wrong_mirror_does_not_spoil_the_next(
    server: Server, download: Download, tmp_path: Path
) -> None:
    assert download("wrong-then-cut", "good")["a"]["url"] == f"{server.url}/good"
    _check(tmp_path)


def test_md5_and_a_choice_of_files(server: Server, tmp_path: Path) -> None:
    md5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
    one = {"urls": [f"{server.url}/good"], "digest": md5, "size": SIZE}
    files = {name: {"file": f"{name}.bin", **one} for name in ("a", "b", "c")}
    options = DownloadOptions.model_validate({"files": files, "only": "b"})
    assert list(download_files(tmp_path, options)) == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["b.bin"]


def test_files_before_one_that_fails_stay(server: Server, tmp_path: Path) -> None:
    files = {
        name: {
            "file": f"{name}.bin",
            "urls": [f"{server.url}/{path}"],
            "digest": DIGEST,
            "size": SIZE,
        }
        for name, path in {"a": "good", "b": "wrong", "c": "good"}.items()
    }
    options = DownloadOptions.model_validate({"files": files})
    with pytest.raises(DataError, match=r"b\.bin: found no mirror"):
        download_files(tmp_path, options)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert not (tmp_path / "b.bin").exists() and not (tmp_path / "c.bin").exists()


def test_a_folder_that_cannot_be_written(download: Download, tmp_path: Path) -> None:
    (tmp_path / "sub").write_text("a file where a folder should be")
    with pytest.raises(DataError, match=r"sub/a\.bin: cannot be read or written"):
        download("good")


def test_no_bar_without_a_terminal(download: Download, capfd: pytest.CaptureFixture[str]) -> None:
    download("good")
    assert capfd.readouterr().err == ""


def test_the_pipeline(server: Server, tmp_path: Path) -> None:
    one = {"file": "a.bin", "urls": [f"{server.url}/good"], "digest": DIGEST, "size": SIZE}
    told = JSONDataset(filepath=str(tmp_path / "downloads.json"))
    catalog = DataCatalog(
        {
            "raw_root": FolderDataset(path=str(tmp_path / "raw")),
            "params:download": MemoryDataset(DownloadOptions.model_validate({"files": {"a": one}})),
            "downloads": told,
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    assert told.load()["a"]["url"] == f"{server.url}/good"
    assert (tmp_path / "raw" / "a.bin").read_bytes() == CONTENT


def _configured(environment: str | None) -> dict[str, Any]:
    loader = ConfigLoader(ROOT / "conf", environment, **CONFIG_LOADER_ARGS)
    block: dict[str, Any] = loader["parameters"]["download"]
    return block


MNIST = {
    "mnist/train-images-idx3-ubyte.gz",
    "mnist/train-labels-idx1-ubyte.gz",
    "mnist/t10k-images-idx3-ubyte.gz",
    "mnist/t10k-labels-idx1-ubyte.gz",
}


@pytest.mark.parametrize(
    ("environment", "files"),
    [
        (None, {"glove/glove.6B.zip"}),
        ("pom", {"glove/glove.6B.zip"}),
        ("blended_mnist", MNIST),
        ("svhn_mnist", MNIST | {"svhn/train_32x32.mat", "svhn/test_32x32.mat"}),
    ],
)
def test_what_each_environment_fetches(environment: str | None, files: set[str]) -> None:
    options = DownloadOptions.model_validate(_configured(environment))
    assert {one.file for one in options.wanted.values()} == files
    for one in options.files.values():
        assert all(url.endswith("/" + one.file.split("/")[1]) for url in one.urls)


def test_the_configured_digests_of_svhn_are_those_its_reader_expects() -> None:
    options = DownloadOptions.model_validate(_configured("svhn_mnist"))
    for name, digest in SvhnDigests().model_dump().items():
        assert options.files[f"svhn_{name}"].digest == digest


def test_what_is_fetched_can_be_paired(server: Server, tmp_path: Path) -> None:
    write_raw(tmp_path)
    raw_root, block = tmp_path / "fetched", _configured("svhn_mnist")
    block["only"] = [name for name in block["files"] if name != "glove"]
    for name in block["only"]:
        one = block["files"][name]
        written = tmp_path / one["file"]
        if not written.exists():  # Labels are written without .gz, for a change.
            content = gzip.compress(written.with_suffix("").read_bytes())
        else:
            content = written.read_bytes()
        server.files[f"/{one['file']}"] = content
        one["urls"] = [f"{server.url}/wrong", f"{server.url}/{one['file']}"]
        one["digest"] = "md5:" + hashlib.md5(content).hexdigest()
        one["size"] = len(content)
    download_files(raw_root, DownloadOptions.model_validate(block))
    folders = {
        name: RawFolderDataset(path=str(raw_root / name)).load() for name in ("mnist", "svhn")
    }
    images = ImageOptions.model_validate({"source": "svhn_mnist", "extra": True, **FREE})
    sets = read_digits(**folders, images=images)
    assert {name: len(found) for name, found in sets.items()} == {"mnist": 90, "svhn": 110}


def test_glove_arrives_where_ingestion_looks_words_up(server: Server, tmp_path: Path) -> None:
    content = read_parameters(ROOT / "conf", None)
    one = content["download"]["files"]["glove"] | {
        "urls": [f"{server.url}/glove"],
        "digest": "sha256:" + hashlib.sha256(GLOVE).hexdigest(),
        "size": len(GLOVE),
    }
    download_files(tmp_path, DownloadOptions.model_validate({"files": {"glove": one}}))
    assert [path for path, _ in server.requests] == ["/glove", "/glove"]  # It broke off once.
    folders = [RawFolderDataset(path=str(tmp_path / name), required=False).load()
               for name in ("sample", "glove")]  # fmt: skip
    options = IngestionOptions.model_validate(content["ingestion"])
    found = read_vectors("language", {"film", "unheard"}, (folders[0], folders[1]), options)
    assert found.index.tolist() == ["film"]
    assert found.loc["film"].tolist() == list(range(300, 600))


GOOD = {"file": "a.zip", "urls": ["https://example.org/a.zip"], "digest": DIGEST, "size": 5}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"file": "../a"}, "files.a: file is '../a'"),
        ({"file": "/a"}, "below the folder of raw data"),
        ({"file": "."}, "below the folder of raw data"),
        ({"urls": []}, "files.a: urls"),
        ({"urls": ["ftp://example.org/a"]}, "files.a: urls.0 is 'ftp://example.org/a'"),
        ({"digest": "sha1:" + "0" * 40}, "files.a: digest"),
        ({"digest": "sha256:12"}, "files.a: digest"),
        ({"size": 0}, "files.a: size is 0"),
        ({"sise": 3}, "did you mean 'size'?"),
    ],
)
def test_wrong_options(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(expected)):
        DownloadOptions.model_validate({"files": {"a": GOOD | change}})


def test_wrong_choices() -> None:
    with pytest.raises(ParameterError, match="only holds 'b'; expected of a"):
        DownloadOptions.model_validate({"files": {"a": GOOD}, "only": ["b"]})
    with pytest.raises(ParameterError, match=r"files holds 'a\.zip' twice"):
        DownloadOptions.model_validate({"files": {"a": GOOD, "b": GOOD}})
