"""TLS for the fault server, by hand: asyncio's own keeps the alert to itself with which a handshake fails."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

PIECE = 65_536
T = TypeVar("T")


class Sealed:
    """A connection over which TLS is spoken; `read` gives nothing once the client has ended it in any way."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    async def handshake(self) -> None:
        """Raises SSLError, when the alert that says why has gone out."""
        await self._run(self._tls.do_handshake)

    async def read(self, size: int) -> bytes:
        """Some bytes."""
        try:
            return await self._run(partial(self._tls.read, size))
        except ssl.SSLError:
            return b""

    async def write(self, data: bytes) -> None:
        """All of it."""
        view = memoryview(data)
        while view:
            view = view[await self._run(partial(self._tls.write, view[:PIECE])) :]

    async def end(self) -> None:
        """Say that no more will come; the client's own end need not be heard."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        await self._flush()

    async def _run(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._reader.read(PIECE)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()
            finally:
                await self._flush()

    async def _flush(self) -> None:
        if data := self._out.read():
            self._writer.write(data)
            await self._writer.drain()
