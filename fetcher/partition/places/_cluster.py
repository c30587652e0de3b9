"""What a Dask cluster must be before it gets work: closed to others, of our version, with our directory."""

from __future__ import annotations

import asyncio
import platform
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Final

from distributed import Client, Security, connect

from fetcher import __version__
from fetcher.errors import FetchError, LocalFault, UsageError, first_line
from fetcher.logins import mask
from fetcher.partition.parts import MANIFEST
from fetcher.partition.store import at
from fetcher.urls import is_loopback

LOCAL: Final = "local"
ADDRESS: Final = re.compile(r"(?:(\w+)://)?(\[[^\]]+\]|[^:/\s]+):(\d+)/?").fullmatch
CLOSED: Final = "--host 127.0.0.1 --dashboard-address 127.0.0.1:0"
DANGER: Final = "whoever reaches a Dask scheduler can run code on every worker"
SAME: Final = "install the same on all machines, the scheduler's too, with '.[dask]'"


def check(address: str) -> None:
    """Raise UsageError for an address that is none, or at which others could run code as we do."""
    if address == LOCAL:
        return
    match = ADDRESS(address)
    if match is None or match[1] not in (None, "tcp", "tls"):
        raise UsageError(f"--cluster {address}: give tcp://127.0.0.1:8786, tls://HOST:8786 or local")
    if not _closed(address):
        cure = "give one on loopback (tcp://127.0.0.1:8786, by ssh -L if it is elsewhere) or a tls:// address"
        raise UsageError(f"--cluster {address}: {DANGER}: {cure}")


def _closed(address: str) -> bool:
    match = ADDRESS(address)
    return match is not None and (match[1] == "tls" or is_loopback(match[2]))


def check_answer(address: str, seconds: float) -> None:
    """Raise UsageError where no scheduler answers; a Client would wait for long, and not only once."""

    async def ask() -> None:
        how = Security().get_connection_args("client")
        async with asyncio.timeout(seconds + 1):  # its own is for the connection, not for what is said there
            comm = await connect(address, timeout=seconds, **how)
        comm.abort()

    try:
        asyncio.run(ask())
    except Exception as error:
        why = first_line(error) if isinstance(error, OSError) else "something else does"
        if isinstance(error, TimeoutError):
            why = f"nothing was said within {seconds:g} s"
        cure = f"start one with `dask scheduler {CLOSED}`"
        if address.startswith("tls:"):
            why = first_line(error)
            cure = "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and the others of docs/scale.md"
        raise UsageError(f"--cluster {address}: no scheduler answers there ({why}): {cure}") from error


def check_peers(client: Client, address: str) -> None:
    """Raise UsageError where a scheduler or worker listens to others, or is not of our version."""
    info: dict[str, Any] = client.scheduler_info(n_workers=-1)
    if not _closed(info["address"]):
        where = f"its scheduler listens on {info['address']}"
        cure = f"start it with {CLOSED}, or with tls"
        raise UsageError(f"--cluster {address}: {where}: {DANGER}: {cure}")
    for worker in info["workers"]:
        if not _closed(worker):
            cure = f"start it with {CLOSED}, or all with tls"
            danger = "whoever reaches a Dask worker can run code on it"
            raise UsageError(f"--cluster {address}: its worker listens on {worker}: {danger}: {cure}")
    if not info["workers"]:
        cure = f"start some with `dask worker {address} {CLOSED}`"
        raise UsageError(f"--cluster {address}: the scheduler has no workers: {cure}")
    _alike("its scheduler", _asked(lambda: client.run_on_scheduler(versions), address), address)
    for worker, found in _asked(lambda: client.run(versions, on_error="return"), address).items():
        _alike(f"its worker {worker}", found, address)
    _check_listeners(client, address)


def _check_listeners(client: Client, address: str) -> None:
    """The same for where they really listen: `dask worker` without --host names one, and hears all."""
    found = {"its scheduler": client.run_on_scheduler(scheduler_listens)}
    found |= {f"its worker {one}": there for one, there in client.run(worker_listens).items()}
    found |= {f"the nanny of {one}": there for one, there in client.run(worker_listens, nanny=True).items()}
    for who, listens in found.items():
        if wide := [one for one in listens if not _closed(one)]:
            cure = f"start it with {CLOSED}, or all with tls"
            raise UsageError(f"--cluster {address}: {who} listens on {wide[0]}: {DANGER}: {cure}")


def scheduler_listens(dask_scheduler: Any) -> list[str]:
    """Its addresses; runs there."""
    return [str(one.listen_address) for one in dask_scheduler.listeners]


def worker_listens(dask_worker: Any) -> list[str]:
    """The same of a worker, or of a nanny."""
    return [str(one.listen_address) for one in dask_worker.listeners]


def _asked(ask: Callable[[], Any], address: str) -> Any:
    try:
        return ask()
    except ImportError as error:  # the scheduler's
        return error
    except Exception as error:
        raise UsageError(f"--cluster {address}: it does not answer: {first_line(error)}: {SAME}") from error


def _alike(who: str, found: Any, address: str) -> None:
    if isinstance(found, Exception):
        missing = isinstance(found, ImportError) or "ModuleNotFoundError" in str(found)
        why = "fetch is not installed there" if missing else first_line(found)
        raise UsageError(f"--cluster {address}: {who}: {why}: {SAME}")
    for name, here in versions().items():
        if found.get(name) != here:
            raise UsageError(
                f"--cluster {address}: {who} has {name} {found.get(name)}, here is {here}: {SAME}"
            )


def versions() -> dict[str, str]:
    """What must be the same everywhere; runs there too."""
    return {
        "fetch": __version__,
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "distributed": version("distributed"),
        "dask": version("dask"),
    }


def check_directory(client: Client, directory: str) -> None:
    """Raise LocalFault where a worker does not see the directory of parts."""
    for worker, found in client.run(sees, directory, on_error="return").items():
        if found is not True:
            why = first_line(found) if isinstance(found, FetchError) else f"worker {worker} does not see it"
            cure = "give a directory that all workers share, or a URL as s3://bucket/out/"
            raise LocalFault(f"{mask(directory)}: {why}: -o: {cure}; then run again")


def sees(directory: str) -> bool:
    """Whether the directory is there; runs on a worker."""
    return at(directory).read(MANIFEST) is not None
