"""Which findings an audit's record holds, and how bad each is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from fetcher.errors import KINDS
from fetcher.findings._rules import LEVELS, RULES, Finding
from fetcher.report.page import visible

WHERE: Final = 20  # pages to mend that a finding names
SAVED: Final = 2_000  # bytes that compression must save in one file to be worth a note
SAVED_IN_ALL: Final = 10_000  # and in all files for a warning

# Of another's site only this is surely broken. Anything else (401, 403, 405, 429, 999, 5xx, time-outs ...) is
# how sites treat robots that they do not know, or a bad moment: lychee#1157, lychee#799, megalinter#2938.
GONE: Final = frozenset({404, 410})
DEAD: Final = frozenset(
    {
        *("invalid_url", "unsupported_scheme", "dns_not_found", "dns_no_address", "connect_refused"),
        *("tls_expired", "tls_self_signed", "tls_hostname", "bad_redirect", "redirect_blocked"),
    }
)
OURS: Final = frozenset({"here", "user", "limit"})  # faults and limits of this run: no fault of the link


def findings(record: Mapping[str, Any]) -> list[Finding]:
    """All findings, errors first."""
    found = [
        *_budgets(record["budgets"]),
        *_broken(record),
        *_sitemaps(record["sitemaps"]),
        *_fragments(record["fragments"]),
        *_redirects(record["redirects"]),
        *_uncompressed(record["uncompressed"]),
        *_duplicates(record["duplicates"]),
        *_uncached(record["uncached"]),
    ]
    return sorted(found, key=lambda one: LEVELS.index(one.level))


class Failure(NamedTuple):
    """A URL that was asked in vain."""

    url: str
    is_broken: bool  # False: it may work for others
    answer: str  # `404 Not Found`, or `dns_not_found (Name or service not known)`: safe to show
    code: str  # `404`, or `dns_not_found`
    referrers: tuple[str, ...]
    linked: int  # how many pages link there in all


def failures(record: Mapping[str, Any]) -> list[Failure]:
    """What the record calls broken, then whatever else failed (a start URL that no page links to)."""
    entries = {entry["url"]: entry for entry in record["entries"]}
    kinds = {url: entry["kind"] for url, entry in entries.items()}
    broken = {item["url"]: item for item in record["broken"]}
    rest = [one for url, one in entries.items() if url not in broken and has_failed(one)]
    found = [_failure(item, kinds.get(item["url"], "")) for item in [*broken.values(), *rest]]
    if not record.get("offline"):
        return found
    return [one._replace(is_broken=False) if kinds.get(one.url) == "external" else one for one in found]


def has_failed(item: Mapping[str, Any]) -> bool:
    """Whether this entry is a failure, and not one that was asked for (robots.txt)."""
    error, status = item["error"], item["status"] or 0
    if error == "robots_denied":
        return not item.get("depth", 1)  # of the start: then nothing was seen
    return error is not None or status >= 400


def _failure(item: Mapping[str, Any], kind: str) -> Failure:
    pages = tuple(item.get("referrers", ()))
    code = str(item["error"] or item["status"])
    return Failure(
        item["url"], _is_broken(item, kind), answer(item), code, pages, max(item.get("linked", 0), len(pages))
    )


def _is_broken(item: Mapping[str, Any], kind: str) -> bool:
    status, error = item["status"], item["error"]
    if kind == "sitemap":
        return False  # it is told as a sitemap
    if kind == "external":
        return error in DEAD if error else status in GONE
    if error == "robots_denied":
        return True
    if error is None:
        return bool(status != 429)  # the answer to how fast we asked
    return error != "host_backoff" and (error not in KINDS or KINDS[error].whose not in OURS)


def answer(item: Mapping[str, Any]) -> str:
    """What became of a failed URL, in words."""
    if item["error"]:
        said = item.get("message")
        return f"{item['error']} ({visible(said)})" if said else str(item["error"])
    try:
        return f"{item['status']} {HTTPStatus(item['status']).phrase}"
    except ValueError:
        return str(item["status"])


def counted(number: int, what: str) -> str:
    """`1 page`, `2 pages`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def amount(value: object, unit: str = "") -> str:
    """A measured value of a budget."""
    if value is None:
        return "not known"
    if isinstance(value, float):
        text = f"{value:,.3f}".rstrip("0").rstrip(".")
    else:
        text = f"{value:,}" if isinstance(value, int) else visible(str(value))
    return f"{text} {unit}".rstrip()


def budget_name(budget: Mapping[str, Any]) -> str:
    """`/blog/**: page requests <= 40`."""
    return visible(f"{budget['pattern']}: {budget['rule']}" if budget["pattern"] else budget["rule"])


def budget_said(budget: Mapping[str, Any]) -> str:
    """What was measured against the limit; and why nothing was, or what is missing."""
    worst, limit = (amount(budget[key], budget.get("unit", "")) for key in ("worst", "limit"))
    note = budget.get("note")
    return f"{worst} against {limit}" + (f"; {visible(note)}" if note else "")


def _finding(rule: str, message: str, url: str, where: Iterable[str] = (), linked: int = 0) -> Finding:
    pages = tuple(where)[:WHERE]
    return Finding(rule, RULES[rule].level, message, url, pages, max(linked, len(pages)))


def _links(linked: int) -> str:
    return f"; {counted(linked, 'page')} link{'s' * (linked == 1)} to it" if linked else ""


def _broken(record: Mapping[str, Any]) -> Iterator[Finding]:
    sitemaps = {item["url"] for item in record["sitemaps"]}
    for one in failures(record):
        if one.url not in sitemaps or one.linked:
            rule = "broken-link" if one.is_broken else "unchecked-link"
            message = f"{visible(one.url)}: {one.answer}{_links(one.linked)}"
            yield _finding(rule, message, one.url, one.referrers, one.linked)


def _budgets(budgets: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for budget in budgets:
        if budget["ok"]:
            continue
        where = [one["url"] for one in budget["failing"]]
        failed = max(budget["failed"], len(where))
        message = f"budget {budget_name(budget)} failed: {budget_said(budget)}"
        message += f"; {counted(failed, 'URL')} fail{'s' * (failed == 1)} it" if failed else ""
        found = _finding("budget-failed", message, where[0] if where else "", where, failed)
        yield found._replace(name=budget_name(budget))


def _sitemaps(sitemaps: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for item in sitemaps:
        if has_failed(item):
            yield _finding("sitemap-failed", f"{visible(item['url'])}: {answer(item)}", item["url"])


def _fragments(fragments: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for item in fragments:
        url, name = item["url"], f"{item['url']}#{item['fragment']}"
        message = f"{visible(url)} has no anchor #{visible(item['fragment'])}{_links(item['linked'])}"
        yield _finding("fragment-missing", message, url, item["referrers"], item["linked"])._replace(
            name=name
        )


def _redirects(redirects: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for item in redirects:
        chain, final = item["chain"], item["final"]
        if not chain:
            continue
        to = "and leads nowhere" if final is None else f"to {visible(final)}"
        message = (
            f"{visible(chain[0]['url'])} takes {counted(len(chain), 'redirect')} {to}{_links(item['linked'])}"
        )
        rule = "redirect" if len(chain) == 1 else "redirect-chain"
        yield _finding(rule, message, chain[0]["url"], item["referrers"], item["linked"])


def _uncompressed(files: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    files = sorted(files, key=lambda item: -item["saved"])
    saved = sum(item["saved"] for item in files)
    if saved > SAVED_IN_ALL:
        where = [item["url"] for item in files]
        message = f"compression would save {saved:,} B in {counted(len(files), 'file')}"
        found = _finding("compression-off", message, where[0], where, len(files))
        yield found._replace(name="in all")
    for item in files:
        if item["saved"] > SAVED:
            message = f"{visible(item['url'])}: gzip would make {item['gzip']:,} B of its {item['wire']:,} B"
            yield _finding("uncompressed", message, item["url"])


def _duplicates(duplicates: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for item in duplicates:
        urls = item["urls"]
        size = "content" if item["decoded"] is None else f"{item['decoded']:,} B"
        message = f"the same {size} under {counted(item['count'], 'URL')}"
        yield _finding("duplicate", message, urls[0] if urls else "", urls, item["count"])


def _uncached(files: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for item in files:
        size = "" if item["wire"] is None else f" ({item['wire']:,} B)"
        message = f"{visible(item['url'])}{size} has no Cache-Control, Expires, ETag or Last-Modified"
        yield _finding("uncached", message, item["url"])
