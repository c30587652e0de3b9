"""One connection to the fault server: what is asked on it, and the script that is played there."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from fetcher.server.faults import End, Step
from fetcher.server.sealed import Sealed

LONGEST: Final = 1 << 21  # bytes of a request: redirects lead to very long URLs
LINGER: Final = 5.0  # seconds that a client may still speak after the end of file
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *([0-9]{1,9})\r")


class Peer:
    """A client that has connected."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sealed: Sealed | None = None
        self._said = b""  # what the client said, and nobody has looked at yet

    async def seal(self, context: ssl.SSLContext) -> bool:
        """Speak TLS from now on; whether the client does."""
        self._sealed = Sealed(self._reader, self._writer, context)
        try:
            await self._sealed.handshake()
        except ssl.SSLError:
            self._sealed = None
            with suppress(OSError):
                await self._end(End.EOF)  # that the client may read our alert
            return False
        except OSError:
            return False
        return True

    async def request(self) -> bytes | None:
        """The next request, head and body; None when the client has gone."""
        with suppress(OSError):
            while len(self._said) < LONGEST:
                size = _whole(self._said)
                if size:
                    request, self._said = self._said[:size], self._said[size:]
                    return request
                if not (more := await self._read()):
                    break
                self._said += more
        return None

    async def play(self, sends: bytes | Iterable[Step], kept: bool) -> bool:
        """Send what the script says; whether the connection serves the next request."""
        end = End.KEEP if kept else End.EOF
        with suppress(OSError):  # the client has gone, which is its affair
            for step in (sends,) if isinstance(sends, bytes) else sends:
                if isinstance(step, bytes):
                    await self._write(step)
                    await asyncio.sleep(0)  # a client that keeps up must not keep the others waiting
                elif isinstance(step, End):
                    end = step
                else:
                    await asyncio.sleep(step)
            return await self._end(end)
        return False

    async def _end(self, end: End) -> bool:
        if end is End.KEEP:
            return True
        if end is End.HANG:
            await self._hear()
        elif end is End.RESET:
            conn: socket.socket = self._writer.get_extra_info("socket")
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        elif self._sealed is not None and end is not End.RAGGED:
            await self._sealed.end()
        if end is End.EOF:
            self._writer.write_eof()
            with suppress(TimeoutError):
                # To close on what the client sends meanwhile would reset what it has yet to read.
                await asyncio.wait_for(self._hear(), LINGER)
        return False

    async def _read(self) -> bytes:
        return await (self._sealed or self._reader).read(65_536)

    async def _write(self, data: bytes) -> None:
        if self._sealed is not None:
            await self._sealed.write(data)
        else:
            self._writer.write(data)
            await self._writer.drain()

    async def _hear(self) -> None:
        while await self._reader.read(65_536):
            pass


def _whole(said: bytes) -> int:
    """The size of the request that this begins with, once it is whole."""
    head, found, _ = said.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r")
    size = len(head) + 4 + (int(length[1]) if length else 0)
    return size if found and len(said) >= size else 0
