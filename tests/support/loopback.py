"""A server on loopback, served by a thread until it is closed."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer

__all__ = ["Loopback"]


class Loopback:
    """Inherit; begin with :meth:`serve`."""

    def serve(self, server: ThreadingHTTPServer, *, scheme: str = "http") -> None:
        """Serve from now on."""
        self._server, self._scheme = server, scheme
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
