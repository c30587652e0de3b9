"""The rows of a list, in order, each read once: the innermost feed of `get`."""

from __future__ import annotations

from collections import Counter
from typing import Final

from fetcher import headers, urls
from fetcher.errors import Fault
from fetcher.feeds import Wait
from fetcher.model import Options, Request, Result
from fetcher.pump import Inlet, Piece
from fetcher.sources import Bad, Skip

PATIENCE: Final = 0.02  # seconds until an inlet that had nothing is asked again
SKIPS: Final = 1000  # skipped lines in one call: a million comments must not hold up what is in flight


class Rows:
    """Items of an inlet as Requests; a line that cannot be asked is answered at once.

    `lines` counts what was read, `skipped` by reason what had nothing to ask. A row is a line that gets a
    record: `row` counts these from 1, through all inputs.
    """

    def __init__(self, inlet: Inlet, options: Options) -> None:
        self.inlet = inlet
        self.options = options
        self.rows = 0
        self.skipped: Counter[str] = Counter()
        self.readers = readers(options)
        self._seen: set[str] | None = set() if options.unique else None

    @property
    def lines(self) -> int:
        """How many lines have been taken so far."""
        return self.rows + self.skipped.total()

    @property
    def total(self) -> int | None:
        """How many rows there will be, once the whole input has been read; None until then."""
        return self.rows + len(self.inlet) if self.inlet.ended else None

    def take(self, now: float) -> Request | Result | Wait | None:
        """The next row, or its refusal; Wait while the source has nothing yet."""
        for _ in range(SKIPS):
            piece = self.inlet.next()
            if piece is None:
                if not self.inlet.ended:
                    return Wait(PATIENCE, "input")
                piece = self.inlet.next()  # it may have come between the two questions
                if piece is None:
                    return None
            item = piece[1]
            if type(item) is Skip:
                self.skipped[item.why] += 1
                continue
            answer = self._row(piece, now)
            if answer is not None:
                return answer
        return Wait(0.0, "input")

    def done(self, result: Result, now: float) -> Result | None:  # noqa: ARG002
        """A list wants nothing more of its results."""
        return result

    def _row(self, piece: Piece, now: float) -> Request | Result | None:
        name, item = piece
        request = item if isinstance(item, Request) else Request("", readers=self.readers)
        text = item if isinstance(item, str) else item.text if isinstance(item, Bad) else request.url
        self.rows += 1
        request.row = self.rows
        request.input = name
        request.url = urls.mask(text)
        if not isinstance(item, Request):
            request.method = self.options.method
            request.data = self.options.data
        try:
            if isinstance(item, Bad):
                raise Fault("invalid_url", item.why)
            urls.aim(request, urls.wire(text))
        except Fault as fault:
            return request.answer(now, fault.kind, fault.message)
        if self._seen is not None:
            key = urls.key(request.wire)
            if key in self._seen:
                self.rows -= 1
                self.skipped["duplicate"] += 1
                return None
            self._seen.add(key)
        request.login = urls.userinfo(text)
        request.origin = urls.origin(request.wire)
        request.headers = headers.sent(request, self.options)
        return request


def readers(options: Options) -> tuple[str, ...]:
    """What is made of each body under these options."""
    return ("count", *(("hash",) if options.hash else ()), *(("save",) if options.save else ()))
