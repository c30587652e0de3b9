"""Answers that ask to be asked again later, rightly or wrongly: Retry-After in every form."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from fetcher.server.faults import Asked, Fault, Script, Step, right, wrong
from fetcher.server.raw import BODY, response

_ONCE: Final = {"retries": 1}
_IMF: Final = "%a, %d %b %Y %H:%M:%S GMT"
_RFC_850: Final = "%A, %d-%b-%y %H:%M:%S GMT"
_ASCTIME: Final = "%a %b %e %H:%M:%S %Y"


def _then_good(after: Callable[[], str], status: str = "503 Busy") -> Script:
    """The first time that; from then on all is well."""

    def script(asked: Asked) -> Iterator[Step]:
        if asked.times > 1:
            yield response()
            return
        value = after()
        yield response(b"later", *([f"Retry-After: {value}"] if value else []), status=status)

    return script


def _date(form: str, ahead: float) -> Callable[[], str]:
    """That many seconds from now, in GMT; the C locale's names, as a server of ours speaks no other."""
    return lambda: time.strftime(form, time.gmtime(time.time() + ahead))


def _again(name: str, says: str, after: Callable[[], str], at_least: float = 0.0, **more: Any) -> Fault:
    script = _then_good(after, **more)
    return right(name, says, script, settings=_ONCE, at_least=at_least, attempts=2, host=f"{name}.retry.test")


def _never(name: str, says: str, value: str, status: str = "503 Busy") -> Fault:
    """Too long to be waited for: the answer is what was said."""
    code, host = int(status[:3]), f"{name}.retry.test"
    sends = response(BODY, f"Retry-After: {value}", status=status)
    return right(name, says, sends, status=code, settings=_ONCE, attempts=1, host=host)


FAULTS: Final = [
    _again("none", "503 without Retry-After, then 200.", lambda: ""),
    _again("second", "In a second.", lambda: "1", 1.0),
    _again("429", "429: in a second.", lambda: "1", 1.0, status="429 Slow Down"),
    _again("zero", "In no time.", lambda: "0"),
    _again("date", "At a date 2 s ahead.", _date(_IMF, 2.0), 0.9),
    _again("rfc-850", "At a date in the old form.", _date(_RFC_850, 2.0), 0.9),
    _again("asctime", "At a date in the oldest form.", _date(_ASCTIME, 2.0), 0.9),
    _again("past", "At a date that is over.", _date(_IMF, -100.0)),
    _again("negative", "In -5 seconds: as if nothing was said.", lambda: "-5"),
    _again("fraction", "In 0.5 seconds, which is no form.", lambda: "0.5"),
    _again("words", "`soon`.", lambda: "soon"),
    _again("bad-date", "On the 99th of January.", lambda: "Sun, 99 Jan 2034 00:00:00 GMT"),
    _again("502", "502, where Retry-After says nothing.", lambda: "3600", status="502 Bad Gateway"),
    _never("hour", "In an hour: not waited for.", "3600"),
    _never("429-hour", "429: in an hour.", "3600", "429 Slow Down"),
    _never("year-9999", "In the year 9999.", "Fri, 31 Dec 9999 23:59:59 GMT"),
    _never("huge", "In 10 to the 400 seconds.", "9" * 400),
    wrong("cut-twice", "Cut short, twice.", (response()[:-1],), "truncated", 200, settings=_ONCE, attempts=2),
]
