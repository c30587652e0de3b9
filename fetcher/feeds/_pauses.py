"""How long a server asks everybody to leave it alone: Retry-After, in seconds or as a date."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from fetcher.model import Result

PAUSING: Final = frozenset({429, 503})  # the two that Retry-After may go with, as a reason to ask again
PATIENCE: Final = 60.0  # seconds: a longer Retry-After is not waited for

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY: Final = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY: Final = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_CLOCK: Final = r"(?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})"
_DATES: Final = tuple(  # RFC 9110 5.6.7: IMF-fixdate, RFC 850, asctime
    re.compile(form).fullmatch
    for form in (
        rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_CLOCK} GMT",
        rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_CLOCK} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[ 0-9][0-9]) {_CLOCK} (?P<year>[0-9]{{4}})",
    )
)


def retry_after(value: str, wall: float) -> float | None:
    """How many seconds this Retry-After asks to wait, by the wall clock `wall`; None if it says nothing."""
    value = value.strip(" \t")
    if re.fullmatch("[0-9]+", value):
        return float(value)
    match = next((found for form in _DATES if (found := form(value))), None)
    if match is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:  # RFC 9110 5.6.7: more than 50 years ahead is the past
        this = datetime.fromtimestamp(wall, UTC).year
        year += this - this % 100
        year -= 100 if year > this + 50 else 0
    hour, minute, second = map(int, match["clock"].split(":"))
    try:
        when = datetime(year, _MONTHS.index(match["month"]) + 1, int(match["day"]), hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    if second > 60:  # 60 is a leap second
        return None
    return max(when.timestamp() + second - wall, 0.0)


def pause_asked(result: Result, wall: Callable[[], float]) -> float | None:
    """How many seconds the host of this result asks everybody to wait; None if it does not."""
    if result.status not in PAUSING:
        return None
    value = result.get("retry-after")
    return None if value is None else retry_after(value, wall())
