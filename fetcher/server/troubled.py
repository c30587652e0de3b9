"""The fault server: a path for each fault, or a port of its own where a path cannot have it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

from fetcher.server import faults
from fetcher.server.faults import Fault
from fetcher.server.listen import Leash, base_of, call, cannot, more_descriptors
from fetcher.server.peer import Peer
from fetcher.server.replies import Replies

BACKLOG: Final = 1024
Talk = Callable[[Peer], Awaitable[None]]


def run(host: str, port: int, ready: Callable[[str], None] | None = None, leash: Leash | None = None) -> None:
    """Serve until interrupted, or until the leash calls its `stop`."""
    more_descriptors()
    asyncio.run(_serve(host, port, ready, leash))


async def _serve(host: str, port: int, ready: Callable[[str], None] | None, leash: Leash | None) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    with ExitStack() as held:
        try:
            base = await Ports(host, held).open_all(port)
        except (OSError, OverflowError) as error:
            raise cannot(host, port, error) from error
        if leash is not None:
            leash(lambda: call(loop, stopped.set))
        if ready is not None:
            ready(base)
        await stopped.wait()


class Ports:
    """Every port that is served, open until `held` is closed."""

    def __init__(self, host: str, held: ExitStack) -> None:
        self._host = host
        self._held = held
        self._replies = Replies()

    async def open_all(self, port: int) -> str:
        """The first port's URL; the others are any free ones."""
        base = base_of(await self._open(port, self._talk))
        for fault in faults.every():
            if (where := await self._where(fault, base)) is not None:
                scheme, _, place = where.partition(":")
                name = fault.host or place.strip("/").rpartition(":")[0]
                number = place.rpartition(":")[2]
                url = f"{fault.scheme or scheme}://{name}:{number}{fault.path}"
                self._replies.add(fault, url)
        return base

    async def _where(self, fault: Fault, base: str) -> str | None:
        """The port that has this fault, opened; None where this system cannot have it."""
        if fault.certificate:
            try:
                context = self._replies.context(fault.certificate)
            except (ssl.SSLError, ValueError):  # a TLS library without what is too old to be spoken
                return None
            opened = await self._open(0, partial(self._talk, own=fault, context=context))
            return base_of(opened).replace("http:", "https:")
        if fault.place == "port":
            return base_of(await self._open(0, partial(_blurt, fault)))
        if fault.place == "path":
            return base
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        nobody = self._held.enter_context(socket.socket(family))
        nobody.bind((self._host, 0))  # so that nobody else gets this port meanwhile
        number = nobody.getsockname()[1]
        if fault.place == "full" and not self._fill(nobody):
            return None
        return f"{base.rpartition(':')[0]}:{number}"

    def _fill(self, listener: socket.socket) -> bool:
        """Connect until the queue of a port is full; whether it can be."""
        listener.listen(0)
        for _ in range(8):
            filler = self._held.enter_context(socket.socket(listener.family))
            filler.settimeout(0.1)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                return True
        return False

    async def _open(self, port: int, talk: Talk) -> asyncio.Server:
        server = await asyncio.start_server(partial(_met, talk), self._host, port, backlog=BACKLOG)
        self._held.callback(server.close)
        return server

    async def _talk(
        self, peer: Peer, own: Fault | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        """Answer one request after the other, as long as the connection is kept."""
        if context is not None and not await peer.seal(context):
            return
        while (head := await peer.request()) is not None:
            if not await peer.play(*self._replies.to(head, own)):
                return


async def _met(talk: Talk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await talk(Peer(reader, writer))
    finally:
        writer.close()


async def _blurt(fault: Fault, peer: Peer) -> None:
    """Speak first."""
    assert not callable(fault.sends)
    await peer.play(fault.sends, kept=False)
