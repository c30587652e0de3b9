"""The signals that have come to a run that looks at them in its own time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

NUMBERS: Final = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
GLANCE: Final = 0.1  # seconds


class Heard:
    """True once a signal has come; what we were started to ignore (nohup, `&`) stays ignored."""

    def __init__(self, told: Callable[[], None] | None = None) -> None:
        self.numbers: list[int] = []
        self._told = told  # called at each one, in the main thread
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, old in self._before.items():
            signal.signal(number, old)

    def __call__(self) -> bool:
        return bool(self.numbers)

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until a signal comes."""
        until = time.monotonic() + seconds
        while not self.numbers and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, GLANCE))

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.numbers.append(number)
        if self._told is not None:
            self._told()
