"""The findings as SARIF 2.1.0, for GitHub code scanning, editors and whatever else reads it."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256
from json import dumps
from typing import Any, Final
from urllib.parse import quote

import fetcher
from fetcher.findings import RULES, Finding, findings
from fetcher.report.page import visible

SUFFIXES: Final = (".sarif",)
SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST: Final = 5_000  # results that GitHub shows of a run; it refuses more than 25,000

_NUMBERS: Final = {name: number for number, name in enumerate(RULES)}
_CODED: Final = re.compile("%(?![0-9A-Fa-f]{2})")


def text(record: dict[str, Any]) -> str:
    """One run with at most 5,000 results, the worst first; the last says how many more there are."""
    found = findings(record)
    start = next(iter(record["start"]), "")
    shown = found if len(found) <= MOST else [*found[: MOST - 1], _rest(found[MOST - 1 :], start)]
    run = {
        "tool": {"driver": _driver()},
        "invocations": [_invocation(record)],
        "results": [_result(one, start) for one in shown],
    }
    # ASCII: what is no character (a lone surrogate) was written out before, so any reader takes it.
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def location(url: str) -> str:
    """A URL as a relative reference, `host/path`: GitHub refuses a file with any http URI in this place.

    It takes them for paths in the repository (github/codeql-action#754), and the port's colon for the end of
    a scheme (SvanBoxel/zaproxy-to-ghas#37). The whole URL stands in the result's properties.
    """
    rest = url.rpartition("#")[0] if "#" in url else url
    authority, slash, path = rest.partition("://")[2].partition("/") if "://" in rest else rest.partition("/")
    return (_quoted(authority, "") + slash + _quoted(path, ":/?")).lstrip("/") or "unknown"


def _quoted(part: str, also: str) -> str:
    """What RFC 3986 allows in a path or query; a percent sign that begins no code is one itself."""
    coded = _CODED.sub("%25", part.encode("utf-8", "backslashreplace").decode())
    return quote(coded, safe=f"@!$&'()*+,;=-._~%{also}")


def _driver() -> dict[str, Any]:
    rules = [
        {
            "id": name,
            "name": "".join(word.capitalize() for word in name.split("-")),
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.help},
            "help": {"text": rule.help},
            "defaultConfiguration": {"level": rule.level},
        }
        for name, rule in RULES.items()
    ]
    return {"name": "fetch", "version": fetcher.__version__, "rules": rules}


def _invocation(record: dict[str, Any]) -> dict[str, Any]:
    """That it ran to its end: whatever is wrong with a site is no failure of the tool."""
    times = {"startTimeUtc": record.get("started"), "endTimeUtc": record.get("finished")}
    return {"executionSuccessful": True, **{name: value for name, value in times.items() if value}}


def _result(one: Finding, start: str) -> dict[str, Any]:
    url = one.url or start
    identity = sha256(f"{one.rule}\n{one.name or url}".encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return {
        "ruleId": one.rule,
        "ruleIndex": _NUMBERS[one.rule],
        "level": one.level,
        "message": {"text": _message(one)},
        # More than one where each of them has to be changed: SARIF 3.27.12.
        "locations": [_location(page) for page in one.where or (url,)],
        "partialFingerprints": {"primaryLocationLineHash": f"{identity}:1"},  # the one that GitHub reads
        "properties": {"url": visible(url), "pages": [visible(page) for page in one.where]},
    }


def _message(one: Finding) -> str:
    """Plain text: SARIF reads braces as placeholders (3.11.5), and `[text](target)` as a link (3.11.6)."""
    return one.message.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _location(page: str) -> dict[str, Any]:
    # GitHub wants a line, and a page on the web has none.
    return {"physicalLocation": {"artifactLocation": {"uri": location(page)}, "region": {"startLine": 1}}}


def _rest(left: list[Finding], start: str) -> Finding:
    kinds = ", ".join(f"{rule} {count:,}" for rule, count in Counter(one.rule for one in left).most_common())
    return Finding("not-shown", "note", f"{len(left):,} more findings are not in this file: {kinds}", start)
