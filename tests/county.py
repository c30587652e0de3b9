"""Some hundred hosts of 127.0.0.0/8 on one port, in a process: `python -m tests.county PORT HOSTS`.

`/stats` says what was asked since `/reset`: how often in all, and how much of one host at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.towns import Town, response


class _County(Town):
    def __init__(self, port: int, hosts: int) -> None:
        super().__init__(port)
        self.hosts = [host(n) for n in range(hosts)]

    async def _of(self, path: str) -> tuple[bytes, bool]:
        if path == "/stats":
            told = {"asked": sum(self.asked.values()), "most": max(self.most.values(), default=0)}
            return response(json.dumps(told).encode()), True
        if path == "/reset":
            self.asked.clear()
            self.most.clear()
            return response(b""), True
        return await super()._of(path)


def host(n: int) -> str:
    """The n-th."""
    return f"127.1.{n // 250}.{n % 250 + 1}"


class County:
    """Where it is."""

    def __init__(self, port: int, hosts: int) -> None:
        self.port, self.hosts = port, hosts

    def url(self, n: int, path: str) -> str:
        """An address of the n-th host, counted round."""
        return f"http://{host(n % self.hosts)}:{self.port}/{path}"

    def said(self, path: str) -> Any:
        """What it says to `stats` or `reset`."""
        with urllib.request.urlopen(self.url(0, path), timeout=10) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def county(hosts: int) -> Iterator[County]:
    """Serve it until the context is left."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    words = [sys.executable, "-m", "tests.county", str(port), str(hosts)]
    process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    there = County(port, hosts)
    try:
        for _ in range(100):
            with suppress(OSError):
                there.said("reset")
                break
            assert process.poll() is None
            time.sleep(0.1)
        yield there
    finally:
        process.kill()
        process.wait()


async def _serve(port: int, hosts: int) -> None:
    made = _County(port, hosts)
    async with await asyncio.start_server(made.serve, made.hosts, port, backlog=512) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
