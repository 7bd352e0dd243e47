"""A local HTTP server of one file, with the faults that real ones have."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Served:
    """What the server does.

    Attributes
    ----------
    content
        Of the file.
    cut_after
        Bytes after which a connection is cut, one entry per connection; later ones are whole.
    ranges
        Whether it knows ranges.
    status
        Of every answer, None for what fits.
    asked
        Range of every request, "" for none.
    """

    content: bytes
    cut_after: list[int] = field(default_factory=list)
    ranges: bool = True
    status: int | None = None
    asked: list[str] = field(default_factory=list)
    address: str = ""


@contextmanager
def serve(served: Served) -> Iterator[Served]:
    """Serve until the block ends, on 127.0.0.1 and a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            served.asked.append(asked)
            if served.status is not None:
                self.send_error(served.status)
                return
            begin = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and served.ranges else 0
            if begin >= len(served.content):
                self.send_error(416)
                return
            body = served.content[begin:]
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = served.cut_after.pop(0) if served.cut_after else None
            self.wfile.write(body[:cut])
            if cut is not None:
                self.wfile.flush()
                self.connection.shutdown(2)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.address = f"http://127.0.0.1:{server.server_port}/file.zip"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
