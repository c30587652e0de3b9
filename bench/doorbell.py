"""A listener that notes when a request came: for the time a command takes until its first one leaves."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Doorbell:
    """Answers every request with an empty 200, and notes when the first bytes of one came."""

    def __init__(self) -> None:
        self.rung = 0.0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = self.listener.accept()
                with wire, contextlib.suppress(OSError):
                    if wire.recv(65536):
                        self.rung = self.rung or time.monotonic()
                    wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def first(self) -> float:
        """When it rang; it may ring again."""
        rung, self.rung = self.rung, 0.0
        return rung

    def close(self) -> None:
        """End the thread."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(2)
