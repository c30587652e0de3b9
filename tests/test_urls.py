"""URLs: the WHATWG corpus, slicing, masking, and where redirects lead."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import ada_url
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fetcher import logins, urls
from fetcher.errors import Fault
from fetcher.feeds._hops import next_hop
from fetcher.model import Options, Request, Result


def corpus(name):
    folder = os.environ.get("FETCH_CORPORA")
    if not folder:
        pytest.skip("FETCH_CORPORA is not set: URL corpora")
    return json.loads(Path(folder, "url", name).read_text(encoding="utf-8"))


def expected(case):
    """The href of a case without fragment and userinfo, spelled out from its parts."""
    bare = case["href"].partition("#")[0]
    query = case["search"] or ("?" if bare.endswith("?") else "")
    return f"{case['protocol']}//{case['host']}{case['pathname']}{query}"


def kind(call, *args):
    with pytest.raises(Fault) as caught:
        call(*args)
    return caught.value.kind


def odd_host(case):
    """Labels that WHATWG leaves alone and DNS cannot have: `wire` refuses them."""
    host = case["hostname"].removesuffix(".")
    return not host.startswith("[") and (len(host) > 253 or any(not 0 < len(x) < 64 for x in host.split(".")))


def web(case):
    return isinstance(case, dict) and case.get("protocol", "") in ("http:", "https:")


def test_every_absolute_http_url_of_whatwg_is_read_as_whatwg_says():
    done = 0
    for case in corpus("urltestdata.json"):
        if not web(case) or case["base"] is not None or odd_host(case):
            continue
        if urls.CONTROLS.search(case["input"].strip(urls.BLANKS)):
            assert kind(urls.wire, case["input"]) == "invalid_url"
        else:
            assert urls.wire(case["input"]) == expected(case), case
        done += 1
    assert done > 100


def test_every_http_url_of_whatwg_with_a_base_is_joined_as_whatwg_says():
    done = 0
    for case in corpus("urltestdata.json"):
        if web(case) and case["base"] is not None and not odd_host(case):
            assert urls.join(case["base"], case["input"]) == expected(case), case
            done += 1
    assert done > 100


def test_every_bad_http_url_of_whatwg_is_refused():
    done = 0
    for case in corpus("urltestdata.json"):
        if not isinstance(case, dict) or not case.get("failure"):
            continue
        if case["base"] is None and case["input"].lower().startswith(("http:", "https:")):
            assert kind(urls.wire, case["input"]) == "invalid_url"
            done += 1
        elif case["base"] is not None:
            assert kind(urls.join, case["base"], case["input"]) == "invalid_url"
            done += 1
    assert done > 150


def test_rfc_3986_examples_but_for_the_two_where_whatwg_differs():
    cases = corpus("rfc3986_5_4.json")
    differing = []
    for reference, target in [*cases["normal"], *cases["abnormal"]]:
        if not target.startswith("http://"):
            continue
        want = target.partition("#")[0]
        want = want + "/" if want == "http://g" else want
        if urls.join(cases["base"], reference) != want:
            differing.append(reference)
    assert set(differing) <= {"http:g"}


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("example.org", "http://example.org/"),
        ("  example.org:8080/a b \r\n", "http://example.org:8080/a%20b"),
        ("//example.org/x", "http://example.org/x"),
        ("HTTPS://EXAMPLE.org:443/%7e?", "https://example.org/%7e?"),
        ("https://u:p@h/x#frag", "https://h/x"),
        ("u:p@h:81/x", "http://h:81/x"),
        ("example.org/?to=https://other/", "http://example.org/?to=https://other/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("[::1]:8000/x", "http://[::1]:8000/x"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ("http://a.example./", "http://a.example./"),
        ("localhost:0", "http://localhost:0/"),
        ("https://h/?sig=a%2Fb%2fc+d|e{}", "https://h/?sig=a%2Fb%2fc+d|e{}"),
        ("http://h/a?b@c#d?e", "http://h/a?b@c"),
    ],
)
def test_wire(text, wire):
    assert urls.wire(text) == wire
    assert urls.wire(wire) == wire


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "invalid_url"),
        (" \t", "invalid_url"),
        ("http://", "invalid_url"),
        ("http://a..b/", "invalid_url"),
        ("http://.a/", "invalid_url"),
        ("http://a../", "invalid_url"),
        ("http://./", "invalid_url"),
        (f"http://{'a' * 64}.org/", "invalid_url"),
        (f"http://{'.'.join(['a' * 60] * 5)}/", "invalid_url"),
        ("http://h:65536/", "invalid_url"),
        ("http://h:x/", "invalid_url"),
        ("http://[::1/", "invalid_url"),
        ("http://[fe80::1%25eth0]/", "invalid_url"),
        ("http://a b/", "invalid_url"),
        ("http://h/a\tb", "invalid_url"),
        ("http://h/\r\nX: y", "invalid_url"),
        ("http://h/\x00", "invalid_url"),
        ("http://h/\x7f", "invalid_url"),
        ("http://h/\udcff", "invalid_url"),
        ("http://xn--\x80/", "invalid_url"),
        ("://x", "invalid_url"),
        ("http://h/" + "x" * 70_000, "invalid_url"),
        ("ftp://h/", "unsupported_scheme"),
        ("FILE:///etc/passwd", "unsupported_scheme"),
        ("gopher://h/", "unsupported_scheme"),
        ("mailto:a@example.org", "unsupported_scheme"),
        ("javascript:alert(1)", "unsupported_scheme"),
        ("data:text/html,x", "unsupported_scheme"),
    ],
)
def test_refused(text, error):
    assert kind(urls.wire, text) == error


@pytest.mark.parametrize("host", ["\u30fb" * 20_000, "\u00fc" * 60_000, "%C3%BC" * 9_000, "a" * 60_000])
def test_a_long_host_is_refused_before_idna_could_take_long(host):
    began = time.monotonic()
    assert kind(urls.wire, f"http://{host}/") == "invalid_url"
    assert kind(urls.join, "http://h/", f"//{host}/") == "invalid_url"
    assert time.monotonic() - began < 1.1


PIECES = st.sampled_from(
    [
        *(
            "http://",
            "https://",
            "http:/",
            "HTTP://",
            "a",
            "Z",
            "example",
            "xn--",
            "xn--a",
            "1",
            "0",
            "01",
            "0x1",
        ),
        *(
            "127.0.0.1",
            "255",
            "256",
            "1.2.3",
            ".",
            "..",
            "-",
            "_",
            "~",
            "/",
            "//",
            "/.",
            "/..",
            "/%2e",
            "/%2E.",
        ),
        *(
            "%41",
            "%",
            "%zz",
            ":80",
            ":443",
            ":8080",
            ":65535",
            ":65536",
            ":080",
            ":",
            "?",
            "&x=1",
            "'",
            "^",
            "|",
        ),
        *(
            "{",
            "`",
            "#f",
            "@",
            "!$()*+,;=",
            " ",
            "\u00e9",
            "\u3002",
            "\u200d",
            "\\",
            "[::1]",
            "a" * 62,
            "[",
            '"',
        ),
    ]
)


@given(
    st.lists(PIECES, max_size=9).map("".join), st.sampled_from(["", "http://", "https://h/", "http://a.b"])
)
@example("//127.0.0.1./", "http:")
@example("//1.2.3.4:80/", "https:")
def test_a_text_that_is_spared_the_parser_would_come_out_of_it_unchanged(text, start):
    text = start + text
    if urls.PLAIN(text):
        assert urls._bare(ada_url.normalize_url(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://example.org/",
        "https://a.b.example:8443/a/b.html?x=1&y=/?",
        "http://127.0.0.1:8080/f.bin?12345",
        "http://localhost:59999/~me//x%20y;z=1",
        "https://x/",
    ],
)
def test_a_plain_url_is_spared_the_parser(text):
    assert urls.PLAIN(text)
    assert urls.wire(text) == ada_url.normalize_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://Example.org/",
        "http://example.org",
        "http://h/a/../b",
        "http://h/%2e%2E/b",
        "http://h/.x",
        "http://h:80/",
        "https://h:443/",
        "http://h:080/",
        "http://h:65536/",
        "http://1.2.3/",
        "http://256.1.1.1/",
        "http://01.2.3.4/",
        "http://0x7f.1/",
        "http://a.1/",
        "http://xn--a/",
        "http://a.xn--a.b/",
        "http://h/#",
        "http://u@h/",
        "http://h/'",
        "http://h/\u00e9",
        "http://h/ ",
        "http://h\\x",
        "ftp://h/",
        "http://1.2.3.4./",
        "http://h./",
        "http://.h/",
        f"http://{'a' * 64}/",
        f"http://h/{'a' * 253}",
    ],
)
def test_what_is_not_plain_goes_through_the_parser(text):
    assert not urls.PLAIN(text) or len(text) > urls.HOST


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_a_fault_and_the_wire_form_is_a_fixed_point(text):
    logins.mask(text)
    logins.userinfo(text)
    try:
        href = urls.wire(text)
    except Fault:
        assert kind(urls.wire, text) in ("invalid_url", "unsupported_scheme")
        return
    assert urls.wire(href) == href == ada_url.normalize_url(href)
    assert href.isascii()
    assert "@" not in urls.origin(href)
    assert "#" not in href


@pytest.mark.parametrize(
    ("href", "parts"),
    [
        ("http://h/", ("http", "h", "/", "h:80")),
        ("https://h/a/b?c=/d", ("https", "h", "/a/b?c=/d", "h:443")),
        ("https://h:8443/?", ("https", "h:8443", "/?", "h:8443")),
        ("http://[::1]/x", ("http", "[::1]", "/x", "[::1]:80")),
        ("https://[::1]:99/", ("https", "[::1]:99", "/", "[::1]:99")),
    ],
)
def test_aim_slices(href, parts):
    request = Request("x")
    urls.aim(request, href)
    assert request.wire == href
    assert (request.scheme, request.authority, request.target, request.host) == parts
    assert urls.origin(href) == f"{parts[0]}://{parts[1]}"


@given(
    st.text("abc.:@/?#\\ %\t", max_size=12),
    st.sampled_from(
        ["http://", "https://", "http:\\\\", "http:/", "//", "", "ftp://", "ht\ntp://", " http://"]
    ),
    st.sampled_from(["h", "h/p@q", "h?x@y", "h:99999", "", "a..b", "[::1]"]),
)
def test_mask_never_lets_a_password_through(noise, scheme, rest):
    text = f"{scheme}{noise}:S3CRET@{rest}"
    if "S3CRET" in logins.mask(text):  # in path, query or fragment of a URL: no password
        assert urls.wire(text)
        assert "S3CRET" not in logins.userinfo(text)


@pytest.mark.parametrize(
    ("text", "shown", "login"),
    [
        ("http://u:p@h/x", "http://***@h/x", "u:p"),
        ("u:p@h", "***@h", "u:p"),
        ("http://u:p%40%3A@h/", "http://***@h/", "u:p@:"),
        ("http://u@h/", "http://***@h/", "u:"),
        ("http://:p@h/", "http://***@h/", ":p"),
        ("http://h/a@b", "http://h/a@b", ""),
        ("http://h/?mail=a@b", "http://h/?mail=a@b", ""),
        ("http://u:p@h:99999/", "http://***@h:99999/", ""),
        ("http://u:p/q@h/", "http://***@h/", ""),
        ("ftp://u:p@h/", "ftp://***@h/", ""),
        ("http:\\\\u:p@h", "http:\\\\***@h", "u:p"),
        ("no at all", "no at all", ""),
        ("mailto:joe@example.com", "mailto:joe@example.com", ""),
        (" MailTo:joe@example.com", " MailTo:joe@example.com", ""),
        ("mailto:80@h", "***@h", "mailto:80"),
        ("joe@example.com", "joe@example.com", "joe:"),
        ("//joe@h/", "//***@h/", "joe:"),
        (" //joe@h/", " //***@h/", "joe:"),
        ("http:joe@h", "http:***@h", "joe:"),
        ("mailto://u:p@h", "mailto://***@h", ""),
        ("sip:joe@h", "***@h", "sip:joe"),
    ],
)
def test_mask_and_userinfo(text, shown, login):
    assert logins.mask(text) == shown
    assert logins.userinfo(text) == login


@pytest.mark.parametrize("text", ["mailto:joe@example.com", "joe@example.com", "data:x@y"])
def test_what_is_shown_and_asked_again_leads_to_the_same(text):
    def outcome(given):
        try:
            return urls.wire(given), logins.userinfo(given)
        except Fault as fault:
            return fault.kind

    assert outcome(logins.mask(text)) == outcome(text)


def test_key_keeps_apart_what_may_differ():
    same = ["HTTP://H:80/a#x", "http://u:p@h/a", "h/a", "http://h/./a"]
    assert len({urls.key(urls.wire(text)) for text in same}) == 1
    apart = [
        "http://h/a",
        "https://h/a",
        "http://h/a/",
        "http://h/a?",
        "http://h/a?x=1&y=2",
        "http://h/a?y=2&x=1",
    ]
    assert len({urls.key(urls.wire(text)) for text in apart}) == len(apart)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:80", "127.9.9.9", "localhost:8000", "localhost", "[::1]:80", "[::1]", "::1"]
)
def test_loopback(host):
    assert urls.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["example.org:80", "127.example.org:80", "128.0.0.1", "[::2]:80", "localhost.org:1"]
)
def test_not_loopback(host):
    assert not urls.is_loopback(host)


def ask(url="http://a.example/one", **facts):
    request = Request(url, origin=urls.origin(urls.wire(url)), row=7, input="list.txt", depth=2, **facts)
    urls.aim(request, urls.wire(url))
    return request


def hop(request, *locations, status=302, fields=(), options=None):
    options = options or Options()
    all_fields = (*(("LOCATION", value) for value in locations), *fields)
    return next_hop(request, Result(status=status, fields=all_fields, request=request), options)


def test_a_hop_keeps_the_history_and_leaves_the_old_request_alone():
    request = ask(attempts=3, tries=2, began=1.5, started="then", deadline=9.0, login="u:p", referrer="r")
    request.fresh = True
    new = hop(request, "/two?x#y")
    assert new is not request
    assert new.wire == "http://a.example/two?x"
    assert new.target == "/two?x"
    assert new.hops == (("http://a.example/one", 302),)
    assert (new.attempts, new.tries, new.fresh, new.began, new.started) == (3, 0, False, 1.5, "then")
    assert (new.deadline, new.row, new.input, new.url) == (9.0, 7, "list.txt", request.url)
    assert (new.origin, new.login, new.depth, new.referrer) == ("http://a.example", "u:p", 2, "r")
    assert (request.wire, request.hops) == ("http://a.example/one", ())


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 399, 404])
def test_other_statuses_lead_nowhere(status):
    assert hop(ask(), "/two", status=status) is None


def test_without_a_location_the_redirect_is_the_answer():
    assert hop(ask()) is None
    assert hop(ask(), "") is None
    assert hop(ask(), " ") is None
    assert hop(ask(), "/two", options=Options(max_redirects=0)) is None


@pytest.mark.parametrize(
    ("location", "wire"),
    [
        ("two", "http://a.example/two"),
        ("//b.example", "http://b.example/"),
        ("https://a.example/one", "https://a.example/one"),
        ("?q", "http://a.example/one?q"),
        ("/caf\xc3\xa9", "http://a.example/caf%C3%A9"),  # the bytes of UTF-8, as Latin-1
        ("/caf\xe9", "http://a.example/caf%E9"),
        ("http://b\xc3\xbccher.example/", "http://xn--bcher-kva.example/"),
        ("http://u:p@b.example/", "http://b.example/"),
        ("/" + "x" * 9_000, "http://a.example/" + "x" * 9_000),
    ],
)
def test_location(location, wire):
    assert hop(ask(), location).wire == wire


@pytest.mark.parametrize(
    "location",
    ["//", "http://[::1", "http://h:99999/", f"http://{'a' * 64}/", "http://a..b/", "http://", "http://a b/"],
)
def test_a_bad_location_is_a_bad_redirect(location):
    assert hop(ask(), location).kind == "bad_redirect"


def test_two_locations_may_only_be_equal():
    assert hop(ask(), "/two", "/two").wire == "http://a.example/two"
    assert hop(ask(), "/two", "/three").kind == "bad_redirect"
    assert hop(ask(), "/two", "").kind == "bad_redirect"


@pytest.mark.parametrize(
    "scheme", ["file:///etc/passwd", "ftp://h/", "data:,x", "javascript:1", "gopher://h/", "mailto:a@b"]
)
def test_other_schemes_are_blocked(scheme):
    assert hop(ask(), scheme).kind == "redirect_blocked"


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("GET", 301, "GET"),
        ("HEAD", 303, "HEAD"),
        ("HEAD", 302, "HEAD"),
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("PUT", 303, "GET"),
        ("DELETE", 302, "DELETE"),
        ("POST", 307, "POST"),
        ("PUT", 308, "PUT"),
    ],
)
def test_method_and_body(method, status, then):
    data = None if method in ("GET", "HEAD", "DELETE") else b"a=1"
    options = Options(method=method, data=data, header=(("Content-Type", "text/x"),))
    new = hop(ask(method=method, data=data), "/two", status=status, options=options)
    assert new.method == then
    assert new.data == (data if then == method else None)
    names = [name for name, _ in new.headers]
    assert ("Content-Length" in names) == (new.data is not None)
    if data is not None:
        assert ("Content-Type" in names) == (new.data is not None)


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("place", ["https://a.example/", "http://b.example/", "http://a.example:81/"])
def test_a_body_goes_to_no_other_origin(status, place):
    assert hop(ask(method="POST", data=b"x"), place, status=status).kind == "redirect_blocked"
    assert isinstance(hop(ask(method="GET"), place, status=status), Request)


def follow(start, answers, options):
    """Play a site (path -> (status, location, fields)) and say how it ends."""
    request = start
    for asked in range(50):
        status, location, fields = answers(request)
        step = hop(request, location, status=status, fields=fields, options=options) if location else None
        if not isinstance(step, Request):
            return asked + 1, step
        request = step
    raise AssertionError("no end")


def test_loops_are_found_at_once():
    options = Options()
    assert follow(ask(), lambda _: (302, "/one", ()), options)[0] == 1
    asked, fault = follow(ask(), lambda r: (302, "/two" if r.target == "/one" else "/one", ()), options)
    assert (asked, fault.kind) == (2, "redirect_loop")


def test_endless_chains_end():
    asked, fault = follow(ask(), lambda r: (302, f"{r.target}x", ()), Options(max_redirects=4))
    assert (asked, fault.kind) == (5, "too_many_redirects")


def test_a_page_may_set_a_cookie_and_redirect_to_itself():
    def site(request):
        if any(name == "Cookie" for name, _ in request.headers):
            return 200, "", ()
        return 302, "/one", (("Set-Cookie", "seen=1"),)

    assert follow(ask(), site, Options()) == (2, None)
    asked, fault = follow(ask(), lambda _: (302, "/one", (("Set-Cookie", "seen=1"),)), Options())
    assert (asked, fault.kind) == (2, "redirect_loop")


def test_a_detour_through_another_page_may_set_the_cookie():
    def site(request):
        if any(name == "Cookie" for name, _ in request.headers):
            return 200, "", ()
        return (302, "/two", ()) if request.target == "/one" else (302, "/one", (("Set-Cookie", "c=1"),))

    assert follow(ask(), site, Options()) == (3, None)


def test_a_post_may_lead_to_a_get_of_the_same_page():
    options = Options(method="POST", data=b"x")
    start = ask(method="POST", data=b"x")
    assert follow(start, lambda r: (303, "/one", ()) if r.method == "POST" else (200, "", ()), options) == (
        2,
        None,
    )
    assert follow(start, lambda _: (303, "/one", ()), options)[1].kind == "redirect_loop"


def test_a_post_that_is_not_the_methods_of_the_options_may_lead_to_itself():
    start = ask(method="POST", data=b"x")
    site = lambda r: (303, "/one", ()) if r.method == "POST" else (200, "", ())  # noqa: E731
    assert follow(start, site, Options()) == (2, None)


def test_each_new_state_of_the_cookies_may_come_back_once():
    def counting(request):
        if (seen := len(request.asked)) == 4:
            return 200, "", ()
        return 302, "/one", (("Set-Cookie", f"visits={seen}"),)

    assert follow(ask(), counting, Options()) == (5, None)

    def elsewhere(request):  # a cookie that this page never gets is no new state
        place = "http://a.example/one" if request.authority == "b.example" else "http://b.example/"
        return 302, place, (("Set-Cookie", f"n={len(request.asked)}"),) * (request.authority == "b.example")

    asked, fault = follow(ask(), elsewhere, Options())
    assert (asked, fault.kind) == (2, "redirect_loop")

    def flipping(request):
        return 302, "/one", (("Set-Cookie", f"side={len(request.asked) % 2}"),)

    asked, fault = follow(ask(), flipping, Options())
    assert (asked, fault.kind) == (3, "redirect_loop")


@pytest.mark.parametrize("place", ["http://evil.example/?u:PASS@x", "ftp://u:PASS@h/", "http://u:PASS@[::1"])
def test_messages_show_no_password(place):
    step = hop(ask(), place)
    assert not isinstance(step, Fault) or "PASS" not in step.message
