"""A server on this machine that does what servers do wrong."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

CONTENT = np.random.default_rng(0).bytes(300_001)
SIZE = len(CONTENT)
HALF = 150_000
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
WRONG = bytes(SIZE)


def _archive() -> bytes:
    """Return a small archive of word vectors like GloVe's, a member a width."""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for width in (50, 100, 200, 300):
            numbers = " ".join(str(width + column) for column in range(width))
            archive.writestr(f"glove.6B.{width}d.txt", f"the {numbers}\nfilm {numbers}\n")
    return packed.getvalue()


GLOVE = _archive()


@dataclass
class Server:
    """What was asked for (path, range) and how many bytes of bodies were served."""

    url: str
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    served: int = 0
    files: dict[str, bytes] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *args: Any) -> None:
        self.log = server
        super().__init__(*args)

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        before = sum(path == self.path for path, _ in self.log.requests)
        self.log.requests.append((self.path, self.headers["Range"]))
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        start = int(asked[1]) if asked else 0
        if self.path in self.log.files:
            return self._ranged(start, self.log.files[self.path])
        getattr(self, self.path.strip("/").replace("-", "_"))(start, before)

    def _answer(self, status: int, body: bytes, *, stop: int | None = None, **headers: str) -> None:
        self.send_response(status)
        given = {"Content_Length": str(len(body)), "Connection": "close", **headers}
        for name, value in given.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        sent = body[:stop]
        # Before they are sent: who has them all may look at once.
        self.log.served += len(sent)
        self.wfile.write(sent)

    def _ranged(self, start: int, content: bytes = CONTENT, stop: int | None = None) -> None:
        if not start:
            return self._answer(200, content, stop=stop)
        total = len(content)
        found = f"bytes {start}-{total - 1}/{total}"
        self._answer(206, content[start:], stop=stop, Content_Range=found)

    def good(self, start: int, before: int) -> None:
        self._ranged(start)

    def glove(self, start: int, before: int) -> None:
        self._ranged(start, GLOVE, stop=None if before else len(GLOVE) // 2)

    def cut_once(self, start: int, before: int) -> None:
        self._ranged(start, stop=None if before else HALF)

    def cut_often(self, start: int, before: int) -> None:
        self._ranged(start, stop=50_000)

    def cut_at_the_same_byte(self, start: int, before: int) -> None:
        self._answer(200, CONTENT, stop=HALF)

    def cut_without_range(self, start: int, before: int) -> None:
        self._answer(200, CONTENT, stop=None if before else HALF)

    def unlabelled_cut(self, start: int, before: int) -> None:
        self._answer(200, CONTENT, stop=HALF, Content_Length="")

    def unlabelled(self, start: int, before: int) -> None:
        self._answer(200, CONTENT, Content_Length="")

    def other_range(self, start: int, before: int) -> None:
        if not start:
            return self._ranged(start, stop=None if before else HALF)
        self._answer(
            206, CONTENT[start - 1 :], Content_Range=f"bytes {start - 1}-{SIZE - 1}/{SIZE}"
        )

    def refuses_range(self, start: int, before: int) -> None:
        if not start:
            return self._ranged(start, stop=None if before else HALF)
        self._answer(416, b"", Content_Range=f"bytes */{SIZE}")

    def says_less(self, start: int, before: int) -> None:
        self._answer(200, CONTENT, Content_Length="1000")

    def says_more(self, start: int, before: int) -> None:
        self._answer(200, CONTENT, Content_Length=str(SIZE + 9))

    def sends_more(self, start: int, before: int) -> None:
        self._answer(200, CONTENT + b"more", Content_Length="")

    def wrong(self, start: int, before: int) -> None:
        self._ranged(start, WRONG)

    def wrong_then_cut(self, start: int, before: int) -> None:
        self._answer(200, WRONG, stop=HALF)

    def page(self, start: int, before: int) -> None:
        self._answer(200, b"<html>log in first</html>", Content_Type="text/html")

    def squeezed(self, start: int, before: int) -> None:
        # As servers label archives that are stored packed.
        self._answer(200, CONTENT, Content_Encoding="gzip")

    def redirect(self, start: int, before: int) -> None:
        self._answer(302, b"", Location="/good")

    def redirect_to_cut(self, start: int, before: int) -> None:
        self._answer(302, b"", Location="/cut-once")

    def loop(self, start: int, before: int) -> None:
        self._answer(302, b"", Location="/loop")

    def to_file(self, start: int, before: int) -> None:
        self._answer(302, b"", Location=f"file://{__file__}")

    def missing(self, start: int, before: int) -> None:
        self._answer(404, b"not here")

    def silent(self, start: int, before: int) -> None:
        time.sleep(1)

    def stalls(self, start: int, before: int) -> None:
        self._answer(200, CONTENT, stop=HALF)
        self.wfile.flush()
        time.sleep(1)


@contextmanager
def serve() -> Iterator[Server]:
    log = Server("")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, log)) as http:
        http.daemon_threads = True
        http.block_on_close = False
        log.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield log
        http.shutdown()
        thread.join()
