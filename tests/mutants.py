"""Engines and rules that are wrong on purpose: the suite must kill each of them.

A mutant engine is one new file in a copy of the package, which is all that adding an engine takes; the
contract suite finds it there like any other. A mutant rule is one changed line. To run them all, or some:
`python tests/mutants.py [NAME...]`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]

ENGINE: Final = '''"""A mutant of the threads engine."""

import copy
import threading
import time
from contextlib import contextmanager

from fetcher.engines import threads
from fetcher.feeds._hops import next_hop

CONCURRENCY = 4
LIBRARIES = ()
DESCRIPTORS = 1


class Named:
    """The good engine under the mutant's name."""

    def __init__(self, engine):
        self.width, self.submit, self.cancel = engine.width, engine.submit, engine.cancel
        self._wait = engine.wait

    def wait(self, timeout):
        results = self._wait(timeout)
        for result in results:
            result.engine = "mutant"
        return results


class Mutant:
    def __init__(self, inner, options):
        self.inner = inner
        self.options = options
        self.width = inner.width
        self.count = 0
        self.seen = {{}}
        self.start()

    def start(self):
        pass

    def submit(self, request):
        self.inner.submit(request)

    def wait(self, timeout):
        return self.inner.wait(timeout)

    def cancel(self):
        self.inner.cancel()

    # The fault:
{fault}


@contextmanager
def engine(options):
    with threads.engine(options) as inner:
        yield Mutant(Named(inner), options)
'''

CONTROL: Final = "nothing wrong"  # the same file without a fault must live, or a death means nothing

# name -> the method that is wrong
ENGINES: Final = {
    "follows redirects": """
    def wait(self, timeout):
        results = []
        for result in self.inner.wait(timeout):
            hop = next_hop(result.request, result, self.options)
            if isinstance(hop, type(result.request)):
                self.seen[id(hop)] = (hop, result.request)
                self.inner.submit(hop)
            else:
                _, result.request = self.seen.get(id(result.request), (None, result.request))
                results.append(result)
        return results
""",
    "asks again": """
    def wait(self, timeout):
        results = []
        for result in self.inner.wait(timeout):
            if result.status == 503 and self.count < 1:
                self.count += 1
                self.inner.submit(result.request)
            else:
                results.append(result)
        return results
""",
    "drops a result": """
    def wait(self, timeout):
        results = self.inner.wait(timeout)
        self.count += len(results)
        return results[1:] if self.count > 20 else results
""",
    "doubles a result": """
    def wait(self, timeout):
        results = self.inner.wait(timeout)
        return results + results[:1]
""",
    "lets an exception escape": """
    def submit(self, request):
        if request.host.endswith(":0"):
            raise ValueError("port 0")
        self.inner.submit(request)
""",
    "leaves a thread": """
    def start(self):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
""",
    "does not cancel": """
    def cancel(self):
        pass
""",
    "does not hold its timeout": """
    def submit(self, request):
        request.timeout = 60
        self.inner.submit(request)
""",
    "quotes the target again": """
    def submit(self, request):
        request.target = request.target.replace("%7E", "~")
        self.inner.submit(request)
""",
    "adds a header": """
    def submit(self, request):
        request.headers = (*request.headers, ("Connection", "keep-alive"))
        self.inner.submit(request)
""",
    "keeps cookies": """
    def submit(self, request):
        if self.seen:
            request.headers = (*request.headers, ("Cookie", self.seen["cookie"]))
        self.inner.submit(request)

    def wait(self, timeout):
        results = self.inner.wait(timeout)
        for result in results:
            if result.get("set-cookie"):
                self.seen["cookie"] = result.get("set-cookie")
        return results
""",
    "spins": """
    def wait(self, timeout):
        return self.inner.wait(0)
""",
    "answers for another request": """
    def wait(self, timeout):
        results = self.inner.wait(timeout)
        for result in results:
            result.request = copy.copy(result.request)
        return results
""",
    "takes a cut coding for whole": """
    def wait(self, timeout):
        results = self.inner.wait(timeout)
        for result in results:
            if result.error == "truncated_encoding":
                result.error, result.size, result.wire_size = None, 1, 1
        return results
""",
    "knows no cap": """
    def start(self):
        self.options.max_size = 0
""",
    "ignores fresh": """
    def submit(self, request):
        request.fresh = False
        self.inner.submit(request)
""",
    "promises more width than it has": """
    def start(self):
        self.width = self.inner.width * 8
""",
    "counts the wire as the size": """
    def wait(self, timeout):
        results = self.inner.wait(timeout)
        for result in results:
            result.size = result.wire_size
        return results
""",
}


class Rule(NamedTuple):
    """One changed line, and the tests that must notice."""

    file: str
    old: str
    new: str
    tests: str


RULES: Final = {
    "surplus bytes are kept": Rule(
        "fetcher/engines/_exchange.py",
        " and not self.reader.rest",
        "",
        "tests/contracts/test_engines.py -k surplus",
    ),
    "stopped rows get a record": Rule(
        "fetcher/outbox.py",
        'if result.error != "cancelled"',
        "if result.error",
        "tests/test_drive.py -k stopping",
    ),
    "the outbox has always room": Rule(
        "fetcher/outbox.py",
        "len(self._queue) + running < self.capacity",
        "True",
        "tests/test_drive.py -k full_outbox",
    ),
    "a row is counted twice": Rule(
        "fetcher/feeds/rows.py", "self.rows += 1", "self.rows += 2", "tests/test_drive.py -k worlds"
    ),
    "bad lines are never interrupted": Rule(
        "fetcher/drive.py", "BURST = 1000", "BURST = 10**9", "tests/test_drive.py -k million"
    ),
    "private addresses are let through": Rule(
        "fetcher/addresses.py",
        "return any(ip in block for block in PRIVATE)",
        "return False",
        "tests/contracts/test_engines.py -k private",
    ),
    "a secret is kept on another origin": Rule(
        "fetcher/headers.py", "== request.origin", "!= None", "tests/test_headers.py"
    ),
    "the host limit is not kept": Rule(
        "fetcher/feeds/_hosts.py",
        "host.listed or not host.queue or host.running >= host.limit",
        "host.listed or not host.queue",
        "tests/test_drive.py -k worlds",
    ),
    "POST is asked again": Rule(
        "fetcher/model.py", 'frozenset({"GET",', 'frozenset({"POST", "GET",', "tests/test_retry.py"
    ),
    "the wire size is that of the decoded body": Rule(
        "fetcher/engines/_exchange.py",
        "result.wire_size = self.wire_size",
        "result.wire_size = result.size",
        "tests/contracts/test_engines.py -k sizes",
    ),
}


def run(name: str, log: Path) -> bool:
    """Whether the suite kills this mutant."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("fetcher", "tests", "pyproject.toml", "urls.txt", "README.md"):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, Path(folder, part), ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder)
        if name == CONTROL or name in ENGINES:
            Path(folder, "fetcher/engines/mutant.py").write_text(ENGINE.format(fault=ENGINES.get(name, "")))
            words = ["tests/contracts/test_engines.py", "-k", "mutant"]
        else:
            rule = RULES[name]
            file = Path(folder, rule.file)
            text = file.read_text()
            assert text.count(rule.old) == 1, (
                f"{name}: the line to change stands {text.count(rule.old)} times"
            )
            file.write_text(text.replace(rule.old, rule.new))
            path, _, rest = rule.tests.partition(" ")
            words = [path, *rest.split(maxsplit=1)] if rest else [path]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "60", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": folder, "CI": ""},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    log.write_text(done.stdout + done.stderr)
    assert done.returncode in (0, 1), f"{name}: pytest did not run to its end ({done.returncode})"
    return done.returncode == 1  # tests ran, and some failed


def main(names: list[str]) -> int:
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names or [*ENGINES, *RULES]:
            log = Path(folder, "log")
            dead = run(name, log)
            last = log.read_text().strip().splitlines()[-1]
            print(f"{'dead ' if dead else 'ALIVE'}  {name}  ({last})", flush=True)
            alive += [] if dead else [name]
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
