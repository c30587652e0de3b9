"""What CI reads of an audit: SARIF, JUnit XML and annotations, of a record with hostile texts in it."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from xml.etree import ElementTree

import pytest
from audits import EVIL, SITE, budget, chain, clean, entry, failed, rich
from hypothesis import given
from hypothesis import strategies as st

import fetcher
from fetcher import findings as folder
from fetcher import menu
from fetcher.findings import RULES, findings, github, junit, pick, sarif

ANY = st.text(st.characters(codec=None), max_size=60)  # surrogates too
# RFC 3986 4.2: path-noscheme [ "?" query ], so that no colon can end a scheme.
PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})"
REFERENCE = re.compile(rf"{PCHAR}+(?:/(?:{PCHAR}|:)*)*(?:\?(?:{PCHAR}|[:/?])*)?")


def hostile(text: str) -> dict[str, Any]:
    """A record with this text wherever a server can put one."""
    record = clean()
    page = f"{SITE}/{text}"
    record["broken"] = [{**failed(page, None, "bad_header"), "message": text, "referrers": [page]}]
    record["fragments"] = [{"url": page, "fragment": text, "referrers": [page], "linked": 1}]
    record["redirects"] = [{**chain(page, text, final=page), "referrers": [text]}]
    record["duplicates"] = [{"sha256": "", "decoded": 1, "urls": [page, text], "count": 2}]
    record["entries"] = [entry(text), entry(page)]
    record["budgets"] = [budget("html wire <= 1kB", 2, 1, 1, pattern=text)]
    return record


def of(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.rule, one.level) for one in findings(record)]


def test_the_menu() -> None:
    assert menu.names(folder) == ["github", "junit", "sarif"]
    assert [pick(name).SUFFIXES for name in menu.names(folder)] == [(), (".xml",), (".sarif",)]
    assert all(pick(name).text(rich()) for name in menu.names(folder))


def test_a_clean_site_has_no_findings() -> None:
    assert findings(clean()) == []
    assert github.text(clean()) == ""
    assert json.loads(sarif.text(clean()))["runs"][0]["results"] == []


def test_what_is_found_and_how_bad_it_is() -> None:
    assert Counter(of(rich())) == {
        ("budget-failed", "error"): 2,
        ("broken-link", "error"): 30,
        ("unchecked-link", "warning"): 3,
        ("sitemap-failed", "warning"): 1,
        ("fragment-missing", "warning"): 12,
        ("redirect-chain", "warning"): 2,
        ("compression-off", "warning"): 1,
        ("redirect", "note"): 6,
        ("uncompressed", "note"): 3,
        ("duplicate", "note"): 2,
        ("uncached", "note"): 2,
    }
    levels = [level for _, level in of(rich())]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert set(RULES) - {rule for rule, _ in of(rich())} == {"not-shown"}


@pytest.mark.parametrize("status", [404, 410])
def test_another_site_that_says_gone_is_broken(status: int) -> None:
    assert external(status, None) == [("broken-link", "error")]


@pytest.mark.parametrize("status", [400, 401, 403, 405, 429, 451, 500, 502, 503, 999])
def test_another_site_that_refuses_robots_is_not(status: int) -> None:
    assert external(status, None) == [("unchecked-link", "warning")]


@pytest.mark.parametrize("error", ["dns_not_found", "connect_refused", "tls_expired"])
def test_another_site_that_cannot_answer_is_broken(error: str) -> None:
    assert external(None, error) == [("broken-link", "error")]


@pytest.mark.parametrize(
    "error",
    ["dns_temporary", "connect_timeout", "read_timeout", "reset", "no_response", "tls_unknown_issuer"],
)
def test_another_site_in_a_bad_moment_is_not(error: str) -> None:
    assert external(None, error) == [("unchecked-link", "warning")]


def external(status: int | None, error: str | None) -> list[tuple[str, str]]:
    record = clean()
    record["broken"] = [failed("http://other.example/", status, error)]
    record["entries"].append(entry("http://other.example/", "external", status, error))
    return of(record)


@pytest.mark.parametrize(
    ("status", "error", "level"),
    [
        *[(status, None, "error") for status in (401, 403, 404, 500, 503)],
        *[(None, error, "error") for error in ("read_timeout", "tls_other", "a_kind_of_tomorrow")],
        *[(None, error, "warning") for error in ("local_fd_limit", "host_backoff", "body_too_large")],
        (429, None, "warning"),
    ],
)
def test_our_own_site_has_no_excuse_but_what_we_did(
    status: int | None, error: str | None, level: str
) -> None:
    record = clean()
    record["broken"] = [failed(f"{SITE}/x", status, error)]
    assert [one.level for one in findings(record)] == [level]


def test_a_start_that_fails_is_found_though_no_page_links_to_it() -> None:
    record = clean()
    record["entries"] = [
        entry(f"{SITE}/", "page", None, "connect_refused"),
        entry(f"{SITE}/no", error="robots_denied"),
    ]
    [one] = findings(record)
    assert (one.rule, one.url, one.where, one.message) == (
        *("broken-link", f"{SITE}/", ()),
        f"{SITE}/: connect_refused",
    )


def test_a_failed_sitemap_is_told_once_and_fails_no_test() -> None:
    record = clean()
    url = f"{SITE}/sitemap.xml"
    record["sitemaps"] = [{"url": url, "status": 404, "error": None, "urls": 0}]
    record["entries"].append(entry(url, "sitemap", 404))
    assert of(record) == [("sitemap-failed", "warning")]
    assert ElementTree.fromstring(junit.text(record))[0].get("failures") == "0"


@pytest.mark.parametrize(("saved", "found"), [(2_000, 0), (2_001, 1), (10_000, 1), (10_001, 2)])
def test_small_savings_are_not_worth_a_word(saved: int, found: int) -> None:
    record = clean()
    record["uncompressed"] = [{"url": SITE, "wire": 90_000, "gzip": 90_000 - saved, "saved": saved}]
    assert len(findings(record)) == found


def test_messages_say_what_and_how_often() -> None:
    said = [one.message for one in findings(rich())]
    for message in (
        "budget /**: html wire <= 150kB failed: 400,000 B against 150,000 B; 35 URLs fail it",
        "budget /**: css wire <= 1kB failed: not known against 1,000 B; nothing to judge: no URL matches",
        f"{SITE}/missing: 404 Not Found; 3 pages link to it",
        "http://no-such-name.example/: dns_not_found (Name or service not known); 1 page links to it",
        f"{SITE}/old takes 1 redirect to {SITE}/old/; 1 page links to it",
        f"{SITE}/loop takes 2 redirects and leads nowhere; 1 page links to it",
        "compression would save 44,600 B in 4 files",
        "the same 12,345 B under 40 URLs",
    ):
        assert message in said


def test_sarif_has_what_the_format_and_github_ask_for() -> None:
    log = json.loads(sarif.text(rich()))
    assert (log["version"], log["$schema"]) == ("2.1.0", sarif.SCHEMA)
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("fetch", fetcher.__version__)
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
    assert len(run["results"]) == len(findings(rich()))
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == RULES[result["ruleId"]].level
        assert result["message"]["text"].isprintable()
        assert 1 <= len(result["locations"]) <= 20
        for place in result["locations"]:
            assert REFERENCE.fullmatch(place["physicalLocation"]["artifactLocation"]["uri"])
            assert place["physicalLocation"]["region"] == {"startLine": 1}
    marks = [(one["ruleId"], one["partialFingerprints"]["primaryLocationLineHash"]) for one in run["results"]]
    assert len(set(marks)) == len(marks)


def test_sarif_names_the_pages_to_mend() -> None:
    results = json.loads(sarif.text(rich()))["runs"][0]["results"]
    [one] = [one for one in results if one["properties"]["url"] == f"{SITE}/missing"]
    places = [place["physicalLocation"]["artifactLocation"]["uri"] for place in one["locations"]]
    assert places == [f"site.example/page/{number}" for number in range(3)]


def test_a_finding_keeps_its_mark_from_run_to_run() -> None:
    def marks(record: dict[str, Any]) -> list[str]:
        results = json.loads(sarif.text(record))["runs"][0]["results"]
        return [one["partialFingerprints"]["primaryLocationLineHash"] for one in results]

    old, new = clean(), clean()
    old["broken"], new["broken"] = [failed(f"{SITE}/x", 404)], [failed(f"{SITE}/x", 500, linked=9)]
    old["budgets"] = [budget("html wire <= 1kB", 2_000, 1_000, 3)]
    new["budgets"] = [budget("html wire <= 1kB", 9_000, 1_000, 5)]
    new["budgets"][0]["failing"].reverse()
    assert marks(old) == marks(new)
    new["budgets"][0]["pattern"] = "/blog/**"
    assert marks(old)[0] != marks(new)[0]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://site.example/a/b.html?x=1&y=/?:@", "site.example/a/b.html?x=1&y=/?:@"),
        ("http://site.example/", "site.example/"),
        ("http://localhost:8000/a:b", "localhost%3A8000/a:b"),
        ("http://[::1]:80/", "%5B%3A%3A1%5D%3A80/"),
        ("http://site.example/%41%zz%", "site.example/%41%25zz%25"),
        ("http://site.example/ä b\n#top", "site.example/%C3%A4%20b%0A"),
        ("http://site.example/{0}[x](y)\ud800", "site.example/%7B0%7D%5Bx%5D(y)%5Cud800"),
        ("javascript:alert(1)", "javascript%3Aalert(1)"),
        ("//x", "x"),
        ("", "unknown"),
    ],
)
def test_a_url_as_a_place_that_github_takes(url: str, place: str) -> None:
    assert sarif.location(url) == place
    assert REFERENCE.fullmatch(place)


@given(ANY)
def test_sarif_of_any_text(text: str) -> None:
    written = sarif.text(hostile(text)).encode("ascii")
    results = json.loads(written)["runs"][0]["results"]
    json.dumps(results, ensure_ascii=False).encode()  # no lone surrogate came through
    for result in results:
        message = result["message"]["text"]
        assert "](" not in message  # would be a link
        assert not re.search(
            r"\{\d+\}", message.replace("{{", "").replace("}}", "")
        )  # would be a placeholder
        assert all(
            REFERENCE.fullmatch(place["physicalLocation"]["artifactLocation"]["uri"])
            for place in result["locations"]
        )


def test_sarif_leaves_nothing_out_in_silence() -> None:
    record = clean()
    record["uncached"] = [{"url": f"{SITE}/{n}", "type": "image", "wire": 1} for n in range(sarif.MOST)]
    assert len(json.loads(sarif.text(record))["runs"][0]["results"]) == sarif.MOST
    record["broken"] = [failed(f"{SITE}/x", 404)]
    *results, last = json.loads(sarif.text(record))["runs"][0]["results"]
    assert len(results) == sarif.MOST - 1
    assert results[0]["ruleId"] == "broken-link"  # the worst are kept
    assert last["ruleId"] == "not-shown"
    assert last["message"]["text"] == "2 more findings are not in this file: uncached 2"


def test_junit_has_a_test_for_each_budget_and_url() -> None:
    record = rich()
    root = ElementTree.fromstring(junit.text(record).encode())
    [suite] = root
    cases = suite.findall("testcase")
    assert suite.get("name") == "fetch audit"
    assert suite.get("tests") == str(len(cases)) == str(len(record["budgets"]) + len(record["entries"]))
    assert suite.get("failures") == str(len(suite.findall("testcase/failure"))) == "32"
    assert suite.get("skipped") == str(len(suite.findall("testcase/skipped"))) == "3"
    assert (suite.get("errors"), suite.get("time")) == ("0", "12.346")
    by_name = {case.get("name"): case for case in cases}
    assert by_name[f"{SITE}/"].get("classname") == "html"
    assert by_name[f"{SITE}/"].get("time") == "0.123"
    failure = by_name[f"{SITE}/missing"].find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.get("type")) == ("404 Not Found", "404")
    assert failure.text == "\n  ".join(["linked from:", *(f"{SITE}/page/{number}" for number in range(3))])
    failure = by_name["/**: html wire <= 150kB"].find("failure")
    assert failure is not None
    assert failure.get("message") == "400,000 B against 150,000 B"
    assert failure.text is not None
    assert failure.text.startswith(f"failed by:\n  400,000 B  {SITE}/heavy/0\n")
    assert failure.text.endswith("\n  and 15 more")
    assert by_name["/**: page total <= 2MB"].find("failure") is None
    told = suite.findtext("system-out") or ""
    assert "5 URLs more" in told
    assert "29 further findings" in told


@given(ANY)
def test_junit_of_any_text(text: str) -> None:
    root = ElementTree.fromstring(junit.text(hostile(text)).encode())
    assert [one.tag for one in root.iter()].count("testcase") == 3
    assert all("\n" not in (case.get("name") or "") for case in root.iter("testcase"))


def test_junit_says_what_it_leaves_out_and_fails_it_all_the_same() -> None:
    record = clean()
    record["entries"] = [entry(f"{SITE}/{number}") for number in range(junit.MOST)]
    record["entries_cut"] = 3
    record["broken"] = [failed(f"{SITE}/missing", 404, linked=2)]
    suite = ElementTree.fromstring(junit.text(record))[0]
    assert (suite.get("tests"), suite.get("failures")) == (str(junit.MOST + 1), "1")
    assert "3 URLs more had an answer and no test here" in (suite.findtext("system-out") or "")


def test_annotations_are_ten_of_each_level_and_count_the_rest() -> None:
    lines = github.text(rich()).splitlines()
    kinds = Counter(line.partition(" ")[0] for line in lines)
    assert kinds == {"::error": 10, "::warning": 10, "::notice": 1}
    assert "::error title=fetch audit::23 more errors: 32 in all" in lines
    assert "::warning title=fetch audit::10 more warnings: 19 in all" in lines
    assert lines[-1] == "::notice title=fetch audit::13 notes (-o FILE.sarif has them)"
    assert lines[2] == (
        f"::error title=Broken link::{SITE}/missing: 404 Not Found; 3 pages link to it, such as {SITE}/page/0"
    )


def test_ten_annotations_of_a_level_need_no_rest() -> None:
    record = clean()
    record["broken"] = [failed(f"{SITE}/{number}", 404) for number in range(10)]
    assert github.text(record).count("title=Broken link::") == 10
    assert "more" not in github.text(record)


@given(ANY)
def test_no_text_makes_an_annotation_of_its_own(text: str) -> None:
    said = github.text(hostile(text))
    said.encode()
    for line in said.splitlines():
        command = re.fullmatch(r"::(?:error|warning|notice) title=[^:,]*::(.+)", line)
        assert command
        assert not re.search("%(?!25|0D|0A)", command[1])


def test_percent_signs_are_kept_from_github() -> None:
    record = clean()
    record["broken"] = [failed(f"{SITE}/%0A::error::x", 404)]
    assert f"{SITE}/%250A::error::x: 404" in github.text(record)
    assert EVIL not in github.text(rich())


def test_annotations_are_for_github_only() -> None:
    assert github.wanted({"GITHUB_ACTIONS": "true"})
    assert not github.wanted({"GITHUB_ACTIONS": "false"})
    assert not github.wanted({})
