"""SIGINT, SIGTERM and SIGHUP stop the run: the first lets what is in flight end, the second does not wait."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from fetcher.cli._heard import Heard
from fetcher.run import DRAIN


class Signals:
    """Hears nothing until it is armed: before, a signal may end the opening of a FIFO that nobody reads."""

    def __init__(self) -> None:
        self._heard = Heard(self._stop)
        self._tired = False
        self._stop_run: Callable[[float], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heard.__exit__(kind, error, trace)

    @property
    def heard(self) -> list[int]:
        """The signals that have come."""
        return self._heard.numbers

    def arm(self, stop: Callable[[float], None]) -> None:
        """From now on signals stop a run by this, with the seconds that what is in flight may take."""
        self._stop_run = stop
        self._heard.__enter__()

    def gives_up(self, waited: float) -> bool:
        """Whether a write that has waited so long for its reader is to be given up."""
        self._tired |= len(self.heard) > 1 or (bool(self.heard) and waited > DRAIN)
        return self._tired  # then of the other outputs too

    def _stop(self) -> None:
        if self._stop_run is not None:
            self._stop_run(0.0 if len(self.heard) > 1 else DRAIN)
