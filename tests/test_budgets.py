"""Budgets of an audit: what a file may say, which URLs a pattern means, and that what is missing fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.budgets import judge, read
from fetcher.budgets.patterns import matcher
from fetcher.errors import UsageError

HOST = "http://127.0.0.1:8000"
Row = dict[str, Any]


def entry(path: str, type_: str = "html", **facts: Any) -> Row:
    usual = {"url": HOST + path, "type": type_, "status": 200, "error": None, "kind": "page"}
    sizes = {"wire": 1000, "decoded": 3000, "elapsed": 0.1, "depth": 0, "title": ""}
    return {**usual, **sizes, **facts}


def audit(*entries: Row, weights: list[Row] | None = None, **more: Any) -> Row:
    lists = ("broken", "fragments", "redirects", "duplicates", "uncompressed", "uncached")
    rest: Row = {name: [] for name in lists} | {"not_fetched": {}, "left_out": {}, "entries_cut": 0}
    return {**rest, "entries": list(entries), "weights": weights or [], **more}


def verdicts(tmp_path: Path, text: str, record: Row) -> list[Row]:
    path = tmp_path / "budgets.toml"
    path.write_text(text, encoding="utf-8")
    return judge(read(str(path)), record)


def verdict(tmp_path: Path, rule: str, record: Row, pattern: str = "/**") -> Row:
    (one,) = verdicts(tmp_path, f'"{pattern}" = ["{rule}"]', record)
    return one


def paths(one: Row) -> list[str]:
    return [found["url"].removeprefix(HOST) for found in one["failing"]]


# What a file may say.


@pytest.mark.parametrize("header", ["[budgets]\n", "", "\ufeff[budgets]\r\n"])
def test_the_example_of_the_manual(tmp_path: Path, header: str) -> None:
    text = header + (
        '"/**"      = ["html wire <= 150kB", "page total <= 2MB", "broken = 0"]\n'
        '"/blog/**" = ["page requests <= 40", "page elapsed <= 2s"]\n'
        '"*.js"     = ["script decoded <= 300kB"]\n'
    )
    weight = {"url": HOST + "/blog/a", "wire": 2_000_001, "decoded": 1, "requests": 41, "elapsed": 2.5}
    record = audit(entry("/blog/a"), entry("/x.js", "script", kind="asset"), weights=[weight])
    found = {one["rule"]: one for one in verdicts(tmp_path, text, record)}
    assert [(one["ok"], one["worst"], one["limit"], one["unit"]) for one in found.values()] == [
        (True, 1000, 150_000, "B"),
        (False, 2_000_001, 2_000_000, "B"),
        (True, 0, 0, ""),
        (False, 41, 40, ""),
        (False, 2.5, 2, "s"),
        (True, 3000, 300_000, "B"),
    ]
    assert found["page elapsed <= 2s"]["failing"] == [{"url": HOST + "/blog/a", "value": 2.5}]
    assert found["page elapsed <= 2s"]["failed"] == 1


@pytest.mark.parametrize(
    ("rule", "limit"),
    [
        ("file wire <= 10", 10),
        ("file wire<=10B", 10),
        ("FILE  Wire  <=  1.5 kb", 1500),
        ("file wire <= 2MB", 2_000_000),
        ("file wire <= 1GB", 10**9),
        ("file wire <= 1KiB", 1024),
        ("file wire <= 0.5mib", 524_288),
        ("file wire <= 1GiB", 1 << 30),
        ("file elapsed <= 250ms", 0.25),
        ("file elapsed <= 3", 3),
        ("page requests < 7", 7),
    ],
)
def test_units(tmp_path: Path, rule: str, limit: float) -> None:
    assert verdict(tmp_path, rule, audit())["limit"] == limit


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"/**" = ["html wier <= 1kB"]', "'wier' is no figure of html: did you mean wire?"),
        ('"/**" = ["htm wire <= 1kB"]', "'htm' is no subject: did you mean html?"),
        ('"/**" = ["js wire <= 1kB"]', "did you mean script?"),
        ('"/**" = ["brokn = 0"]', "did you mean broken?"),
        ('"/**" = ["html size <= 1kB"]', "did you mean decoded?"),
        ('"/**" = ["html total <= 1kB"]', "'total' is no figure of html: use one of: wire decoded elapsed"),
        ('"/**" = ["file requests <= 1"]', "'requests' is no figure of file"),
        ('"/**" = ["html <= 1kB"]', "the figure of html is missing: use one of: wire decoded elapsed"),
        ('"/**" = ["<= 1kB"]', "the subject is missing"),
        ('"/**" = ["html wire =< 1kB"]', "'=<' is no comparison: did you mean <=?"),
        ('"/**" = ["html wire ≤ 1kB"]', "did you mean <=?"),
        ('"/**" = ["html wire != 1kB"]', "'!=' is no comparison"),
        ('"/**" = ["html wire 1kB"]', "is no rule: write SUBJECT FIGURE OP LIMIT"),
        ('"/**" = ["html wire <= -1"]', "is no rule"),
        ('"/**" = ["html wire <= much"]', "is no rule"),
        ('"/**" = ["html wire <= 1e9"]', "is no rule"),
        ('"/**" = [""]', "is no rule"),
        ('"/**" = ["html wire <= 1s"]', "'s' is no unit here"),
        ('"/**" = ["html wire <= 1TB"]', "'tb' is no unit here: did you mean"),
        ('"/**" = ["page elapsed <= 1kB"]', "'kb' is no unit here: use one of: s ms"),
        ('"/**" = ["page requests <= 1kB"]', "'kb' is no unit here: give a number alone"),
        ('"/**" = ["broken = 0B"]', "'b' is no unit here: give a number alone"),
        ('"/**" = ["broken wire = 0"]', "broken is counted and takes no 'wire'"),
        ('"/**" = ["html wire decoded <= 1"]', "'decoded' is too much"),
        ('"/**" = ["not_fetched robtos = 0"]', "'robtos' is no reason: did you mean robots?"),
        ('"/a/**" = ["not_fetched = 0"]', "put it under"),
        ('"/**" = [1]', "'/**' needs a list of rules"),
        ('"/**" = []', "'/**' needs a list of rules"),
        ('"/**" = 3', "'/**' needs a list of rules"),
        ('a.js = ["broken = 0"]', "'a' needs a list of rules"),
        ('"" = ["broken = 0"]', "an empty pattern"),
        ('/blog = ["broken = 0"]', 'is not TOML: Invalid statement (at line 1, column 1): write "PATTERN"'),
        ('"a" = ["broken = 0"]\n[budgets]\n"b" = ["broken = 0"]', "'a' stands outside of [budgets]"),
        ('[budget]\n"/**" = ["broken = 0"]', "'budget' needs a list of rules"),
        ("", "holds no budget"),
        ("[budgets]", "holds no budget"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read(str(path))
    message = str(caught.value)
    assert said in message
    assert message.startswith(str(path))
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'"/\xe4" = ["broken = 0"]')
    for name in ("nowhere.toml", ".", "latin.toml"):
        with pytest.raises(UsageError):
            read(str(tmp_path / name))


@given(st.text(max_size=30))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    from fetcher.budgets.rules import _rule

    said, rule = "", None
    try:
        rule = _rule(text, "/**", "budgets.toml")
    except UsageError as error:
        said = str(error)
    assert repr(text) in said or rule is not None


# Which URLs a pattern means.


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/**", ["/", "/a", "/a/b/c?d=e/f"], []),
        ("/*", ["/", "/a", "/a?b=c/d"], ["/a/b", "/a/"]),
        ("/blog/**", ["/blog/", "/blog/a/b", "/blog/?p=1"], ["/blog", "/a/blog/", "/blogs/"]),
        ("/blog/*.html", ["/blog/a.html", "/blog/.html"], ["/blog/a/b.html", "/blog/axhtml"]),
        ("*.js", ["/a.js", "/x/y/a.js", "/a.js?v=3"], ["/a.json", "/a.js/b", "/?f=a.jsx"]),
        ("app.js", ["/app.js", "/x/app.js"], ["/myapp.js", "/app-js"]),
        ("js/*.js", ["/js/a.js", "/x/js/a.js"], ["/js/x/a.js", "/xjs/a.js"]),
        ("/a/**/z", ["/a/z", "/a/b/c/z"], ["/az", "/a/bz"]),
        ("/search?q=*", ["/search?q=", "/search?q=x"], ["/search", "/searchXq=x", "/search?q=a/b"]),
        ("/search?q=**", ["/search?q=a/b"], ["/search"]),
        ("/a", ["/a", "/a?b=c"], ["/ab", "/a/"]),
        ("/ä b/*", ["/%C3%A4%20b/x"], ["/a"]),
        ("/[a]+(b)", ["/[a]+(b)"], ["/a", "/aab"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    matches = matcher(pattern)
    assert [path for path in [*yes, *no] if matches(HOST + path)] == yes


def test_a_pattern_with_a_scheme_is_for_the_whole_url() -> None:
    matches = matcher("https://*.example.com/**")
    assert matches("https://cdn.example.com/a/b")
    assert matches("https://cdn.example.com/")
    assert not matches("http://cdn.example.com/")
    assert not matches("https://example.com/x.example.com/")
    assert not matches("https://a/x.example.com/")
    assert matcher("**://**")("http://x/")


# How the record is judged.


def test_the_worst_comes_first_and_only_twenty_are_named(tmp_path: Path) -> None:
    rows = [entry(f"/{n}", wire=n) for n in range(100)]
    one = verdict(tmp_path, "html wire <= 49", audit(*rows))
    assert (one["ok"], one["worst"], one["failed"], one["judged"]) == (False, 99, 50, 100)
    assert [found["value"] for found in one["failing"]] == list(range(99, 79, -1))
    least = verdict(tmp_path, "html wire >= 50", audit(*rows))
    assert (least["worst"], least["failed"], least["failing"][0]["value"]) == (0, 50, 0)
    same = verdict(tmp_path, "html wire = 40", audit(*rows))
    assert (same["worst"], same["failed"], same["failing"][0]["value"]) == (99, 99, 99)


@pytest.mark.parametrize(
    ("op", "held"),
    [
        *(("<=", [1, 2]), ("<", [1]), ("=", [2]), ("==", [2])),
        *((">=", [2, 3]), (">", [3])),
    ],
)
def test_comparisons(tmp_path: Path, op: str, held: list[int]) -> None:
    for value in (1, 2, 3):
        one = verdict(tmp_path, f"html wire {op} 2", audit(entry("/", wire=value)))
        assert one["ok"] is (value in held)
        found = [{"url": HOST + f"/{n}"} for n in range(value)]
        counted = verdict(tmp_path, f"broken {op} 2", audit(entry("/"), broken=found))
        assert (counted["ok"], counted["worst"]) == (value in held, value)
        blamed = value if op[0] in "<=" and value not in held and value >= 2 else 0
        assert (counted["failed"], len(counted["failing"])) == (blamed, blamed)


def test_a_missing_figure_fails_and_comes_first(tmp_path: Path) -> None:
    rows = [entry("/a", wire=5), entry("/b", wire=None), entry("/c", wire=7)]
    one = verdict(tmp_path, "html wire <= 6", audit(*rows))
    assert (one["ok"], one["worst"], one["failed"], paths(one)) == (False, 7, 2, ["/b", "/c"])
    assert one["failing"][0]["value"] is None
    assert "1 of 3 URLs without this figure" in one["note"]
    alone = verdict(tmp_path, "html wire >= 0", audit(entry("/b", wire=None)))
    assert (alone["ok"], alone["worst"], alone["failed"]) == (False, None, 1)
    page = {"url": HOST + "/", "wire": None, "decoded": None, "requests": 3, "elapsed": None}
    for figure in ("total", "decoded", "elapsed"):
        assert not verdict(tmp_path, f"page {figure} <= 9", audit(entry("/"), weights=[page]))["ok"]


@pytest.mark.parametrize("rule", ["image wire <= 1GB", "page total <= 1GB", "broken = 0", "pages >= 0"])
def test_a_rule_that_nothing_matches_fails(tmp_path: Path, rule: str) -> None:
    one = verdict(tmp_path, rule, audit(entry("/")), pattern="/nowhere/**")
    assert (one["ok"], one["worst"], one["failing"], one["failed"]) == (False, None, [], 0)
    assert one["note"] == "nothing to judge: no URL matches"


def test_only_what_came_whole_has_a_size(tmp_path: Path) -> None:
    odd = [
        entry("/404", status=404, wire=9999),
        entry("/cut", error="truncated", wire=9999),
        entry("/moved", status=301, wire=9999),
        entry("/elsewhere", kind="external", wire=9999),
        entry("/sitemap.xml", "html", kind="sitemap", wire=9999),
        entry("/style", "css", kind="asset", wire=9999),
    ]
    one = verdict(tmp_path, "html wire <= 1kB", audit(entry("/"), *odd))
    assert (one["ok"], one["worst"], one["judged"]) == (True, 1000, 1)
    none = verdict(tmp_path, "html wire <= 1kB", audit(*odd))
    assert (none["ok"], none["worst"]) == (False, None)
    assert none["note"] == "nothing to judge: 6 URLs match, but none is a whole html"
    assert verdict(tmp_path, "file wire <= 1kB", audit(entry("/"), *odd))["worst"] == 9999


def test_what_is_counted(tmp_path: Path) -> None:
    denied = entry("/robots", error="robots_denied", status=None, depth=1)
    entries = [
        denied,
        entry("/a"),
        entry("/b", status=500),
        entry("/x/c", error="reset"),
        entry("/d", "document"),
    ]
    hops = [{"url": HOST + "/x/1", "status": 301}, {"url": HOST + "/2", "status": 302}]
    record = audit(
        *entries,
        weights=[{"url": HOST + "/a", "wire": 1, "decoded": 1, "requests": 1, "elapsed": 0.1}],
        broken=[{"url": HOST + "/b", "linked": 3}],
        fragments=[{"url": HOST + "/a", "fragment": "top"}, {"url": HOST + "/a", "fragment": "end"}],
        redirects=[{"chain": hops, "final": None}],
        duplicates=[{"sha256": "0", "urls": [HOST + "/a", HOST + "/x/a"], "count": 2}],
        uncompressed=[{"url": HOST + "/a", "saved": 10}],
        uncached=[{"url": HOST + "/x/c"}],
        not_fetched={"scope": 3, "robots": 2},
        left_out={"robots": [HOST + "/r"], "scope": []},
    )
    words = (
        *("pages", "failed", "broken", "fragments", "redirects", "duplicates", "uncompressed", "uncached"),
        *("not_fetched", "not_fetched robots", "not_fetched max-pages"),
    )
    counts = [1, 2, 1, 2, 1, 1, 1, 1, 5, 2, 0]
    found = [verdict(tmp_path, f"{word} = 0", record) for word in words]
    assert [one["worst"] for one in found] == counts
    assert [one["failed"] for one in found] == counts
    assert [one["ok"] for one in found] == [not count for count in counts]
    assert paths(found[1]) == ["/b", "/x/c"]
    assert paths(found[9]) == ["/r"]
    below = [verdict(tmp_path, f"{word} = 0", record, pattern="/x/**")["worst"] for word in words[:8]]
    assert below == [0, 1, 0, 0, 1, 1, 0, 1]


def test_entries_that_were_cut_off_are_not_passed_over(tmp_path: Path) -> None:
    record = audit(entry("/"), entries_cut=5)
    assert not verdict(tmp_path, "html wire <= 1MB", record)["ok"]
    assert not verdict(tmp_path, "failed = 0", record)["ok"]
    assert "5 URLs" in verdict(tmp_path, "failed = 0", record)["note"]
    assert verdict(tmp_path, "broken = 0", record)["ok"]
    assert verdict(tmp_path, "not_fetched = 0", record)["ok"]


def test_entries_may_be_an_iterator(tmp_path: Path) -> None:
    rows = [entry(f"/{n}.js", "script", kind="asset") for n in range(3)]
    text = '"/**" = ["file wire < 5kB", "pages = 0"]\n"*.js" = ["script wire < 5kB"]'
    found = verdicts(tmp_path, text, audit() | {"entries": iter(rows), "weights": iter(())})
    assert [(one["ok"], one["judged"]) for one in found] == [(True, 3)] * 3


def test_a_large_site_is_judged_in_constant_memory(tmp_path: Path) -> None:
    import tracemalloc

    text = "".join(f'"/{n}/**" = ["html wire <= 10B", "failed = 0"]\n' for n in range(10))
    path = tmp_path / "budgets.toml"
    path.write_text(text)
    budgets = read(os.fspath(path))
    rows = (entry(f"/{n % 10}/{n}", wire=n) for n in range(20_000))
    tracemalloc.start()
    found = judge(budgets, audit() | {"entries": rows})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one["judged"] for one in found] == [2000] * 20
    assert peak < 1_000_000
