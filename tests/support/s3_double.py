"""A storage that speaks as much of S3 as a reader needs: lists, heads and gets, on a free port of this machine."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Storage:
    """Objects by bucket and key, what was got of them, and whether anybody may read."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.got: list[str] = []
        self.refuses = False
        self.address = ""

    def etag(self, name: str) -> str:
        return f'"{hashlib.md5(self.objects[name], usedforsecurity=False).hexdigest()}"'


@contextmanager
def storage() -> Iterator[Storage]:
    """Serve a storage on a free port until the test is done with it."""
    held = Storage()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            status, body, told = _answer(held, self.command, self.path)
            self.send_response(status)
            for name, value in told.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    held.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(held: Storage, method: str, path: str) -> tuple[int, bytes, dict[str, str]]:
    asked = urlsplit(path)
    name = unquote(asked.path).strip("/")
    if held.refuses:
        return 403, b"<Error><Code>AccessDenied</Code><Message>key AKIA-NO</Message></Error>", {}
    if "/" not in name:
        return 200, _listing(held, name, parse_qs(asked.query)), {"Content-Type": "application/xml"}
    if name not in held.objects:
        return 404, b"<Error><Code>NoSuchKey</Code></Error>", {}
    if method == "GET":
        held.got.append(name)
    told = {"ETag": held.etag(name), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    return 200, held.objects[name], told


def _listing(held: Storage, bucket: str, words: dict[str, list[str]]) -> bytes:
    front, end = words.get("prefix", [""])[0], words.get("delimiter", [""])[0]
    keys = [name.partition("/")[2] for name in sorted(held.objects) if name.startswith(f"{bucket}/{front}")]
    plain, folders = [], dict[str, None]()
    for key in keys:
        head, found, _ = key[len(front) :].partition(end) if end else (key, "", "")
        (folders.__setitem__(f"{front}{head}{end}", None) if found else plain.append(key))
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>{escape(held.etag(f'{bucket}/{key}'))}</ETag><Size>{len(held.objects[f'{bucket}/{key}'])}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for key in plain
    )
    prefixes = "".join(f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in folders)
    told = f"<Name>{bucket}</Name><Prefix>{escape(front)}</Prefix><KeyCount>{len(plain)}</KeyCount>"
    return f"<ListBucketResult>{told}<IsTruncated>false</IsTruncated>{contents}{prefixes}</ListBucketResult>".encode()
