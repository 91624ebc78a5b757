"""The loopback interface: a free port, and a server of what a test gives it, faults included."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def free_port() -> int:
    """A port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Served:
    """What the server answers.

    Attributes:
        address: `http://127.0.0.1:PORT`.
        files: Path -> body.
        cut: Path -> for how many requests only the first half of what is asked for is sent; a set
            of paths counts as for ever.
        marks: Path -> ETag. Such files are also served in parts, if the part's `If-Range` is it.
        redirects: Path -> where to go instead.
        answers: Path -> status code to answer with.
        lengths: Path -> length to announce instead of the true one; None announces none.
        kinds: Path -> Content-Type.
        codings: Path -> Content-Encoding.
        asked: Paths that were asked for, in order.
        ranges: Ranges that were asked for, in order; None where there was none.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] | dict[str, int] = field(default_factory=set)
    marks: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int | None] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    codings: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)

    def cuts(self, path: str) -> bool:
        """Whether the answer to a request is cut."""
        if isinstance(self.cut, set):
            return path in self.cut
        self.cut[path] = self.cut.get(path, 0) - 1
        return self.cut[path] >= 0


@contextmanager
def serve() -> Iterator[Served]:
    """Run a server while the block runs."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            served.ranges.append(self.headers.get("Range"))
            body = served.files.get(self.path)
            if self.path in served.redirects:
                self.send_response(302)
                self.send_header("Location", served.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if self.path in served.answers or body is None:
                self.send_error(served.answers.get(self.path, 404))
                return
            start = self.start_of_part(len(body))
            if start is not None and start >= len(body):
                self.send_error(416)
                return
            part = body[start or 0 :]
            self.send_response(200 if start is None else 206)
            if start is not None:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            length = served.lengths.get(self.path, len(part))
            if length is not None:
                self.send_header("Content-Length", str(length))
            if self.path in served.marks:
                self.send_header("ETag", served.marks[self.path])
            kind = served.kinds.get(self.path, "application/octet-stream")
            self.send_header("Content-Type", kind)
            if self.path in served.codings:
                self.send_header("Content-Encoding", served.codings[self.path])
            self.end_headers()
            self.wfile.write(part[: len(part) // 2] if served.cuts(self.path) else part)

        def start_of_part(self, length: int) -> int | None:
            """First byte that is asked for; None for the whole file."""
            mark = served.marks.get(self.path)
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if mark is None or asked is None or self.headers.get("If-Range", mark) != mark:
                return None
            return int(asked[1])

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
