"""A site audit, or what the records of a run tell of a site, as a page: what it weighs and what is broken."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from fetcher import __version__
from fetcher.report import markup
from fetcher.report.figures import AXIS, GAP, LABEL, bars
from fetcher.report.figures import Row as Line
from fetcher.report.histogram import bins, columns
from fetcher.report.page import FOLDER, render
from fetcher.report.section import Chart
from fetcher.report.tables import Table, tables, words
from fetcher.report.units import seconds, size, tick
from fetcher.report.words import count

NUMBERS: Final = ("count", "size", "seconds")  # kinds of columns that stand at the right
SCRIPTS: Final = ("site.js", "treemap.js")
BAND: Final = 18  # pixels, for a bar
LEAST, MOST = 220, 340  # pixels: how high the histogram may be, that it suits the bars beside it
FIRST: Final = 20  # rows of a table in Markdown
TYPES: Final = {
    "html": "HTML",
    "css": "CSS",
    "script": "scripts",
    "image": "images",
    "font": "fonts",
    "media": "sound and film",
    "data": "data",
    "document": "documents",
    "other": "other",
}
_ORIGIN: Final = re.compile(r"https?://[^/?#@]+(?=[/?#]|$)")
# What would end the element that the JSON stands in, or be read as the start of another.
_UNSAFE: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def html(record: dict[str, Any]) -> str:
    """The page, with charts, and tables that sort and search."""
    from markupsafe import Markup

    script = "".join([(FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS])
    found = _page(record)
    origin = found["origin"]
    return render(
        "site.html",
        **found,
        charts=_charts(record),
        short=lambda url: url[len(origin) :] if origin and url.startswith(f"{origin}/") else url,
        types=TYPES,
        numbers=NUMBERS,
        data=Markup(_data(found["tables"])),  # noqa: S704 - JSON with nothing in it that HTML acts on
        script=Markup(script),  # noqa: S704 - our own
        digest=b64encode(sha256(script.encode()).digest()).decode(),
        words=words,
        version=__version__,
    )


def markdown(record: dict[str, Any]) -> str:
    """The same in tables, of each the first rows, and without the list of all URLs."""
    return "\n".join(_markdown(record))


def _page(record: dict[str, Any]) -> dict[str, Any]:
    """What both show."""
    broken = len(record.get("broken") or ()) + (record.get("broken_cut") or 0)
    budgets = [_budget(one) for one in record.get("budgets") or ()]
    over = sum(not one["ok"] for one in budgets)
    if budgets:
        verdict = f"{over} of {_many(len(budgets), 'budget')} exceeded" if over else "within all budgets"
    else:
        verdict = f"{count(broken)} broken" if broken else "nothing broken"
    wire, origins = (record.get("bytes") or {}).get("wire"), _origins(record)
    hosts = len(origins) if record.get("start") else record.get("hosts", len(origins))
    dropped = record.get("dropped") or ()
    several = "more than " * ("by_host" in dropped) + _many(hosts, "host")
    name = origins[0].partition("://")[2] if hosts == 1 and origins else several
    parts = [_many(record.get("pages"), "page"), _many(record.get("requests"), "request")]
    sentence = f"{name}: {', '.join(filter(None, parts))}, {size(wire)} transferred"
    return {
        "origin": origins[0] if len(origins) == 1 and hosts == 1 else "",
        "title": f"{name}: {verdict}",
        "verdict": verdict,
        "ok": not (over or broken),
        "sentence": f"{sentence}; {_many(broken, 'URL')} broken" if broken else sentence,
        "headline": _headline(record),
        "budgets": budgets,
        "tables": tables(record),
        "cut": record.get("entries_cut") or 0,
        "dropped": dropped,
        "facts": _facts(record),
    }


def _origins(record: dict[str, Any]) -> list[str]:
    """Where it started; of what started nowhere, all that was asked."""
    urls = record.get("start") or [one["url"] for one in record.get("entries") or ()]
    return list(dict.fromkeys([found[0] for found in map(_ORIGIN.match, urls) if found]))


def _many(number: int | None, what: str) -> str:
    return "" if number is None else f"{count(number)} {what}{'s' * (number != 1)}"


def _headline(record: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures that matter most."""
    weight = record.get("bytes") or {}
    saved = sum(one.get("saved") or 0 for one in record.get("uncompressed") or ())
    heaviest = (record.get("heaviest") or [{}])[0].get("wire")
    pairs = [
        ("Pages", count(record.get("pages"))),
        ("Requests", count(record.get("requests"))),
        ("Failed", count(record.get("failed"))),
        ("Transferred", size(weight.get("wire"))),
        ("Decoded", size(weight.get("decoded"))),
        ("Heaviest page", size(heaviest)),
        ("Gzip would save", size(saved or None)),
        ("Not fetched", count(sum((record.get("not_fetched") or {}).values()) or None)),
    ]
    return [(name, value) for name, value in pairs if value != "-"]


def _facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    start = record.get("start") or []
    more = len(start[5:]) + (record.get("start_cut") or 0)
    pairs = [
        ("Start", ", ".join(start[:5]) + (f" and {count(more)} more" if more else "")),
        ("Started", record.get("started")),
        ("Finished", record.get("finished")),
        ("Time", None if record.get("seconds") is None else seconds(record["seconds"])),
        ("CPU time", None if record.get("cpu") is None else seconds(record["cpu"])),
        ("Engine", record.get("engine")),
    ]
    return [(name, str(value)) for name, value in pairs if value]


def _budget(one: dict[str, Any]) -> dict[str, Any]:
    unit = one.get("unit")
    failing = [
        {"value": _figure(bad.get("value"), unit), "url": str(bad.get("url") or "")}
        for bad in one.get("failing") or ()
    ]
    figures = {name: _figure(one.get(name), unit) for name in ("worst", "limit")}
    more = max((one.get("failed") or 0) - len(failing), 0)
    texts = {"rule": one["rule"], "pattern": one.get("pattern") or "", "note": one.get("note") or ""}
    return {**texts, "ok": one["ok"], **figures, "failing": failing, "more": more}


def _figure(value: Any, unit: Any) -> str:
    if not isinstance(value, int | float):
        return "-" if value is None else str(value)
    return size(value) if unit == "B" else seconds(value) if unit == "s" else f"{value:,}"


def _charts(record: dict[str, Any]) -> list[Chart]:
    """Bars of the types, and the histogram; none of nothing."""
    found = []
    kinds = sorted((record.get("by_type") or {}).items(), key=lambda pair: -pair[1]["wire"])
    lines = [
        Line(TYPES.get(kind, kind), size(sums["wire"]), _many(sums["count"], "file"), sums["wire"])
        for kind, sums in kinds
    ]
    if any(line.value for line in lines):
        drawn = bars("Bytes transferred, by type", lines, tick, BAND)
        found.append(Chart("Bytes by type", "as transferred", drawn))
    sizes = [one["wire"] for one in record.get("entries") or () if one.get("wire") is not None]
    if steps := record.get("sizes") or bins(sizes):
        hint = "as transferred; from column to column twice the size, or two and a half times"
        if record.get("entries_cut") and not record.get("sizes"):
            hint += f"; of the {count(len(sizes))} that are listed"
        high = min(max(len(lines) * (LABEL + BAND + GAP) + AXIS - GAP, LEAST), MOST)
        drawn = columns("How many files are how large, as transferred", steps, high)
        found.append(Chart("Files by size", hint, drawn))
    return found


def _data(found: list[Table]) -> str:
    """The tables as JSON that can stand within HTML, all of it ASCII: `json` writes U+2028 out, too."""
    given = [
        {"key": one.key, "columns": [[*column] for column in one.columns], "rows": one.rows} for one in found
    ]
    return json.dumps(given, separators=(",", ":")).translate(_UNSAFE)


def _markdown(record: dict[str, Any]) -> Iterator[str]:
    page = _page(record)
    yield from (f"# {markup.text(page['sentence'])}", "", f"verdict: **{page['verdict']}**", "")
    yield from (f"- {name}: {value}" for name, value in page["headline"])
    yield ""
    if page["budgets"]:
        yield from ("## Budgets", "")
        rows = [
            (one["rule"], one["pattern"], "yes" if one["ok"] else "no", one["worst"], one["limit"])
            for one in page["budgets"]
        ]
        yield from markup.table(("Rule", "Where", "Kept", "Worst", "Limit"), rows, ["---"] * 3 + ["--:"] * 2)
    for one in page["tables"]:
        if one.key != "entries":
            yield from _table(one)
    yield from (f"- {name}: {markup.text(value)}" for name, value in page["facts"])
    yield ""


def _table(one: Table) -> Iterator[str]:
    yield from (f"## {one.title}", "")
    if len(one.rows) > FIRST:
        yield from (f"the first {FIRST} of {one.part or one.total}", "")
    elif one.part:
        yield from (one.part, "")
    kinds = [column.kind for column in one.columns]
    rows = ([words(kind, cell) for kind, cell in zip(kinds, row, strict=True)] for row in one.rows[:FIRST])
    rules = ["--:" if kind in NUMBERS else "---" for kind in kinds]
    yield from markup.table([column.name for column in one.columns], rows, rules)
