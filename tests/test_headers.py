"""Header fields: one order for all, secrets for one origin only."""

from __future__ import annotations

import gc
import itertools
import weakref

import pytest

from fetcher import headers, logins, urls
from fetcher.errors import UsageError
from fetcher.feeds._cookies import kept
from fetcher.feeds._hops import next_hop
from fetcher.model import Options, Request, Result
from fetcher.readers import text as text_reader

SECRET = "S3CRET"
HOME = "https://www.example.org:8443/start"
ELSEWHERE = {
    "scheme down": "http://www.example.org:8443/x",
    "other port": "https://www.example.org/x",
    "other host": "https://example.net:8443/x",
    "subdomain": "https://a.www.example.org:8443/x",
    "parent domain": "https://example.org:8443/x",
    "trailing dot": "https://www.example.org.:8443/x",
}


def ask(url=HOME, options=None, **facts):
    options = options or Options()
    request = Request(url, login=logins.userinfo(url), **facts)
    urls.aim(request, urls.wire(url))
    request.origin = urls.origin(request.wire)
    request.headers = headers.sent(request, options)
    return request


def hop(request, place, options, status=302, fields=()):
    step = next_hop(
        request, Result(status=status, fields=(("Location", place), *fields), request=request), options
    )
    assert isinstance(step, Request)
    return step


def values(request, name):
    return [value for key, value in request.headers if key.lower() == name.lower()]


def test_what_everybody_sends_and_in_which_order():
    request = ask()
    assert [name for name, _ in request.headers] == ["User-Agent", "Accept", "Accept-Encoding"]
    assert values(request, "accept") == ["*/*"]
    assert values(request, "user-agent")[0].startswith("fetch/")
    assert "gzip" in values(request, "accept-encoding")[0]


def test_the_order_with_everything():
    options = Options(
        method="POST",
        data=b"a=1",
        auth="u:p",
        header=(("X-One", "1"), ("Cookie", "mine=1"), ("X-One", "2"), ("ACCEPT", "text/html")),
    )
    request = ask(options=options, method="POST", data=b"a=1", cookies=((urls.origin(HOME), "c", "1"),))
    assert request.headers[1:] == (
        ("ACCEPT", "text/html"),
        *values_pair(request, "Accept-Encoding"),
        ("Authorization", "Basic dTpw"),
        ("Cookie", "mine=1; c=1"),
        ("X-One", "1"),
        ("X-One", "2"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Length", "3"),
    )


def values_pair(request, name):
    return [(key, value) for key, value in request.headers if key == name]


def test_the_users_fields_replace_ours():
    own = (("user-agent", "me/1"), ("Accept-Encoding", "identity"), ("authorization", "Bearer x"))
    options = Options(auth="u:p", user_agent="other", header=own)
    assert ask(options=options).headers == (own[0], ("Accept", "*/*"), own[1], own[2])


def test_a_body_without_a_length_is_never_sent():
    assert values(ask(options=Options(method="POST"), method="POST"), "content-length") == ["0"]
    assert values(ask(options=Options(method="PUT", data=b""), method="PUT", data=b""), "content-length") == [
        "0"
    ]
    assert not values(ask(options=Options(method="DELETE"), method="DELETE"), "content-length")


def test_userinfo_wins_over_auth_for_its_url():
    options = Options(auth="all:1")
    assert values(ask("https://u:p@h/", options), "authorization") == ["Basic dTpw"]
    assert values(ask("https://h/", options), "authorization") == ["Basic YWxsOjE="]
    assert values(ask("https://\u00fc:%e4@h/", options), "authorization") == ["Basic w7w65A=="]


@pytest.mark.parametrize(("where", "status"), [*itertools.product(ELSEWHERE, (301, 302, 303, 307, 308))])
def test_no_secret_leaves_its_origin(where, status):
    options = Options(
        auth=f"u:{SECRET}",
        header=(
            ("X-Api-Key", SECRET),
            ("x-api-key", f"{SECRET}2"),
            ("Cookie", f"a={SECRET}"),
            ("Accept", "x/y"),
        ),
        header_for=(("https://third.example", "X-Third", SECRET),),
        user_agent="me/1",
    )
    request = ask(HOME.replace("//", f"//me:{SECRET}@"), options)
    assert sum(SECRET in value for _, value in request.headers) == 3
    assert values(request, "authorization")
    cookie = (("Set-Cookie", f"sid={SECRET}; Path=/; Domain=example.org"),)
    away = hop(request, ELSEWHERE[where], options, status, cookie)
    shown = f"{away.headers} {away.wire}"
    assert SECRET not in shown
    assert not values(away, "authorization")
    assert not values(away, "cookie")
    assert (values(away, "user-agent"), values(away, "accept")) == (["me/1"], ["x/y"])
    further = hop(away, "/y", options, status)
    assert SECRET not in str(further.headers)
    home = hop(further, "https://www.example.org:8443/back", options, status)
    assert len(values(home, "x-api-key")) == 2
    assert f"sid={SECRET}" in values(home, "cookie")[0]


def test_an_upgrade_to_https_is_another_origin_too():
    options = Options(auth=f"u:{SECRET}")
    assert not values(hop(ask("http://h/", options), "https://h/", options), "authorization")


def test_a_hop_on_the_same_origin_keeps_all():
    options = Options(auth="u:p", header=(("X-Api-Key", "k"),))
    request = ask(options=options)
    assert hop(request, "/other", options).headers == request.headers


def test_the_userinfo_of_a_location_is_not_used():
    options = Options()
    assert not values(
        hop(ask(options=options), "https://x:y@www.example.org:8443/", options), "authorization"
    )


def test_header_for_goes_to_its_origin_only():
    options = Options(
        header=(("X-Api-Key", "own"),), header_for=(("HTTPS://Api.example:443/", "X-Api-Key", "theirs"),)
    )
    headers.check(options)
    assert options.header_for == (("https://api.example", "X-Api-Key", "theirs"),)
    request = ask(options=options)
    assert values(request, "x-api-key") == ["own"]
    assert values(hop(request, "https://api.example/v1", options), "x-api-key") == ["theirs"]
    assert not values(hop(request, "http://api.example/v1", options), "x-api-key")
    assert not values(hop(request, "https://api.example:444/v1", options), "x-api-key")


def test_the_fields_of_a_request_go_to_its_own_origin_only():
    options = Options(header=(("X-Api-Key", "run"), ("X-Run", "1")))
    own = (("X-Api-Key", SECRET), ("Accept", "a/b"))
    request = ask(options=options, own=own)
    assert values(request, "x-api-key") == [SECRET]
    assert (values(request, "x-run"), values(request, "accept")) == (["1"], ["a/b"])
    assert values(hop(request, "/other", options), "x-api-key") == [SECRET]
    for place in ELSEWHERE.values():
        away = hop(request, place, options)
        assert SECRET not in str(away.headers)
        assert values(away, "accept") == ["a/b"], "it is no secret and travels"


def test_the_type_of_a_dropped_body_is_dropped_with_it():
    request = ask(method="POST", data=b"{}", own=(("Content-Type", "application/json"), ("X", "y")))
    assert values(request, "content-type") == ["application/json"]
    then = hop(request, "/other", Options(), 303)
    assert (values(then, "content-type"), values(then, "x")) == ([], ["y"])


def test_no_run_outlives_its_options():
    options = Options(auth=f"u:{SECRET}", data=SECRET.encode())
    watched = weakref.ref(options)
    for _ in range(2):
        ask(options=options)
    del options
    gc.collect()
    assert watched() is None


def test_other_options_of_the_same_process_do_not_mix():
    runs = [Options(user_agent=f"agent/{n}") for n in range(30)]
    for _ in range(2):
        for n, options in enumerate(runs):
            assert values(ask(options=options), "user-agent") == [f"agent/{n}"]


@pytest.mark.parametrize(
    "options",
    [
        Options(header=(("Host", "x"),)),
        Options(header=(("content-length", "1"),)),
        Options(header=(("Transfer-Encoding", "chunked"),)),
        Options(header=(("Connection", "close"),)),
        Options(header=(("Proxy-Authorization", "Basic x"),)),
        Options(header=(("a b", "x"),)),
        Options(header=(("", "x"),)),
        Options(header=(("X\r\nY", "x"),)),
        Options(header=(("X", "a\r\nY: b"),)),
        Options(header=(("X", "a\nb"),)),
        Options(header=(("X", "a\x00b"),)),
        Options(header=(("X", "\u30c4"),)),
        Options(header_for=(("nowhere at all", "X", "y"),)),
        Options(header_for=(("https://h/path", "X", "y"),)),
        Options(header_for=(("https://h", "Host", "y"),)),
        Options(auth="no colon"),
        Options(auth="u:p\r\n"),
        Options(method="GE T"),
        Options(method=""),
        Options(method="GET / HTTP/1.1\r\nX: y"),
        Options(method="CONNECT"),
        Options(user_agent="a\r\nb"),
        Options(user_agent="\u30c4"),
        Options(header_for=(("https://h", "X", "\u20ac"),)),
        Options(header=(("X", "\udcff"),)),
        Options(header=(("X", 5),)),
        Options(method=None),
    ],
)
def test_check_refuses(options):
    with pytest.raises(UsageError) as caught:
        headers.check(options)
    assert "\n" not in str(caught.value)


def test_check_passes_and_upper_cases_the_method():
    options = Options(
        method="patch", auth="u:p:q", header=(("X-\u0041", "\xe9 \t~"),), user_agent="me/1 (+http://h)"
    )
    headers.check(options)
    assert options.method == "PATCH"


def test_a_refusal_shows_no_password():
    with pytest.raises(UsageError) as caught:
        headers.check(Options(header_for=((f"https://u:{SECRET}@h/x", "X", "y"),)))
    assert SECRET not in str(caught.value)


def jar(request, *lines):
    return kept(request, Result(status=200, fields=tuple(("Set-Cookie", line) for line in lines)))


def test_cookies_are_host_only_and_end():
    request = ask("https://h/")
    site = "https://h"
    assert jar(request) is request.cookies
    assert jar(request, "a=1; Path=/deep; HttpOnly", "b = 2 ", "c=") == (
        (site, "a", "1"),
        (site, "b", "2"),
        (site, "c", ""),
    )
    request.cookies = ((site, "a", "1"), ("https://other", "a", "3"))
    assert jar(request, "a=2") == ((site, "a", "2"), ("https://other", "a", "3"))
    for gone in (
        "a=; Max-Age=0",
        "a=; max-age=-1",
        "a=x; Expires=Thu, 01-Jan-1970 00:00:00 GMT",
        "a=x; Max-Age=00",
    ):
        assert jar(request, gone) == (("https://other", "a", "3"),)
    alive = "a=9; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    assert jar(request, alive)[0] == (site, "a", "9")
    assert jar(request, "a=8; Expires=junk")[0] == (site, "a", "8")
    for junk in ("", "novalue", "=x", "a b=1", "x=a\x01", ";"):
        jar(request, junk)


def test_secure_cookies_want_https():
    assert jar(ask("http://h/"), "a=1; Secure", "b=1") == (("http://h", "b", "1"),)
    assert jar(ask("https://h/"), "a=1; secure") == (("https://h", "a", "1"),)


def test_cookies_are_capped():
    request = ask("https://h/")
    assert len(jar(request, *(f"c{n}=1" for n in range(500)))) == 50
    now = jar(request, "small=1", *(f"c{n}={'x' * 3000}" for n in range(10)), "small=" + "y" * 9000)
    assert sum(len(name) + len(value) + 3 for _, name, value in now) <= 8 * 1024
    assert now[0] == ("https://h", "small", "1")


def test_the_text_reader_keeps_the_beginning():
    reader = text_reader.reader(Request("x"), Options())
    for _ in range(600):
        reader.feed(b"x" * 1023)
    result = Result(found={"links": []})
    reader.done(result)
    assert result.found == {"links": [], "text": b"x" * 512 * 1024}
    reader.drop()
