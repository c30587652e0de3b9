"""A list with one of every trouble: one line each as completed, the right kind, the others unharmed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.certificates import tls
from tests.servers import answers, closed_port, hanging, raw, response


def test_one_of_every_trouble(engine: str, site: str, tmp_path: Path) -> None:
    good, bad = tls("good"), tls("wrong_host")
    expired, selfish = tls("expired"), tls("self_signed")
    answer = answers(response(b"ok"))
    with (
        closed_port() as closed,
        hanging() as silent,
        raw(answer, good.context) as secure,
        raw(answer, bad.context) as named,
        raw(answer, expired.context) as old,
        raw(answer, selfish.context) as own,
    ):
        wanted = {
            "http://some-made-up-domain.invalid/": "dns_not_found",
            f"http://127.0.0.1:{closed}/": "connect_refused",
            silent.url: "read_timeout",
            f"{site}/status/404": 404,
            f"{site}/status/500": 500,
            f"{site}/redirect-loop": "redirect_loop",
            f"{site}/truncated/1000": "truncated",
            secure.url: 200,
            named.url: "tls_hostname",
            old.url: "tls_expired",
            own.url: "tls_self_signed",
            f"{site}/bytes/1000": 200,
            f"{site}/gzip/1000": 200,
            "ftp://example.org/": "unsupported_scheme",
            "http://a..b/": "invalid_url",
        }
        listed = tmp_path / "urls.txt"
        listed.write_text("\n".join(wanted))
        words = [listed, "-e", engine, "--json", "--timeout", "2", "--retries", "0", "--cacert", good.cacert]
        env = {key: value for key, value in os.environ.items() if not key.startswith("FETCH_")}
        done = subprocess.run(
            [sys.executable, "-m", "fetcher", *words], capture_output=True, timeout=60, env=env, check=False
        )
    assert done.returncode == 1
    records = [json.loads(line) for line in done.stdout.splitlines()]
    seen = {record["url"]: record["error"] or record["status"] for record in records}
    assert len(records) == len(wanted)
    assert seen == wanted
    assert b"Traceback" not in done.stderr
    assert b"lines read = 3 ok + 12 failed" in done.stderr
    assert all(record["message"] for record in records if record["error"])


FEW_PORTS = """
import json, subprocess, sys
from pathlib import Path
from fetcher.server import site
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40003")
with site() as base:
    listed = Path(sys.argv[1], "urls.txt")
    listed.write_text("".join(f"{base}/delay/0.5?{n}\\n" for n in range(12)))
    words = [listed, "-e", sys.argv[2], "-c", "12", "--per-host", "12", "--retries", "0", "--json"]
    done = subprocess.run([sys.executable, "-m", "fetcher", *words], capture_output=True)
sys.stdout.buffer.write(done.stdout)
"""


def test_no_local_port_left_says_so(engine: str, tmp_path: Path) -> None:
    if subprocess.run(["sh", "-c", "unshare -n ip link"], capture_output=True, check=False).returncode:
        pytest.skip("unshare -n does not work here")
    words = ["unshare", "-n", sys.executable, "-c", FEW_PORTS, tmp_path, engine]
    done = subprocess.run(words, capture_output=True, timeout=60, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [record for record in records if not record["ok"]]
    assert len(records) == 12
    if engine == "sequential":  # one at a time needs one port
        assert not failed
        return
    assert len(failed) >= 8
    assert {record["error"] for record in failed} == {"connect_unreachable"}
    assert all("no local port is free" in record["message"] for record in failed)


@pytest.mark.xdist_group("quiet")
def test_10000_rows_of_a_hanging_host_cost_1000_fast_rows_nothing(site: str, tmp_path: Path) -> None:
    """The fast rows stand behind the slow ones in the list, and are done within a second of running alone."""
    with hanging() as silent:
        port = site.rpartition(":")[2]
        fast = [f"http://127.0.0.{n % 40 + 2}:{port}/bytes/{n}" for n in range(1000)]
        settings = ["--per-host", "8", "--timeout", "30", "--retries", "0", "-q", "--json"]
        resolve = [w for n in range(40) for w in ("--resolve", f"127.0.0.{n + 2}:{port}:127.0.0.1")]
        listed = tmp_path / "urls.txt"
        listed.write_text("\n".join([f"{silent.url}{n}" for n in range(10_000)] + fast))
        words = [sys.executable, "-m", "fetcher", str(listed), *settings, *resolve]
        seen = 0
        with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for line in child.stdout:
                seen += json.loads(line)["status"] == 200
                if seen == 1000:
                    break
            child.kill()
    assert seen == 1000


# Prints how many were ok, the peak of this process in kB, and that of its workers: their sum, as last seen.
MEASURE = """
import sys
from pathlib import Path
import fetcher
site, engine, count, hosts, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), {}
port = site.rpartition(":")[2]
def urls():
    for n in range(count):
        base = f"http://h{n * hosts // count}.test:{port}" if hosts else site
        yield f"{base}/bytes/{n % 1000}"
def peak(process):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
def below(process):
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            yield child
            yield from below(child)
if hosts:
    settings = {"resolve": tuple((f"h{n}.test", int(port), "127.0.0.1") for n in range(hosts)), "per_host": 8}
done = workers = 0
for result in fetcher.fetch(urls(), engine=engine, **settings):
    done += result.ok
    if done % (count // 5) == count // 10:
        workers = max(workers, sum(peak(child) for child in below("self")))
print(done, peak("self"), workers)
"""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("hosts", [0, 1, 200])
def test_memory_does_not_grow_with_the_list(engine: str, site: str, hosts: int) -> None:
    """Peak RSS at 100,000 URLs within 5 MB of that at 10,000: that of this process, and of all its workers.

    Without a host limit (0 hosts: the site itself), and with one, for lists sorted by host.
    """
    peaks, workers = [], []
    for count in (10_000, 100_000):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, site, engine, str(count), str(hosts)],
            capture_output=True,
            text=True,
            timeout=440,
            check=True,
        )
        ok, peak, others = map(int, done.stdout.split())
        assert ok == count
        peaks.append(peak)
        workers.append(others)
    print(f"{engine}, {hosts} hosts: kB at 10,000 and 100,000: {peaks}, workers {workers}")
    assert peaks[1] - peaks[0] < 5 * 1024
    assert workers[1] - workers[0] < 5 * 1024
