"""SIGINT, SIGTERM and SIGHUP stop the run: the first lets what is in flight end, the second does not wait."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Final, Self

from fetcher.outbox import Outbox
from fetcher.run import DRAIN

NUMBERS: Final = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


class Signals:
    """Hears nothing until it is armed: before, a signal may end the opening of a FIFO that nobody reads."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self._tired = False
        self._outbox: Outbox | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, old in self._before.items():
            signal.signal(number, old)

    def arm(self, outbox: Outbox) -> None:
        """From now on signals stop this outbox; what we were started to ignore (nohup, `&`) stays ignored."""
        self._outbox = outbox
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._hear)

    def gives_up(self, waited: float) -> bool:
        """Whether a write that has waited so long for its reader is to be given up."""
        self._tired |= len(self.heard) > 1 or (bool(self.heard) and waited > DRAIN)
        return self._tired  # then of the other outputs too

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._outbox is not None:
            self._outbox.stop(0.0 if self.heard else DRAIN)
        self.heard.append(number)
