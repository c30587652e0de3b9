"""The site's process: one loop, one listening socket, the fast paths and behind them the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from fetcher.errors import UsageError
from fetcher.server.fast import Fast

if TYPE_CHECKING:
    from aiohttp import web

Leash = Callable[[Callable[[], None]], None]

IDLE = 75.0  # seconds an idle connection is kept by the slow paths
BACKLOG = 4096  # connections that may wait to be accepted: a load test opens thousands at once


def run(host: str, port: int, ready: Callable[[str], None] | None = None, leash: Leash | None = None) -> None:
    """Serve until interrupted, or until the leash calls its `stop`."""
    more_descriptors()
    asyncio.run(_serve(host, port, ready, leash))


async def _serve(host: str, port: int, ready: Callable[[str], None] | None, leash: Leash | None) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    runner = _slow_paths()
    await runner.setup()
    handlers = runner.server
    assert handlers is not None
    open_now: set[asyncio.Transport] = set()
    try:
        server = await loop.create_server(
            lambda: Fast(loop, handlers, open_now), host, port, backlog=BACKLOG, reuse_address=True
        )
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        raise cannot(host, port, error) from error
    if leash is not None:
        leash(lambda: call(loop, stopped.set))
    try:
        if ready is not None:
            ready(base_of(server))
        await stopped.wait()
    finally:
        server.close()
        for transport in list(open_now):
            transport.abort()
        await runner.cleanup()


def _slow_paths() -> web.AppRunner:
    from aiohttp import web
    from aiohttp.http import HttpProcessingError

    from fetcher.server.routes import application

    log = logging.getLogger("fetcher.server")
    # Junk from a client is answered with 400, not reported; a bug of ours is.
    log.addFilter(lambda r: not (r.exc_info and isinstance(r.exc_info[1], HttpProcessingError)))
    return web.AppRunner(
        application(),
        access_log=None,
        logger=log,
        keepalive_timeout=IDLE,
        handler_cancellation=True,  # or /hang would keep what has left
        auto_decompress=False,
        max_line_size=65536,
        max_field_size=65536,
        shutdown_timeout=0.1,
    )


def cannot(host: str, port: int, error: Exception) -> UsageError:
    """What to say where nobody can listen."""
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UsageError(f"cannot listen at {host}:{port}: {why}; choose another port, or 0")


def base_of(server: asyncio.Server) -> str:
    """Where it listens, as a URL without a path."""
    host, port = server.sockets[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    """Call it in the loop, from another thread."""
    with suppress(RuntimeError):  # the loop has been closed meanwhile
        loop.call_soon_threadsafe(function)


def more_descriptors() -> None:
    """As many connections as the system lets us have."""
    with suppress(ImportError, ValueError, OSError):  # no such thing on Windows
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
