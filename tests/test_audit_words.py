"""What people read of an audit on a terminal, wide or narrow, whatever the site put into its texts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from audits import EVIL, SITE, budget, clean, entry, failed, rich
from hypothesis import given
from hypothesis import strategies as st

from fetcher.cli._audit_words import words
from fetcher.report.page import visible

ANY = st.text(st.characters(codec=None), max_size=60)


def test_a_clean_site_in_a_few_lines() -> None:
    assert words(clean(), 80).splitlines() == [
        "1 page, 1 request in 0.50 s: 0 failed",
        "  12,345 B received, 24,690 B decoded",
        "  type  files  B received  B decoded",
        "  html      1      12,345     24,690",
    ]


def test_types_become_sentences_where_the_table_is_too_wide() -> None:
    record = rich()
    assert "  image  1,234  12,345,678  12,345,678" in words(record, 40).splitlines()
    lines = words(record, 37).splitlines()
    assert "  image: 1,234 files, 12,345,678 B" in lines
    assert "    received, 12,345,678 B decoded" in lines


def test_every_section_of_a_rich_audit() -> None:
    lines = words(rich(), 120).splitlines()
    assert lines[0] == "64 pages, 1,300 requests in 12.35 s: 34 failed"
    titles = [line for before, line in pairwise(lines) if not before]
    assert titles == [
        "heaviest pages, with all they need (10 of 64)",
        "heaviest files (5 of 1,239)",
        "broken: 30",
        "perhaps broken (they may refuse robots, or be busy): 3",
        "links to an #anchor that the page does not have: 12",
        "links that are redirected: 8",
        "sitemaps that failed: 1",
        "same content under several URLs: 2",
        "compression would save 44,600 B in 4 files",
        "slowest pages (3 of 64)",
        "no Cache-Control, Expires, ETag or Last-Modified: 2",
        "not fetched: 1,244",
        "asked, but not listed in -o audit.json: 5 URLs",
        "budgets: 2 of 4 failed",
    ]


def test_what_is_left_out_is_counted() -> None:
    text = words(rich(), 120)
    for number in (10, 2, 3, 1):  # broken, anchors, redirects, savings
        assert f"  ... and {number} more (-o audit.json has all)" in text
    assert "      ... and 32 more" in text  # of the failing budget
    assert f"      on 3 pages, such as {SITE}/page/0" in text
    assert f"      on {SITE}/page/0" in text
    assert "  1,234 scope: outside of the scope (--scope), such as http://elsewhere.example/" in text


def test_as_many_as_are_shown_need_no_more() -> None:
    record = clean()
    record["broken"] = [failed(f"{SITE}/{number}", 404, linked=0) for number in range(20)]
    text = words(record, 80)
    assert text.count("404 Not Found") == 20
    assert "more" not in text


def test_the_longest_chains_come_first_hop_by_hop() -> None:
    lines = words(rich(), 120).splitlines()
    at = lines.index("links that are redirected: 8") + 1
    assert lines[at : at + 2] == [f"  301  {SITE}/1", f"    to 301  {SITE}/2"]
    assert "    and leads nowhere" in lines


def test_budgets_pass_or_fail_with_their_figures() -> None:
    lines = words(rich(), 120).splitlines()
    assert "  FAIL  /**: html wire <= 150kB  (400,000 B against 150,000 B)" in lines
    assert f"      400,000 B  {SITE}/heavy/0" in lines
    assert "  PASS  /**: page elapsed <= 2s  (1.235 s against 2 s)" in lines
    record = clean()
    record["budgets"] = [budget("page total <= 2MB", 1, 2, 0)]
    assert "budgets: all passed" in words(record)


@pytest.mark.parametrize("width", [80, 40, 20])
def test_lines_fit_but_for_what_cannot_be_broken(width: int) -> None:
    for line in words(rich(), width).splitlines():
        rest = line.strip()
        assert len(line) <= width or " " not in rest or visible(EVIL)[:20] in rest or rest.count("  ") >= 2, (
            line
        )


@pytest.mark.parametrize("width", [None, 80, 40, 12])
def test_urls_stand_whole_and_last(width: int | None) -> None:
    url = f"{SITE}/{'long/' * 40}end"
    record = clean()
    record["broken"] = [{**failed(url, 404), "referrers": [url]}]
    record["fragments"] = [{"url": url, "fragment": "top", "referrers": [url], "linked": 9}]
    record["redirects"] = [
        {"chain": [{"url": url, "status": 301}], "final": url, "referrers": [url], "linked": 1}
    ]
    record["slow"] = [{"url": url, "elapsed": 1.5, "ttfb": 0.5}]
    record["heaviest"] = [{"url": url, "title": "", "wire": None, "decoded": None, "requests": 1}]
    record |= {"not_fetched": {"robots": 1, "a reason of tomorrow": 1}, "left_out": {"robots": [url]}}
    lines = words(record, width).splitlines()
    named = [line for line in lines if SITE in line]
    assert len(named) == 9
    assert all(line.endswith((url, f"{url}#top")) for line in named)
    assert all(line.startswith("  ") for line in named)


@given(ANY, st.sampled_from([None, 80, 40]))
def test_no_text_steers_the_terminal_or_github(text: str, width: int | None) -> None:
    record = clean()
    record["entries"] = [entry(text, "page", 500)]
    record["broken"] = [{**failed(f"{SITE}/{text}", None, "bad_header"), "message": f"a {text} b"}]
    record["fragments"] = [{"url": text, "fragment": text, "referrers": [text], "linked": 1}]
    record["uncached"] = [{"url": text, "type": "image", "wire": 1}]
    record["budgets"] = [budget("html wire <= 1kB", 2, 1, 1, pattern=text)]
    told(words(record, width))


@pytest.mark.parametrize("width", [None, 80, 40, 20, 10])
def test_a_message_cannot_become_a_command(width: int | None) -> None:
    record = rich()
    record["broken"][0] |= {"error": "bad_status_line", "message": "x ::error title=y::z ##[error]w"}
    record["fragments"][0] |= {"url": "::error::x", "fragment": "f"}
    told(words(record, width))


def told(text: str) -> None:
    text.encode()
    for line in text.split("\n"):
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
