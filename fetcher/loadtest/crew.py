"""The worker processes of a load test: started together, heard once a second, and never left behind."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Self

from fetcher.child import Child
from fetcher.errors import LocalFault
from fetcher.loadtest.plan import Plan, task

MODULE: Final = "fetcher.loadtest"
READY: Final = 30.0  # seconds that a worker may take to be ready
AHEAD: Final = 0.15  # seconds between "all are ready" and the start: each must have heard of it
GLANCE: Final = 0.5  # seconds between two looks whether the test is to be stopped
PATIENCE: Final = 8.0  # seconds in which some worker must have said something: each does once a second


class Crew:
    """`with Crew(plan) as crew`: iterate for the snapshots; leaving stops whatever still runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.start = 0.0
        self.children: list[Child] = []
        self._lines: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        try:
            for worker in range(self.plan.load.workers):
                self._begin(worker)
            for _ in self.children:
                if self._next(READY) is None:
                    raise LocalFault("a worker of the load test did not start")
        except BaseException:
            self.close()
            raise
        self.start = time.monotonic() + AHEAD
        self._send({"start": self.start})
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[dict[str, Any] | None]:
        """One snapshot after the other, of any worker; None where for a while none has come.

        Ends when all have told their last. Raises LocalFault for one that says nothing any more, and what
        `Child.failure` gives for one that has failed.
        """
        left = set(range(len(self.children)))
        heard = time.monotonic()
        while left:
            found = self._next(GLANCE)
            if found is not None:
                heard = time.monotonic()
                if found.get("last"):
                    left.discard(found["worker"])
            elif time.monotonic() - heard > PATIENCE:
                raise LocalFault("a worker of the load test says nothing any more")
            yield found

    def stop(self) -> None:
        """Start nothing more; what is in flight is cut off."""
        self._send({"stop": True})

    def close(self) -> None:
        """End every worker."""
        for child in self.children:
            with suppress(OSError):
                child.stdin.close()  # all end at once; then each is waited for
        for child in self.children:
            child.close()

    def _begin(self, worker: int) -> None:
        child = Child(MODULE)
        self.children.append(child)
        threading.Thread(target=self._listen, args=(worker, child), daemon=True).start()
        child.tell(task(self.plan, worker))

    def _listen(self, worker: int, child: Child) -> None:
        with suppress(ValueError, OSError):  # closed while it was read
            for line in child.stdout:
                self._lines.put((worker, line))
        self._lines.put((worker, b""))

    def _next(self, patience: float) -> dict[str, Any] | None:
        try:
            worker, line = self._lines.get(timeout=patience)
        except queue.Empty:
            return None
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        if failure := self.children[worker].failure("a worker of the load test"):
            raise failure
        return self._next(patience)  # its last line came before

    def _send(self, line: dict[str, Any]) -> None:
        for child in self.children:
            child.tell(line)
