"""The rows of a list, in order, each read once: the innermost feed of `get`."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from fetcher import headers, logins, menu, urls
from fetcher import readers as folder
from fetcher.errors import Fault
from fetcher.feeds import Sitemaps, Wait
from fetcher.feeds._before import Before, Ledger
from fetcher.feeds._listed import Seen
from fetcher.feeds._listed import listed as listed
from fetcher.feeds._listed import text_of as text_of
from fetcher.model import Options, Request, Result
from fetcher.pump import Inlet
from fetcher.sources import Bad, Item, Numbered, Skip

PATIENCE: Final = 0.02  # seconds until an inlet that had nothing is asked again
PLAIN: Final = ("count",)  # the readers of a Request that names none
SKIPS: Final = 1000  # skipped lines in one call: a million comments must not hold up what is in flight


class Row(NamedTuple):
    """A row of a list that is to be asked."""

    number: int  # from 1, through all inputs
    source: str  # its input
    item: Item | Request


class Rows:
    """Items of an inlet as Requests; a line that cannot be asked is answered at once.

    `lines` counts what was read, `skipped` by reason what had nothing to ask. A row is a line that gets a
    record: `row` counts these from 1, through all inputs.

    A caller's Request is copied, without the history that it may have of an earlier run: it stays as it was,
    may be asked again, and `result.request` is the copy. Its headers go to its own origin, like --header; its
    readers are those of the options unless it names others.

    What is in the `ledger` is done: it is not asked again.
    """

    def __init__(self, inlet: Inlet, options: Options, ledger: Ledger | None = None) -> None:
        self.inlet = inlet
        self.options = options
        self.rows = 0
        self.skipped: Counter[str] = Counter()
        self.readers = readers(options)
        self.sitemaps: Sitemaps | None = None  # a list takes none
        self._before = Before(ledger) if ledger is not None else None
        self._plan = headers.Plan(options)
        self._seen = Seen() if options.unique else None

    @property
    def lines(self) -> int:
        """How many lines have been taken so far."""
        return self.rows + self.skipped.total()

    @property
    def before(self) -> int:
        """How many rows were done before."""
        return self._before.ledger.done if self._before is not None else 0

    @property
    def seen(self) -> int:
        """How many rows have been taken so far, without those that were done before."""
        return self.rows - self.before

    @property
    def waiting(self) -> int:
        """How many items have been read ahead."""
        return len(self.inlet)

    @property
    def ended(self) -> bool:
        """Whether the input has been read to its end."""
        return self.inlet.ended

    @property
    def error(self) -> BaseException | None:
        """What the input raised, or that the ledger is not of this list."""
        differs = self._before.differs if self._before is not None else None
        return differs or self.inlet.error

    def start(self) -> None:
        """Begin to read the input."""
        self.inlet.start()

    def close(self) -> None:
        """Read no further."""
        self.inlet.close()

    @property
    def total(self) -> int | None:
        """How many rows are to be asked, once the whole input has been read; None until then."""
        return self.seen + len(self.inlet) if self.inlet.ended else None

    def take(self, now: float) -> Request | Result | Wait | None:
        """The next row, or its refusal; Wait while the source has nothing yet."""
        row = self.numbered()
        return self._asked(row, now) if isinstance(row, Row) else row

    def numbered(self) -> Row | Wait | None:
        """The next row that is to be asked, as it stands in the list: for who hands it on (`partition`)."""
        before = self._before
        if before is not None and before.differs is not None:
            return None
        for _ in range(SKIPS):
            piece = self.inlet.next()
            if piece is None:
                if not self.inlet.ended:
                    return Wait(PATIENCE, "input")
                piece = self.inlet.next()  # it may have come between the two questions
                if piece is None:
                    if before is not None and self.inlet.error is None:
                        before.finish()
                    return None
            name, item = piece
            if type(item) is Skip:
                self.skipped[item.why] += 1
                continue
            row = self._counted(name, item)
            if row is not None:
                return row
            if before is not None and before.differs is not None:
                return None
        return Wait(0.0, "input")

    def late(self, now: float) -> Result | None:  # noqa: ARG002
        """A row has no deadline before it has begun."""
        return None

    def done(self, result: Result, now: float) -> Result | None:  # noqa: ARG002
        """A list wants nothing more of its results."""
        return result

    def _counted(self, name: str, item: Item | Request) -> Row | None:
        """The item with its number; None where it was seen or done before."""
        number = self.rows + 1
        if type(item) is Numbered:
            number, item = item
        seen, before = self._seen, self._before
        if seen is not None and isinstance(item, str | Request) and seen.has(text_of(item)):
            self.skipped["duplicate"] += 1
            return None
        self.rows += 1
        if before is not None and before.has(number, logins.mask(text_of(item)), name):
            return None
        return Row(number, name, item)

    def _asked(self, row: Row, now: float) -> Request | Result:
        number, name, item = row
        options = self.options
        text = text_of(item)
        url = logins.mask(text)
        request = Request(url, number, name, options.method, options.data, readers=self.readers)
        try:
            if isinstance(item, Request):
                self._adopt(request, item)
            elif not isinstance(item, str):
                raise Fault("invalid_url", item.why if isinstance(item, Bad) else _strange(item))
            request.origin = urls.aim(request, urls.wire(text))
        except Fault as fault:
            return request.answer(now, fault.kind, fault.message)
        request.login = logins.userinfo(text)
        if isinstance(item, Request):
            _trust(request, item)
        request.headers = headers.sent(request, self._plan)
        return request

    def _adopt(self, request: Request, item: Request) -> None:
        """Take over what a caller's Request asks for. Raises Fault."""
        request.method, request.data = item.method, item.data
        request.own = item.own if item.wire else item.headers  # those of a run before are ours
        request.depth, request.referrer, request.fresh = item.depth, item.referrer, item.fresh
        if not isinstance(item.url, str):
            raise Fault("invalid_url", _strange(item.url))
        headers.check_own(request)
        if item.readers != PLAIN:
            known = menu.names(folder)
            if not isinstance(item.readers, tuple) or not all(name in known for name in item.readers):
                raise Fault("invalid_url", f"Request.readers {item.readers!r}: give a tuple of {known}")
            request.readers = tuple(n for n in item.readers if n != "save" or self.options.save)


def _strange(item: object) -> str:
    return f"{type(item).__name__}, not text: give a URL as str, or a Request"


def _trust(request: Request, item: Request) -> None:
    """A URL that was changed after a run does not get the secrets that were for the old one."""
    if item.origin not in ("", request.origin):
        request.own = ()
    elif isinstance(item.login, str) and item.login:
        request.login = item.login  # the URL of a run before has `***` instead


def readers(options: Options) -> tuple[str, ...]:
    """What is made of each body under these options."""
    return ("count", *(("hash",) if options.hash else ()), *(("save",) if options.save else ()))
