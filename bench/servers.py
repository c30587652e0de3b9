"""What is fetched from: a local nginx that counts its requests, or else the embedded site."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

BODY = 10_000  # bytes of /body.bin
SMALL = 1_000  # bytes behind /delay, after DELAY seconds
DELAY = 0.1
SATURATED = 0.95  # of one core: the one worker can hardly give more
ECHO = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/libexec/nginx")


class Counts(NamedTuple):
    """What a server has seen so far."""

    requests: int
    connections: int


class Server:
    """A running server: where it listens, what it is, and what it has counted."""

    def __init__(self, pid: int, port: int, what: str, *, status: int = 0, tls: bool = False) -> None:
        self.pid, self.port, self.what, self.status = pid, port, what, status
        self.scheme = "https" if tls else "http"

    def urls(self, count: int, path: str = "", hosts: int = 1) -> str:
        """A list of distinct URLs, one a line, over this many hosts of 127.0.0.0/8 in turn."""
        path = path or ("/body.bin" if self.status else f"/bytes/{BODY}")
        if not self.status:
            hosts = 1  # the embedded site listens at 127.0.0.1 only
        names = [
            "127.0.0.1",
            *(f"127.{1 + n // 62500}.{n // 250 % 250}.{1 + n % 250}" for n in range(hosts - 1)),
        ]
        return "".join(f"{self.scheme}://{names[n % hosts]}:{self.port}{path}?{n}\n" for n in range(count))

    def slow(self) -> str:
        """The path that answers after DELAY."""
        return "/delay" if self.status else f"/delay/{DELAY}"

    def counts(self) -> Counts | None:
        """Read them; None where the server keeps none. Reading them is itself a request and a connection."""
        if not self.status:
            return None
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.status, timeout=30)) as wire:
            wire.request("GET", "/")
            found = [int(n) for n in re.findall(r"\d+", wire.getresponse().read().decode())]
        return Counts(requests=found[3], connections=found[1])

    def cpu(self) -> float:
        """Seconds of CPU it has used; 0 where that cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9
        return 0.0


def _binary() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")


def _echo() -> Path | None:
    """The module with which nginx can answer late."""
    found = [Path(folder) / "ngx_http_echo_module.so" for folder in ECHO]
    return next((path for path in found if path.exists()), None)


@contextmanager
def server(
    *, embedded: bool, late: bool = False, tls: bool = False, hosts: bool = False, root: Path | None = None
) -> Iterator[Server | str]:
    """The server for a workload, or the reason why there is none.

    `late`: it has the slow path too; `root`: it has these files, and no others; those with a `.gz` go packed.
    """
    binary = None if embedded else _binary()
    if binary is None or (late and _echo() is None):
        if tls or root:
            yield f"needs nginx for {'TLS' if tls else 'files'}: apt install nginx-light"
            return
        from fetcher.server import site

        why = "as asked" if embedded else "no nginx" if binary is None else "nginx has no echo module"
        with site() as base:
            what = f"the embedded site ({why}); it may itself be the limit, and requests are not counted"
            yield Server(base.pid, int(base.rpartition(":")[2]), what)
        return
    if tls and not shutil.which("openssl"):
        yield "needs openssl to make a certificate"
        return
    with _nginx(binary, late=late, tls=tls, hosts=hosts, root=root) as running:
        yield running


@contextmanager
def _nginx(binary: str, *, late: bool, tls: bool, hosts: bool, root: Path | None) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="fetch-bench-") as folder, contextlib.ExitStack() as held:
        home = Path(folder)
        (home / "root").mkdir()
        (home / "root/body.bin").write_bytes(os.urandom(BODY))
        (home / "root/small.bin").write_bytes(os.urandom(SMALL))
        ports = []
        for _ in range(2):  # bound, not listening: nginx may have them too, nobody else is given them
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
        if tls:
            _certificate(home)
        conf = _conf(home, root or home / "root", ports, late=late, tls=tls, hosts=hosts)
        (home / "nginx.conf").write_text(conf)
        child = subprocess.Popen(
            [binary, "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
        )
        try:
            _until_it_listens(ports[1], child, home / "error.log")
            yield Server(child.pid, ports[0], "nginx, 1 worker, on loopback", status=ports[1], tls=tls)
        finally:
            child.kill()
            child.wait()


def _conf(home: Path, root: Path, ports: list[int], *, late: bool, tls: bool, hosts: bool) -> str:
    port, status = ports
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    listen = f"{'0.0.0.0' if hosts else '127.0.0.1'}:{port} {'ssl' if tls else ''} backlog=8192"
    secret = f"ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;" if tls else ""
    return f"""
{f"load_module {_echo()};" if late else ""}
daemon off; master_process off; worker_processes 1; pid {home}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
  {" ".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)}
  types {{ text/html html; }} default_type application/octet-stream; access_log off; gzip off;
  sendfile on; tcp_nopush on; open_file_cache max=10;
  keepalive_requests 100000000; keepalive_timeout 600s;
  {secret} ssl_session_cache off; ssl_session_tickets off;
  server {{
    listen {listen}; root {root}; {"gzip_static on;" if root != home / "root" else ""}
    allow 127.0.0.0/8; deny all;
    {f"location = /delay {{ echo_sleep {DELAY}; echo_exec /small.bin; }}" if late else ""}
  }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
"""


def _certificate(home: Path) -> None:
    """P-256, as most servers have it by now: cheap for the server, and nobody checks the name."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench"
    files = ["-keyout", str(home / "key.pem"), "-out", str(home / "cert.pem")]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)


def _until_it_listens(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else child.returncode}")


def nginx_version() -> str:
    """As nginx says it."""
    binary = _binary()
    if binary is None:
        return "nginx: not installed"
    return subprocess.run([binary, "-v"], capture_output=True, text=True, check=False).stderr.strip()
