"""A record of an audit as `fetch audit --json` prints it, with all that a hostile site can put into one."""

from __future__ import annotations

from typing import Any

SITE = "http://site.example"
EVIL = (
    f"{SITE}/a b\r\n::error title=x::pwned ::warning::w ##[error]e?x=]]></testcase><script>alert(1)</script>"
    "&quot;\"'{0}[click](http://evil.example)%0A%zz\u202e\x1b[31m\x00\ufffe\ud800\u2028\U0001f600"
)


def entry(url: str, kind: str = "page", status: int | None = 200, error: str | None = None) -> dict[str, Any]:
    size = 12_345 if status == 200 else None
    return {
        "url": url,
        "type": "html" if kind == "page" else "other",
        "status": status,
        "error": error,
        "wire": size,
        "decoded": size and size * 2,
        "elapsed": 0.1234,
        "depth": 1,
        "kind": kind,
        "title": "a title",
    }


def failed(url: str, status: int | None, error: str | None = None, linked: int = 1) -> dict[str, Any]:
    referrers = [f"{SITE}/page/{number}" for number in range(min(linked, 20))]
    message = "Name or service not known" if error == "dns_not_found" else None
    return {
        "url": url,
        "status": status,
        "error": error,
        "message": message,
        "referrers": referrers,
        "linked": linked,
    }


def budget(rule: str, worst: float | None, limit: float, failing: int, **more: Any) -> dict[str, Any]:
    urls = [{"url": f"{SITE}/heavy/{n}", "value": 400_000 - n} for n in range(min(failing, 20))]
    verdict = {"rule": rule, "pattern": "/**", "ok": not failing, "worst": worst, "limit": limit}
    return {**verdict, "unit": "B", "judged": 9, "note": "", "failing": urls, "failed": failing, **more}


def chain(*urls: str, final: str | None) -> dict[str, Any]:
    hops = [{"url": url, "status": 301} for url in urls]
    return {"chain": hops, "final": final, "referrers": [f"{SITE}/"], "linked": 1}


def clean() -> dict[str, Any]:
    """A site of one page, with nothing to find."""
    names = (
        "heaviest",
        "files",
        "broken",
        "fragments",
        "redirects",
        "duplicates",
        "uncompressed",
        "uncached",
    )
    record: dict[str, Any] = {name: [] for name in (*names, "slow", "sitemaps", "budgets")}
    record |= {"start": [f"{SITE}/"], "pages": 1, "requests": 1, "failed": 0, "seconds": 0.5, "cpu": 0.1}
    record |= {"bytes": {"wire": 12_345, "decoded": 24_690}, "engine": "asyncio"}
    record |= {"by_type": {"html": {"count": 1, "wire": 12_345, "decoded": 24_690}}}
    record |= {"by_directory": [{"path": "/", "count": 1, "wire": 12_345, "decoded": 24_690}]}
    record |= {"not_fetched": {}, "left_out": {}, "entries": [entry(f"{SITE}/")], "entries_cut": 0}
    return {**record, "started": "2026-11-23T03:56:22.000Z"}


def rich() -> dict[str, Any]:
    """A site with something of everything, and hostile texts wherever a text can stand."""
    record = clean()
    evil = {**failed(EVIL, None, "bad_status_line", 35), "message": EVIL}
    evil["referrers"] = [EVIL, *evil["referrers"][1:]]
    record["broken"] = [
        failed(f"{SITE}/missing", 404, linked=3),
        evil,
        failed("http://gone.example/", 404),
        failed("http://no-such-name.example/", None, "dns_not_found"),
        failed("http://robots.example/", 403, linked=2),
        failed("http://slow.example/", None, "read_timeout"),
        failed(f"{SITE}/busy", 429),
        *[failed(f"{SITE}/missing/{number}", 404) for number in range(25)],
    ]
    ours = {SITE, EVIL}
    record["entries"] += [
        entry(
            one["url"],
            "page" if any(one["url"].startswith(host) for host in ours) else "external",
            one["status"],
            one["error"],
        )
        for one in record["broken"]
    ]
    record["entries"] += [entry(f"{SITE}/start", "page", None, "connect_refused")]
    record["entries"] += [entry(f"{SITE}/denied", "page", None, "robots_denied")]
    record["budgets"] = [
        budget("html wire <= 150kB", 400_000, 150_000, 35),
        budget("page total <= 2MB", 1_234_567, 2_000_000, 0),
        budget("page elapsed <= 2s", 1.23456, 2, 0, unit="s"),
        budget("css wire <= 1kB", None, 1_000, 0, ok=False, note="nothing to judge: no URL matches"),
    ]
    record["sitemaps"] = [
        {"url": f"{SITE}/sitemap.xml", "status": 200, "error": None, "urls": 12},
        {"url": f"{SITE}/{EVIL}.xml", "status": 500, "error": None, "urls": 0},
    ]
    record["fragments"] = [
        {"url": f"{SITE}/docs/", "fragment": f"part {n}{EVIL}", "referrers": [f"{SITE}/"], "linked": 1}
        for n in range(12)
    ]
    record["redirects"] = [
        chain(f"{SITE}/old", final=f"{SITE}/old/"),
        chain(f"{SITE}/1", f"{SITE}/2", EVIL, final=f"{SITE}/4"),
        chain(f"{SITE}/loop", f"{SITE}/loop2", final=None),
        *[chain(f"{SITE}/r/{n}", final=f"{SITE}/r/{n}/") for n in range(5)],
    ]
    record["duplicates"] = [
        {"sha256": "00", "decoded": 12_345, "urls": [f"{SITE}/a", EVIL], "count": 40},
        {"sha256": "01", "decoded": None, "urls": [f"{SITE}/c", f"{SITE}/d"], "count": 2},
    ]
    record["uncompressed"] = [
        {"url": f"{SITE}/style/{n}.css", "wire": 30_000 // n, "gzip": 6_000 // n, "saved": 24_000 // n}
        for n in (1, 2, 3, 40)
    ]
    record["uncached"] = [
        {"url": EVIL, "type": "image", "wire": None},
        {"url": f"{SITE}/logo.png", "type": "image", "wire": 4_321},
    ]
    record["slow"] = [{"url": f"{SITE}/slow/{n}", "elapsed": 2.5 - n, "ttfb": None} for n in range(2)]
    record["slow"] += [{"url": EVIL, "elapsed": 0.4, "ttfb": 0.31}]
    record["heaviest"] = [
        {"url": f"{SITE}/p/{n}", "title": EVIL, "wire": 5_000_000 // (n + 1), "decoded": 1, "requests": n + 1}
        for n in range(12)
    ]
    record["heaviest"][3]["url"] = EVIL
    record["files"] = [
        {"url": f"{SITE}/img/{n}.jpg", "type": "image", "wire": 2_000_000 >> n, "decoded": 1}
        for n in range(7)
    ]
    record["by_type"] |= {
        "image": {"count": 1_234, "wire": 12_345_678, "decoded": 12_345_678},
        "css": {"count": 4, "wire": 50_000, "decoded": 123_456},
    }
    record["not_fetched"] = {"scope": 1_234, "robots": 3, "trap-alike": 7}
    record["left_out"] = {"scope": ["http://elsewhere.example/"], "robots": [EVIL]}
    record |= {"pages": 64, "requests": 1_300, "failed": 34, "seconds": 12.3456, "entries_cut": 5}
    return record
