"""What a crawl follows: scope, patterns, canonical keys, shapes, and traps driven to their end."""

from __future__ import annotations

import itertools
import random
import re
import string
import time
import uuid
from collections import Counter, deque

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fetcher import traps, urls
from fetcher.errors import Fault, UsageError
from fetcher.scope import ALIKE, CHAIN, REASONS, SCOPES, Scope, key, shape

HEX = "0123456789abcdef0123456789abcdef"
MIXED = "k3j9x0q2v8b4n7m1"
ID = "550e8400-e29b-41d4-a716-446655440000"
PLAIN = (
    "http://x.org/",
    "http://x.org/2024/05/17/post",
    "http://x.org/2011/11/11/",
    "http://x.org/a/b/a/c",
    "http://x.org/a/b/a/b/",
    "http://x.org/journal/1/1/1/",
    "http://x.org/3.12.1/library/asyncio-task.html",
    "http://x.org/static/app.3f2a9c.js",
    f"http://x.org/static/{HEX}.css",
    f"http://x.org/photos/{ID}/large.jpg",
    "http://x.org/w/index.php?title=Battle_of_Verdun&action=edit&oldid=1234567",
    "http://x.org/wiki/%D0%97%D0%B0%D0%B3%D0%BB%D0%B0%D0%B2%D0%BD%D0%B0%D1%8F",
    "http://x.org/src/main/java/org/example/project/module/impl/test/fixtures/deep/Case.java",
    "http://x.org/user/johnsmithson1985/profile",
    "http://x.org/_next/image?url=%2Fphotos%2F1.jpg&w=640&q=75",
    "http://x.org/download?url=https://other.org/a/a/a/a/b/b/b/b/c/c/c/c/d/d/d/d/e/e/e/e/f",
)


@pytest.mark.parametrize(
    ("word", "start", "inside", "outside"),
    [
        (
            "host",
            "http://x.org/docs/a",
            ("http://x.org/", "https://x.org/b?c", "http://x.org/docs/a"),
            ("http://x.org:8000/", "http://www.x.org/", "http://x.org.evil.net/", "http://y.org/x.org/"),
        ),
        ("host", "http://127.0.0.1:8000/", ("https://127.0.0.1:8000/a",), ("http://127.0.0.1/", "http://1.127.0.0.1:8000/")),
        ("host", "http://[::1]/", ("https://[::1]/a",), ("http://[::1]:81/", "http://[::2]/")),
        (
            "path",
            "https://x.org/docs/index.html?back=/a/b/",
            ("http://x.org/docs/", "https://x.org/docs/a/b?c", "https://x.org/docs/index.html"),
            ("https://x.org/", "https://x.org/docs", "https://x.org/docs2/a", "https://x.org:444/docs/a", "http://y.org/docs/"),
        ),
        ("path", "http://x.org/docs", ("http://x.org/elsewhere",), ("http://www.x.org/docs",)),
        ("path", "http://[::1]:81/a/", ("http://[::1]:81/a/b",), ("http://[::1]:81/b", "http://[::1]/a/b")),
        (
            "subdomains",
            "http://x.org:81/a",
            ("http://x.org:81/", "https://a.b.x.org:81/"),
            ("http://a.x.org/", "http://evilx.org:81/", "http://org:81/"),
        ),
        ("subdomains", "http://[::1]/", ("http://[::1]/a",), ("http://[::2]/",)),
        ("subdomains", "http://10.0.0.1/", ("http://10.0.0.1/a",), ("http://1.10.0.0/",)),
        ("any", "http://x.org/", ("https://y.net:81/z", "http://[::1]/"), ()),
    ],
)  # fmt: skip
def test_the_scope_words(word, start, inside, outside):
    scope = Scope([start], scope=word)
    for href in inside:
        assert scope.is_inside(href), href
        assert scope.refuse(href, 0, {}) == ""
    for href in outside:
        assert not scope.is_inside(href), href
        assert scope.refuse(href, 0, {}) == "scope"


@pytest.mark.parametrize("word", ["host", "path", "subdomains"])
def test_several_starts_are_a_union_and_redirects_add_to_it(word):
    scope = Scope(["http://x.org/a/", "https://y.org:81/b/c"], scope=word)
    assert scope.is_inside("http://x.org/a/z")
    assert scope.is_inside("https://y.org:81/b/z")
    assert not scope.is_inside("https://www.z.net/d/e")
    scope.admit("https://www.z.net/d/")
    assert scope.is_inside("https://www.z.net/d/e")
    assert scope.is_inside("https://www.z.net/e") == (word != "path")
    assert scope.is_inside("https://a.www.z.net/d/") == (word == "subdomains")
    assert scope.is_inside("http://x.org/a/z")


def test_an_unknown_word_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean subdomains"):
        Scope(["http://x.org/"], scope="subdomain")
    with pytest.raises(UsageError, match=r"give host, path, subdomains or any") as caught:
        Scope(["http://x.org/"], scope="zzz")
    assert "--scope 'zzz'" in str(caught.value)


@pytest.mark.parametrize(
    ("include", "exclude", "href", "reason"),
    [
        ([], [r"\.pdf$"], "http://x.org/a.pdf", "excluded"),
        ([], [r"\.pdf$"], "http://x.org/a.pdf?b", ""),
        ([], ["a", r"\bedit\b"], "http://x.org/?t=B&edit", "excluded"),
        (["/docs/"], [], "http://x.org/docs/1", ""),
        (["/docs/"], [], "http://x.org/blog/1", "excluded"),
        (["/docs/", "^https:"], [], "https://x.org/blog/1", ""),
        (["/docs/"], ["draft"], "http://x.org/docs/draft", "excluded"),
        (["x.org"], ["y.org"], "http://y.org/", "scope"),
    ],
)
def test_patterns_are_searched_in_the_whole_url_and_exclude_wins(include, exclude, href, reason):
    assert Scope(["http://x.org/"], include=include, exclude=exclude).refuse(href, 0, {}) == reason


@pytest.mark.parametrize("option", ["include", "exclude"])
@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("*.pdf", "nothing to repeat"),
        ("(", "missing )"),
        ("[[:alpha:]]", "nested set"),
        ("a{99999999999}", "repetition"),
    ],
)
def test_a_pattern_that_is_none_is_named_with_its_reason(option, pattern, why):
    with pytest.raises(UsageError) as caught:
        Scope(["http://x.org/"], **{option: ["fine", pattern]})
    text = str(caught.value)
    assert text.startswith(f"--{option} {pattern!r}")
    assert why in text
    assert "write" in text
    assert "\n" not in text


def test_depth_is_judged_last():
    scope = Scope(["http://x.org/"], depth=2, exclude=["no"])
    assert scope.refuse("http://x.org/a", 2, {}) == ""
    assert scope.refuse("http://x.org/a", 3, {}) == "depth"
    assert scope.refuse("http://y.org/a", 3, {}) == "scope"
    assert scope.refuse("http://x.org/no", 3, {}) == "excluded"
    assert scope.refuse("http://x.org/a/a/a/", 3, {}) == "trap-repeat"
    assert Scope(["http://x.org/"], depth=0).refuse("http://x.org/a", 1, {}) == "depth"
    assert Scope(["http://x.org/"]).refuse("http://x.org/a", 10**6, {}) == ""


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("http://x.org/a;jsessionid=1A2B.node1", "http://x.org/a"),
        ("http://x.org/a;JSESSIONID=1/b;v=2?c", "http://x.org/a/b;v=2?c"),
        ("http://x.org/a?b=1;jsessionid=2&c", "http://x.org/a?b=1&c"),
        ("http://x.org/(S(lit3py55t21z5v55vlm25s55))/page.aspx", "http://x.org/page.aspx"),
        ("http://x.org/wiki/(S(n))/", "http://x.org/wiki/(S(n))/"),
        ("http://x.org/a?PHPSESSID=1&b=2", "http://x.org/a?b=2"),
        ("http://x.org/a?b=2&phpsessid=abc&c=1", "http://x.org/a?b=2&c=1"),
        ("http://x.org/a?ASPSESSIONIDABCDEFGH=1", "http://x.org/a"),
        ("http://x.org/a?CFID=1&CFTOKEN=2&r=3", "http://x.org/a?r=3"),
        ("http://x.org/a?cftoken=2&x=1&cfid=3", "http://x.org/a?x=1"),
        ("http://x.org/a?cfid=1", "http://x.org/a?cfid=1"),
        ("http://x.org/a?cfid=1&utm_id=2", "http://x.org/a?cfid=1"),
        ("http://x.org/a?&utm_id=1&b", "http://x.org/a?&b"),
        (f"http://x.org/a?sid={HEX}", "http://x.org/a"),
        (f"http://x.org/a?s={MIXED}&b", "http://x.org/a?b"),
        (f"http://x.org/a?session_id={ID}", "http://x.org/a"),
        ("http://x.org/?s=python", "http://x.org/?s=python"),
        ("http://x.org/?s=internationalization", "http://x.org/?s=internationalization"),
        ("http://x.org/?session=spring2024semester1", "http://x.org/?session=spring2024semester1"),
        ("http://x.org/?s=state-of-the-art-2019", "http://x.org/?s=state-of-the-art-2019"),
        (f"http://x.org/?id={HEX}", f"http://x.org/?id={HEX}"),
        ("http://x.org/a?utm_source=n&utm_medium=e&id=5&fbclid=abc", "http://x.org/a?id=5"),
        ("http://x.org/a?gclid", "http://x.org/a"),
        ("http://x.org/a?_ga=1.2&mc_eid=3&yclid=4", "http://x.org/a"),
        ("http://x.org/a?", "http://x.org/a"),
        ("http://x.org/a?b=utm_source=1&utmost=2", "http://x.org/a?b=utm_source=1&utmost=2"),
        ("http://x.org/a?z=1&a=2&&b", "http://x.org/a?z=1&a=2&&b"),
        ("http://x.org/a?b=1&b=1&a=/x;y=2", "http://x.org/a?b=1&b=1&a=/x;y=2"),
    ],
)
def test_the_key_drops_session_ids_and_tracking_only(href, expected):
    assert key(href) == expected


@pytest.mark.parametrize("href", PLAIN)
def test_the_key_of_a_plain_url_is_the_url(href):
    assert key(href) == href
    if "?" not in href:
        assert key(href) is href


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("http://127.0.0.1:8000/about", "http://127.0.0.1:8000/about"),
        ("http://127.0.0.1:8000/2024/5/", "http://127.0.0.1:8000/0/0/"),
        ("http://x.org/page12a.html", "http://x.org/page0a.html"),
        (f"http://x.org/s/{HEX}/{ID}/{MIXED}/a", "http://x.org/s/0/0/0/a"),
        (f"http://x.org/s/{HEX.upper()}.html", "http://x.org/s/0.html"),
        ("http://x.org/a%20b%D0%97/1", "http://x.org/a%20b%D0%97/0"),
        ("http://x.org/cal/2031/May/friday/", "http://x.org/cal/0/0/0/"),
        ("http://x.org/cal/december-2031", "http://x.org/cal/0-0"),
        ("http://x.org/mayor/decimal/marching/1", "http://x.org/mayor/decimal/marching/0"),
        ("http://x.org/cal?year=2031&month=5", "http://x.org/cal?year&month"),
        ("http://x.org/cal?month=5&year=2031", "http://x.org/cal?month&year"),
        ("http://x.org/show?12345", "http://x.org/show?0"),
        ("http://x.org/a?", "http://x.org/a?"),
        ("http://x.org", "http://x.org"),
    ],
)
def test_the_shape_is_what_does_not_vary(href, expected):
    assert shape(href) == expected


WORDS = st.sampled_from(
    [
        *("/", "?", "&", "=", ";", "(", ")", ".", "-", "_", "%", "a", "Z", "0", "//", "http://x.org/", "é"),
        *("utm_source=", "sid=", "s=", "PHPSESSID", "cfid=1", "cftoken=2", "&cfid", ";jsessionid="),
        *(HEX, MIXED, ID, "/(S(", "))/", "lit3py55t21z5v55vlm25s55", "may", "2031", "%20"),
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS, max_size=30).map("".join)))
@example(f"http://x.org/?&sid={HEX}&&cfid=1&cftoken=2&")
@example("/;jsession;jsessionid=1ionid=2")
def test_any_text_has_a_key_a_shape_and_a_reason(text):
    for href in (text, f"http://x.org/{text}"):
        assert key(key(href)) == key(href)
        assert len(key(href)) <= len(href)
        assert isinstance(shape(href), str)
        for word in SCOPES:
            scope = Scope([href, "http://x.org/"], scope=word, depth=1, chain=1, alike=1)
            scope.accept(href)
            assert scope.refuse(href, 2, {shape(href): 1}) in REASONS


@given(st.lists(WORDS, max_size=20).map("".join))
def test_the_key_of_a_wire_url_has_its_origin(text):
    try:
        href = urls.wire(f"http://x.org/{text}")
    except Fault:
        return
    assert urls.origin(key(href)) == "http://x.org"


@pytest.mark.parametrize("href", PLAIN)
def test_a_plain_url_is_no_trap(href):
    scope = Scope(["http://x.org/"])
    ancestors = Counter(shape(one) for one in PLAIN for _ in range(CHAIN - 1))
    assert scope.refuse(href, 50, ancestors) == ""


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/a/a/a/", "trap-repeat"),
        ("/a/a/a", ""),  # another one follows, if it is a trap
        ("/a/a/b/a/", ""),
        ("/z/a/a/a/b", "trap-repeat"),
        ("/x/y/x/y/x/y/", "trap-repeat"),
        ("/x/y/x/y/x/z/", ""),
        ("/0/x/y/z/x/y/z/x/y/z/1.html?q", "trap-repeat"),
        ("/1/1/1/1/", ""),
        ("/1/a/1/a/1/a/", "trap-repeat"),
        ("/a////b", "trap-repeat"),
        ("/r?to=/a/a/a/a/", ""),
        ("/" + "/".join(map(str, range(20))), ""),
        ("/" + "/".join(map(str, range(20))) + "/", ""),
        ("/" + "/".join(map(str, range(21))), "trap-long"),
        ("/" + "a" * (traps.LONG - 13), ""),
        ("/" + "a" * (traps.LONG - 12), "trap-long"),
    ],
)
def test_repeated_directories_and_long_urls(path, reason):
    assert Scope(["http://x.org/"]).refuse(f"http://x.org{path}", 0, {}) == reason


@given(st.text("ab1/", max_size=40))
def test_repeats_are_those_of_heritrix_but_for_numbers(path):
    href = f"http://x.org/{path}"
    runs = [match[1] for match in re.finditer(r"(?=/((?:[^/]*/)+?)\1\1)", href[12:])]
    assert not traps.is_repeating(href) or runs
    if runs and not any(run.replace("/", "").isdecimal() for run in runs):
        assert traps.is_repeating(href)


LONG = 60_000


@pytest.mark.parametrize(
    "unit",
    [
        *("a/", "1a", "ab1-", "aA", "%20", "may/", "?a=1&b", "/a/b/a/c", "0123456789abcdef/"),
        *("/(S(aaaaaaaaaaaaaaaaaa", ";jsessionid", "&s=abcdef0123456789a", "s=a&", "utm_", "&cfid=1"),
    ],
)
def test_a_long_url_costs_little(unit):
    for head in ("http://x.org/", "http://x.org/?t="):
        href = (head + unit * LONG)[:LONG]
        scope = Scope(["http://x.org/"], alike=1)
        began = time.perf_counter()
        assert scope.refuse(href, 1, {"x": 1}) == "trap-long"
        key(href)
        shape(href)
        scope.accept(href)
        assert time.perf_counter() - began < 1.5


def test_a_chain_needs_a_form_that_varies():
    scope = Scope(["http://x.org/"], chain=3)
    assert scope.refuse("http://x.org/p/4", 4, {"http://x.org/p/0": 2}) == ""
    assert scope.refuse("http://x.org/p/4", 4, {"http://x.org/p/0": 3}) == "trap-chain"
    assert scope.refuse("http://x.org/q/4", 4, {"http://x.org/p/0": 3}) == ""
    assert scope.refuse("http://x.org/about", 4, {"http://x.org/about": 99}) == ""
    assert Scope(["http://x.org/"], chain=0).refuse("http://x.org/p/4", 4, {"http://x.org/p/0": 9**9}) == ""


def test_only_accept_counts():
    scope = Scope(["http://x.org/"], alike=2)
    links = [f"http://x.org/p?color={color}" for color in ("red", "blue", "red&size=1")]
    for href in links * 5:
        assert scope.refuse(href, 1, {}) == ""
    scope.accept(links[0])
    assert scope.refuse(links[1], 1, {}) == ""
    scope.accept(links[1])
    assert scope.refuse("http://x.org/p?color=blue&color=red", 1, {}) == "trap-alike"
    assert scope.refuse("http://x.org/p?color=green", 1, {}) == ""  # nobody has seen a green one
    assert scope.refuse("http://x.org/other?color=red", 1, {}) == ""
    assert scope.refuse("https://x.org/p", 1, {}) == ""


def test_what_is_counted_is_bounded(monkeypatch):
    monkeypatch.setattr(traps, "PATHS", 3)
    monkeypatch.setattr(traps, "VALUES", 5)
    alike = traps.Alike(4)
    for n in range(40):
        alike.add(f"http://x.org/{n}?a={n}")
        alike.add(f"http://x.org/0?p{n}={n}")
        alike.add(f"http://x.org/0?a={n}")
    assert len(alike._paths) == 3
    assert len(alike._seen) <= 5
    assert len(alike._names) <= 5
    assert not alike.is_full("http://x.org/39?a=39")
    assert not alike.is_full("http://x.org/0?new=1")
    assert alike.is_full("http://x.org/0?a=0&q=1")


def test_a_token_is_no_new_page_even_among_words():
    alike = traps.Alike(2)
    for n in range(30):
        alike.add(f"http://x.org/p?title=word{n}")
        alike.add(f"http://x.org/p?title=word{n}&a=1")
    assert alike.is_full("http://x.org/p?title=word1&a=1")
    assert alike.is_full(f"http://x.org/p?title={HEX}")
    assert not alike.is_full(f"http://x.org/p?id={HEX}")
    assert not alike.is_full("http://x.org/p?title=word30")


def test_a_few_words_among_tokens_do_not_make_a_list():
    alike = traps.Alike(ALIKE)
    for n in range(1_000):
        alike.add(f"http://x.org/p?t={HEX[n % 16 :]}{n}")
    for n in range(30):
        alike.add(f"http://x.org/p?t=word{n}")
    assert alike.is_full(f"http://x.org/p?t={HEX}")


def test_tokens_that_look_like_words_are_not_taken_for_them():
    dice = random.Random(5)

    def links(page):
        for n in range(5):
            yield f"http://x.org/{n}?t={''.join(dice.choices(string.ascii_letters + string.digits, k=16))}"

    pages, reasons = crawl(links, most=6_000)
    assert len(pages) == 1 + 5 * ALIKE
    assert set(reasons) == {"trap-alike"}


def crawl(links, start="http://x.org/", most=100_000, **settings):
    """Breadth first through a site that `links` makes up; (pages in order, reasons)."""
    scope = Scope([start], **settings)
    scope.accept(start)
    parents = {start: ""}
    depths = {start: 0}
    seen = {key(start)}
    reasons = Counter()
    queue, pages = deque([start]), []
    while queue:
        page = queue.popleft()
        pages.append(page)
        assert len(pages) <= most, "it does not end"
        shapes, one = Counter(), page
        while one:
            shapes[shape(one)] += 1
            one = parents[one]
        for href in links(page):
            if key(href) in seen:
                continue
            reason = scope.refuse(href, depths[page] + 1, shapes)
            if reason:
                reasons[reason] += 1
                continue
            seen.add(key(href))
            scope.accept(href)
            parents[href], depths[href] = page, depths[page] + 1
            queue.append(href)
    return pages, reasons


MONTHS = ["january", "february", "march", "april", "may", "june", "july"]
MONTHS += ["august", "september", "october", "november", "december"]


def months(form):
    """A calendar that links each month to the one before and the one after, for ever."""

    def links(page):
        found = re.search(r"\d{6}", page)
        at = int(found[0]) if found else 24_000  # in months
        for other in (at - 1, at + 1):
            yield form.format(y=other // 12, m=other % 12 + 1, name=MONTHS[other % 12], at=other)

    return links


@pytest.mark.parametrize(
    "form",
    [
        "http://x.org/cal/{y}/{m:02}/?{at:06}",
        "http://x.org/cal?year={y}&month={m}&at={at:06}",
        "http://x.org/cal/{y}/{name}/{at:06}",
        "http://x.org/events/list-{at:06}.html",
    ],
)
def test_an_endless_calendar_ends(form):
    pages, reasons = crawl(months(form), most=500)
    assert len(pages) <= 2 * (CHAIN + 1)
    assert set(reasons) == {"trap-chain"}


def test_an_endless_counter_ends():
    def links(page):
        yield f"http://x.org/page/{int(page.rpartition('/')[2] or 0) + 1}"

    pages, reasons = crawl(links)
    assert len(pages) == 1 + CHAIN
    assert reasons == {"trap-chain": 1}
    assert len(crawl(links, chain=7)[0]) == 8


TEMPLATES = ("index.html", "news.html", "shop/cart.html", "about")
SECRET = {
    "hex": lambda dice: f"{dice.getrandbits(128):032x}",
    "uuid": lambda dice: str(uuid.UUID(int=dice.getrandbits(128))),
    "base62": lambda dice: "".join(dice.choices(string.ascii_letters + string.digits, k=24)),
    "php": lambda dice: "".join(dice.choices("0123456789abcdefghijklmnopqrstuv", k=26)),
    "base64url": lambda dice: "".join(dice.choices(string.ascii_letters + string.digits + "-_", k=22)),
}


# Not in a directory: base64url, which cannot be told from words with hyphens.
@pytest.mark.parametrize(
    ("form", "kind"),
    [
        *itertools.product(("{page}?x={token}", "{page}?a=1&tok={token}&b=2"), SECRET),
        *itertools.product(("s/{token}/{page}", "{token}/{page}?b=1"), [*SECRET][:4]),
    ],
)
def test_a_site_that_gives_each_link_a_new_session_ends(kind, form):
    dice = random.Random(5)

    def links(page):
        return [f"http://x.org/{form.format(page=name, token=SECRET[kind](dice))}" for name in TEMPLATES]

    pages, reasons = crawl(links, alike=100, most=3_000)
    assert 100 * len(TEMPLATES) <= len(pages) <= 150 * len(TEMPLATES) + 1
    assert set(reasons) == {"trap-alike"}


@pytest.mark.parametrize(
    "form", ["{page}?PHPSESSID={token}", "{page};jsessionid={token}?a=1", "(S({token}))/{page}"]
)
def test_a_session_id_that_is_known_makes_no_second_page(form):
    dice = random.Random(5)

    def links(page):
        return [f"http://x.org/{form.format(page=name, token=SECRET['php'](dice))}" for name in TEMPLATES]

    pages, reasons = crawl(links)
    assert len(pages) == 1 + len(TEMPLATES)
    assert not reasons


def test_a_short_session_number_ends():
    count = itertools.count(1)
    pages, reasons = crawl(
        lambda _: [f"http://x.org/{name}?sid={next(count)}" for name in TEMPLATES], alike=100
    )
    assert len(pages) == 1 + 100 * len(TEMPLATES)
    assert set(reasons) == {"trap-alike"}


def test_facets_end():
    """A shop of one page with 6 facets of 8 values and 30 pages of results: 16 million URLs."""
    facets = {**{f"f{n}": range(8) for n in range(6)}, "page": range(30)}

    def links(page):
        chosen = dict(part.split("=") for part in page.partition("?")[2].split("&") if part)
        for name, values in facets.items():
            for value in values:
                new = {**chosen, name: value}
                yield "http://x.org/list?" + "&".join(f"{name}={new[name]}" for name in facets if name in new)

    pages, reasons = crawl(links)
    assert len(pages) <= 2 * ALIKE
    assert set(reasons) == {"trap-alike"}


def test_repeated_directories_end():
    pages, reasons = crawl(lambda page: [page + "a/", page + "index.html"] if page.endswith("/") else [])
    assert [page for page in pages if page.endswith("/")] == [
        "http://x.org/",
        "http://x.org/a/",
        "http://x.org/a/a/",
    ]
    assert set(reasons) == {"trap-repeat"}
    count = itertools.count()
    pages, reasons = crawl(lambda page: [f"{page}{next(count)}/"])
    assert len(pages) == 1 + traps.SEGMENTS
    assert set(reasons) == {"trap-long"}


def ordinary():
    """More than 5,000 URLs as honest sites have them, in a tree: {page: links}."""
    dice = random.Random(7)
    site = {"http://x.org/": []}

    def put(parent, path):
        href = f"http://x.org/{path}"
        site.setdefault(href, [])
        site[parent].append(href)
        return href

    root = "http://x.org/"
    wiki = put(root, "w/index.php?title=Special:AllPages")
    for n in range(1_500):
        page = put(
            wiki, f"w/index.php?title=Page_{n}_of_{dice.choice(['Verdun_1916', 'Rome', 'Kraftfahrzeug2000'])}"
        )
        put(page, f"{page.partition('x.org/')[2]}&action=history")
        put(page, f"w/index.php?title=Special:Login&returnto=Page_{n}") if n < 500 else None
    shop = put(root, "shop/")
    for n in range(1_100):
        put(shop, f"shop/item?id={SECRET['uuid'](dice)}")
        put(shop, f"_next/image?url=%2Fphotos%2F{n % 80}.jpg&w={16 << (n // 80 % 8)}&q=75")
        put(shop, f"media/{SECRET['hex'](dice)}.jpg")
        put(shop, f"user/johnsmithson{n}/profile")
    blog = put(root, "blog/page/1")
    for n in range(2, CHAIN):
        blog = put(blog, f"blog/page/{n}")
        put(blog, f"2024/{n % 12 + 1:02}/{n % 28 + 1:02}/post-{n}")
    docs = put(root, "3.12/library/")
    for n in range(300):
        docs = (
            put(docs, f"3.12/library/{'/'.join(f'part{i}' for i in range(n % 15))}/module{n}.html")
            if n % 15
            else put(root, f"3.12/{n}.html")
        )
    return site


def test_an_ordinary_site_loses_nothing():
    site = ordinary()
    assert len(site) > 5_000
    pages, reasons = crawl(site.__getitem__)
    assert not reasons
    assert set(pages) == set(site)
