"""How long each step of an attempt of the asyncio engine took: lookup, connecting, TLS."""

from __future__ import annotations

import ssl
import time
from contextvars import ContextVar
from typing import Final

from fetcher.engines._exchange import Exchange


class Attempt:
    """One attempt on its way to a connection: notes on its exchange how long each step took."""

    __slots__ = ("exchange", "mark")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.mark = exchange.began

    def step(self, name: str) -> None:
        """The step of that name (dns, connect, tls) is over."""
        now = time.monotonic()
        setattr(self.exchange, name, now - self.mark)
        self.mark = now


ATTEMPT: Final[ContextVar[Attempt]] = ContextVar("fetcher_attempt")  # of the task that connects


class Shaking(ssl.SSLObject):
    """A TLS session that notes when its handshake begins."""

    def do_handshake(self) -> None:
        """Begin, or go on with, the handshake."""
        attempt = ATTEMPT.get(None)
        if attempt is not None and attempt.exchange.connect is None:
            attempt.step("connect")
        super().do_handshake()
