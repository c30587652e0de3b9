"""Many hosts of 127.0.0.0/8 on one port: what was asked of each, and how much of it at once."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WIDE = 12  # hosts


class Town:
    """`url(n, path)`: at its n-th host; what that has seen is in `asked`, `most` and `times`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.hosts = [f"127.0.0.{n}" for n in range(1, WIDE + 1)]
        self.asked: Counter[str] = Counter()  # host/path
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.times: list[float] = []
        self.most: dict[str, int] = defaultdict(int)  # host -> requests that were open at once
        self._open: Counter[str] = Counter()

    def url(self, n: int, path: str) -> str:
        """An address of the n-th host, counted round."""
        return f"http://{self.hosts[n % WIDE]}:{self.port}/{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        host = writer.get_extra_info("sockname")[0]
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while await self._answer(host, reader, writer):
                    pass
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()  # the end of the town cancels this

    async def _answer(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked[host + path] += 1
        self.times.append(time.monotonic())
        self.heads.append(head)
        if b"content-length: " in head.lower():
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            self.bodies.append(await reader.readexactly(size))
        self._open[host] += 1
        self.most[host] = max(self.most[host], self._open[host])
        try:
            answer, stays = await self._of(path)
        finally:
            self._open[host] -= 1
        writer.write(answer)
        await writer.drain()
        return stays

    async def _of(self, path: str) -> tuple[bytes, bool]:
        """What this path is answered with, and whether the connection stays."""
        match path.split("/")[1:]:
            case ["slow", seconds, *_]:
                await asyncio.sleep(float(seconds))
                return response(b"slow"), True
            case ["gzip", size]:
                return response(gzip.compress(bytes(int(size))), "Content-Encoding: gzip"), True
            case ["chunked"]:
                return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True
            case ["short"]:
                return b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", False
            case ["to", n, *rest]:
                place = f"Location: {self.url(int(n), '/'.join(rest))}"
                return response(b"", place, status="302 Found"), True
            case ["status", status]:
                return response(b"no", status=f"{status} X"), True
            case ["bytes", size, *_]:
                return response(b"x" * int(size), "Content-Type: text/plain; charset=utf-8"), True
        return response(path.encode()), True


def response(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """A whole one."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def listed(folder: Path, place: Town, rows: int, path: str = "bytes/{n}") -> Path:
    """A list of so many URLs, over all hosts in turn."""
    made = folder / "urls.txt"
    made.write_text("".join(f"{place.url(n, path.format(n=n))}\n" for n in range(1, rows + 1)))
    return made


@contextmanager
def town() -> Iterator[Town]:
    """Serve it, in a thread, until the context is left."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    there, ready = Town(port), threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        end = asyncio.Event()
        server = await asyncio.start_server(there.serve, there.hosts, port, backlog=512)
        ends.append((asyncio.get_running_loop(), end))
        ready.set()
        await end.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # in which the transports close their sockets

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield there
    finally:
        loop, end = ends[0]
        loop.call_soon_threadsafe(end.set)
        thread.join()
