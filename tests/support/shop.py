"""A shop's pages on a port of their own, so that what they send to the collector goes to another site."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).parents[1] / "sdk" / "page.html"
# Segment's package as a page imports it: its modules are for bundlers, its bundle is for pages.
BUNDLED = b"export const { AnalyticsBrowser } = window.AnalyticsNext"


@contextmanager
def shop(modules: Path) -> Iterator[str]:
    """Serve the page under every address, and the SDKs' files beside it; yield the shop's address."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = modules / self.path.removeprefix("/modules/")
            if self.path == "/bundled.js":
                self._say(BUNDLED, "text/javascript")
            elif self.path.startswith("/modules/") and script.is_file():
                self._say(script.read_bytes(), "text/javascript")
            else:
                self._say(PAGE.read_bytes(), "text/html")

        def _say(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Be still."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
