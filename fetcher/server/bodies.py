"""The slow paths whose body is the point: codings, chunks, drips, and bodies that never end well."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any, Final

from aiohttp import web

from fetcher.menu import cure
from fetcher.server.coders import coded
from fetcher.server.plan import PIECE, WHOLE, pieces, plan

STEP: Final = 0.01  # seconds between two pieces of /drip, at least
BINARY: Final = (("Content-Type", "application/octet-stream"),)


async def fast(request: web.Request) -> web.StreamResponse:
    """A fast path, asked on a connection that has been handed over, or with another method."""
    found = plan(request.rel_url.raw_path_qs)
    if found is None:
        raise web.HTTPNotFound(text="No such number; see /help.\n")
    await asyncio.sleep(found.delay)
    if found.length is None:
        return web.Response(status=found.status, reason=found.reason, headers=found.fields)
    return await _send(
        request, pieces(found.length), found.length, found.fields, status=found.status, reason=found.reason
    )


async def coding(request: web.Request) -> web.StreamResponse:
    """N bytes once decoded, in that content coding; 406 where its library is not installed."""
    name, length = request.match_info["coding"], int(request.match_info["n"])
    try:
        parts = coded(name, pieces(length))
    except ModuleNotFoundError as error:
        raise web.HTTPNotAcceptable(text=f"{name} {cure(error.name or name)}\n") from error
    fields = (*BINARY, ("Content-Encoding", name))
    if length > WHOLE:
        return await _send(request, parts, None, fields)
    body = b"".join(parts)
    return await _send(request, [body], len(body), fields)


async def chunked(request: web.Request) -> web.StreamResponse:
    """N bytes in ?pieces= (10) chunks of at most 64 KiB, without Content-Length."""
    length, count = int(request.match_info["n"]), max(int(number(request, "pieces", 10)), 1)
    size = min(max(math.ceil(length / count), 1), PIECE)
    return await _send(request, _cut(length, size), None, BINARY)


async def drip(request: web.Request) -> web.StreamResponse:
    """?numbytes= (10) spread over ?duration= (2) seconds, after ?delay= (0) seconds."""
    length = int(number(request, "numbytes", 10))
    duration = number(request, "duration", 2)
    await asyncio.sleep(number(request, "delay", 0))
    clock = asyncio.get_running_loop().time
    steps = max(min(length, int(duration / STEP)), 1)
    response = await _begin(request, length, BINARY)
    if request.method == "HEAD":
        return response
    start, sent = clock(), 0
    for step in range(1, steps + 1):
        await asyncio.sleep(start + duration * step / steps - clock())
        due = length * step // steps
        for piece in pieces(due - sent):
            await response.write(piece)
        sent = due
    return response


async def truncated(request: web.Request) -> web.StreamResponse:
    """Says Content-Length N, sends half of it and hangs up."""
    length = int(request.match_info["n"])
    response = await _begin(request, length, BINARY)
    if request.method != "HEAD":
        for piece in pieces(length // 2):
            await response.write(piece)
        if request.transport is not None:
            request.transport.close()  # what was written still goes out
    return response


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets")


def number(request: web.Request, name: str, default: float) -> float:
    """A parameter as a number, not negative and not infinite."""
    try:
        value = float(request.query.get(name, default))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1e12:
        raise web.HTTPBadRequest(text=f"?{name}= must be a number, 0 or more.\n")
    return value


async def _send(
    request: web.Request, parts: Iterable[bytes], length: int | None, fields: Any, **more: Any
) -> web.StreamResponse:
    response = await _begin(request, length, fields, **more)
    if request.method != "HEAD":
        for part in parts:
            await response.write(part)
            await asyncio.sleep(0)  # a peer that keeps up must not keep the others waiting
    return response


async def _begin(request: web.Request, length: int | None, fields: Any, **more: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers=fields, **more)
    response.content_length = length  # None: chunked, or until the connection closes under HTTP/1.0
    await response.prepare(request)
    return response


def _cut(length: int, size: int) -> Iterable[bytes]:
    """The same bytes as /bytes/N in parts of that size."""
    block = b"".join(pieces(PIECE)) * 2
    for at in range(0, length, size):
        yield block[at % PIECE : at % PIECE + min(size, length - at)]
