"""What endless pages look like: long, repeating, of one form with those before them, or alike by thousands.

Only the text of a URL is judged here, so a server that makes up new plain words for ever is not seen through:
`--max-pages` is for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

LONG: Final = 2083  # characters: scrapy's URLLENGTH_LIMIT, once the most that Internet Explorer took
SEGMENTS: Final = 20  # of a path: heritrix, TooManyPathSegmentsDecideRule
REPEATS: Final = 3  # in a row: heritrix, PathologicalPathDecideRule, lets two pass

UUID: Final = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
MIXED: Final = r"(?=[A-Za-z]*[0-9])[0-9A-Za-z]{16,}"
# In a directory a token must look made, or a forum's users (/user/johnsmithson1985/) would be one path: hex,
# digits twice among letters, or a digit and capitals three times among small letters.
TOKEN: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?:{UUID}|(?=[A-Fa-f]*[0-9])[0-9A-Fa-f]{{16,}}(?![0-9A-Za-z])"
    r"|(?=[A-Za-z]*[0-9]+[A-Za-z]+[0-9])[0-9A-Za-z]{16,}"
    r"|(?=[A-Za-z]*[0-9])(?=[0-9a-z]*(?:[A-Z]+[0-9a-z]+){3})[0-9A-Za-z]{16,})"
)

# A digit of a percent code is no number: %20 stays. `may` and `march` are months here even where they are
# words: a form is only ever compared with the forms of the pages that led there.
VARYING: Final = re.compile(
    rf"(?<![0-9A-Za-z%])(?:{UUID}|{MIXED})"
    r"|(?<!%)(?<!%[0-9A-Fa-f])[0-9]+"
    r"|(?<=[/_.-])(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day)(?![0-9A-Za-z%])"
)
VARIES: Final = re.compile("[0-9?]").search

ALIKE: Final = 1000  # URLs of one path: see `Alike`
SHORTEST: Final = 16  # characters of a token
LIST: Final = 20  # values of a parameter, up to which a path is no list: facets have about that many
TOKENS: Final = 20  # for each value that is none: of random base62 1 in 100 looks like a word, of titles most
PATHS: Final = 100_000  # that are counted: with their values up to 45 MB
VALUES: Final = 200_000  # of parameters that are remembered
# Names of session ids that may mean something else.
VAGUE: Final = ("s", "sid", "session", "session_id", "session-id", "sessionid", "oscsid", "zenid", "xtcsid")
# Parameters that say what the visitor did, not what the page is: sessions, searches, the way back.
ECHOES: Final = frozenset(
    {
        *VAGUE,
        *("q", "query", "search", "keyword", "keywords", "term", "terms"),
        *("return", "returnurl", "return_url", "returnto", "return_to", "redirect", "redirect_to", "back"),
        *("next", "continue", "goto", "dest", "destination", "ref", "referer", "referrer"),
    }
)
# A value made for one visit: a token, a time, a random number. In a parameter called id it names a thing.
FLEETING: Final = re.compile(
    rf"(?:{UUID}|{MIXED}|(?=[0-9a-z_.-]*(?:[A-Z]+[0-9a-z_.-]+){{3}})[0-9A-Za-z_.-]{{16,}})(?:%3D|=)*"
    r"|[0-9]{10,}|0\.[0-9]+"
).fullmatch
NAMES_A_THING: Final = re.compile(r"(?:.*[_-])?id|.*(?:uuid|isbn|hash)").fullmatch


def shape(href: str) -> str:
    """The URL without what varies: numbers, tokens, months and days are 0, a query keeps its names only."""
    slash = href.find("/", 8)
    if slash < 0 or not VARIES(href, slash):
        return href
    path, mark, query = href[slash:].partition("?")
    if mark:
        path += "?" + "&".join([part.partition("=")[0] for part in query.split("&")])
    return href[:slash] + VARYING.sub("0", path)


def is_long(href: str) -> bool:
    """More characters, or more path segments, than a page has that was written by somebody."""
    if len(href) > LONG:
        return True
    if href.count("/") <= SEGMENTS + 2:  # the two of ://
        return False
    path = href.partition("?")[0]
    return path.count("/") - 2 - path.endswith("/") > SEGMENTS


def is_repeating(href: str) -> bool:
    """Whether a run of directories stands three times in a row: /a/a/a/, /x/y/x/y/x/y/.

    A run of numbers is let pass: volume 1, issue 1, article 1. Linear in what `is_long` lets pass.
    """
    if href.count("/") < REPEATS + 3:  # two of ://, one before each directory, one after the last
        return False
    names = href.partition("?")[0].split("/")[3:-1]
    if len(set(names)) > len(names) - REPEATS + 1:  # too few are equal
        return False
    for width in range(1, len(names) // REPEATS + 1):
        same = 0
        for at in range(width, len(names)):
            same = same + 1 if names[at] == names[at - width] else 0
            if same >= (REPEATS - 1) * width and not "".join(names[at - width + 1 : at + 1]).isdecimal():
                return True
    return False


class Alike:
    """How many accepted URLs have the same path, tokens in its directories taken out.

    A wiki has as many `index.php?title=` as pages, a shop thousands of colors, sizes and orders of one page.
    So a path may have as many URLs as `limit`, in proportion more once a parameter has over `LIST` values,
    and a value that is new to its parameter always passes. Of the paths after the first `PATHS` nothing is
    counted; of the values after the first `VALUES` each is taken for new: where memory ends, all pass.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._paths: dict[str, list[int]] = {}  # path -> [URLs, values of its richest parameter]
        self._names: dict[int, list[int]] = {}  # hash of (path, parameter) -> [values, URLs with a token]
        self._seen: set[int] = set()  # hashes of (path, parameter, value)

    def is_full(self, href: str) -> bool:
        """Whether this URL (without session ids: `scope.key`) would be one too many."""
        path, query = _split(href)
        count, richest = self._paths.get(path, (0, 0)) if path else (0, 0)
        if count < self.limit or count * LIST < self.limit * richest:
            return False
        return all(
            token or hash((path, name, value)) in self._seen or _is_made(self._names.get(hash((path, name))))
            for name, value, token in _facts(query)
        )

    def add(self, href: str) -> None:
        """Count a URL that is going to be asked."""
        path, query = _split(href)
        if not path or (path not in self._paths and len(self._paths) >= PATHS):
            return
        counts = self._paths.setdefault(path, [0, 0])
        counts[0] += 1
        for name, value, token in _facts(query):
            slot, fact = hash((path, name)), hash((path, name, value))
            if slot not in self._names and len(self._names) >= VALUES:
                continue
            values = self._names.setdefault(slot, [0, 0])
            if token:
                values[1] += 1
            elif fact not in self._seen:
                values[0] += 1
                if len(self._seen) < VALUES:
                    self._seen.add(fact)
                if values[0] > counts[1] and not _is_made(values):
                    counts[1] = values[0]


def _split(href: str) -> tuple[str, str]:
    """Path (with its site, tokens in directories as 0) and query of a URL that `Alike` counts, else ""."""
    path, mark, query = href.partition("?")
    name = path.rfind("/") + 1  # the last segment stays: photos and pages are often named by a token
    slash = path.find("/", 8)
    if name - slash > SHORTEST and TOKEN.search(path, slash, name):
        return path[:slash] + TOKEN.sub("0", path[slash:name]) + path[name:], query
    return (path, query) if mark else ("", "")


def _facts(query: str) -> Iterator[tuple[str, str, bool]]:
    """The parameters of a query that may say which page it is, their values, and whether those are tokens."""
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if not value:
            name, value = "", name  # index.php?12345
        lower = name.lower()
        if value and lower not in ECHOES:
            yield name, value, bool(FLEETING(value)) and not NAMES_A_THING(lower)


def _is_made(values: list[int] | None) -> bool:
    """Whether a parameter is one for tokens: of random ones, some look like words."""
    return values is not None and values[0] * TOKENS < values[1]
