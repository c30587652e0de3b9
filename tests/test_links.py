"""What is found in pages and style sheets: places of links, encodings, soup, and pages made to hurt."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from fetcher import charset, links, markup, styles, urls
from fetcher.errors import Fault
from fetcher.model import Options, Request, Result
from fetcher.readers import links as reading

BASE = "http://h.test/d/p.html?q"
MEGABYTE = 1 << 20


def found(
    text: str | bytes, content_type: str | None = "text/html; charset=utf-8", base: str = BASE
) -> links.Found:
    return links.html(text if isinstance(text, bytes) else text.encode(), base, content_type)


def shown(one: links.Found) -> list[str]:
    """Each link as `kind URL#fragment`, the host left out."""
    return [
        f"{kind} {url.removeprefix('http://h.test')}" + (f"#{fragment}" if fragment else "")
        for url, fragment, kind in one.links
    ]


PLACES = [
    ("<a href=x>", ["page /d/x"]),
    ("<A HREF='x' title=t>", ["page /d/x"]),
    ("<a href=''>", ["page /d/p.html?q"]),
    ("<a href>", ["page /d/p.html?q"]),
    ("<a href='#x'>", ["page /d/p.html?q#x"]),
    ('<a class="c" href="#x" id="i">', ["page /d/p.html?q#x"]),
    ("<a title=t>", []),
    ("<area href=x>", ["page /d/x"]),
    ("<iframe src=x><a href=y></iframe>", ["page /d/x"]),
    ("<frameset><frame src=x></frameset>", ["page /d/x"]),
    ("<img src=x srcset='y 1x, z 2x'>", ["asset /d/x", "variant /d/y", "variant /d/z"]),
    ("<image src=x>", ["asset /d/x"]),
    ("<picture><source srcset=x src=y></picture>", ["asset /d/y", "variant /d/x"]),
    ("<video src=x poster=y><track src=z></video>", ["asset /d/x", "asset /d/y", "asset /d/z"]),
    ("<audio src=x></audio><embed src=y><object data=z>", ["asset /d/x", "asset /d/y", "asset /d/z"]),
    ("<input type=IMAGE src=x><input src=y>", ["asset /d/x"]),
    ("<script src=x>'<a href=y>'</script>", ["asset /d/x"]),
    ("<script><!-- <script> </script> <a href=x> --></script><a href=y>", ["page /d/y"]),
    ("<script><!--></script><a href=y>", ["page /d/y"]),
    ("<form action=x>", ["form /d/x"]),
    ("<form>", []),
    ("<button formaction=x><input formaction=y>", ["form /d/x", "form /d/y"]),
    ("<body background=x><td background=y>", ["asset /d/x", "asset /d/y"]),
    ("<svg><a xlink:href=x /><a href=y /></svg>", ["page /d/x", "page /d/y"]),
    (
        "<svg><image xlink:href=x /><use href='s.svg#i'/><use href='#i'/></svg>",
        ["asset /d/x", "asset /d/s.svg#i"],
    ),
    ("<svg><script href=x /><style/><title/><a href=y /></svg>", ["asset /d/x", "page /d/y"]),
    ("<svg><![CDATA[<a href=x>]]><a href=y></svg>", ["page /d/y"]),
    ("<p style='background: url(x)'>", ["asset /d/x"]),
    ('<p style="background: url(&quot;x&quot;)">', ["asset /d/x"]),
    ("<style>@import 'x'; a { b: url(y) }</style>", ["asset /d/x", "asset /d/y"]),
    ("<noscript><img src=x></noscript>", ["asset /d/x"]),
    ("<template><a href=x><p id=i><img src=y></template><a href=z>", ["page /d/z"]),
    ("<template><template></template><a href=x></template><a href=z>", ["page /d/z"]),
    ("<!-- <a href=x> --><!--><a href=y><!--- ><a href=z> --!><a href=w>", ["page /d/y", "page /d/w"]),
    ("<textarea><a href=x></textarea><title><a href=x></title><xmp><a href=x></xmp>", []),
    ("<plaintext><a href=x>", []),
    ("</p title='<a href=x>'><p title='<a href=x>'></ <a href=x><? <a href=x><! <a href=x>", []),
    ("<a href=x", []),
    ('<a href="x><a href=y>', []),
    ("<a data-href=x><div data-src=y><q cite=z><html manifest=m>", []),
    ("<a href=x><a href=x><a href='./x'><a href=y#f><a href=x>", ["page /d/x", "page /d/y#f"]),
    ("<a href=x><img src=x>", ["page /d/x", "asset /d/x"]),
    ("<a href=x href=y HREF=z>", ["page /d/x"]),
    ("<a href='x'title=t/ /href=y>", ["page /d/x"]),
    ("<a href=x/>", ["page /d/x/"]),
    ("<a\nhref\t=\f'x'>", ["page /d/x"]),
    ("<a href=' \n x y \t'>", ["page /d/x%20y"]),
    ("<a href='x\ny\tz'>", ["page /d/xyz"]),
    ("<a href='x #f'>", ["page /d/x%20#f"]),
    ("<a href='x#f%C3%A9%20g'><a href='x#a:~:text=b'>", ["page /d/x#fé g", "page /d/x#a"]),
    ("<a href='?a=1&amp;b=2&copy=3&lt&copy;&#x41;'>", ["page /d/p.html?a=1&b=2&copy=3%3C%C2%A9A"]),
    (
        "<a href='&#0;&#xD800;&#99999999999999999999;&nothing;&#;&'>",
        ["page /d/%EF%BF%BD%EF%BF%BD%EF%BF%BD&nothing;&#;&"],
    ),
    ("<a href='mailto:a@b'><a href='JavaScript:x'><a href='data:,x'><a href='tel:1'><a href='http://['>", []),
    ("<a href='ftp://h/x'><a href='file:///x'><a href='//[::1'><a href='about:blank'>", []),
    (
        "<a href='//o.test/x'><a href='http:x'><a href='https:x'>",
        ["page http://o.test/x", "page /d/x", "page https://x/"],
    ),
    ("<a href='http://u:p@o.test:80/x'>", ["page http://o.test/x"]),
    ("<base href='/e/'><a href=x>", ["page /e/x"]),
    ("<a href=x><base target=t><base href='http://o.test/e/'><base href=/f/>", ["page http://o.test/e/x"]),
    ("<base href='javascript:x'><a href=x>", ["page /d/x"]),
    ("<base href='/e/f?g'><a href='#x'><a href=''>", ["page /e/f?g#x", "page /e/f?g"]),
    ("<link rel=stylesheet href=x><link rel='shortcut ICON' href=y>", ["asset /d/x", "asset /d/y"]),
    (
        "<link rel='alternate stylesheet' href=x><link rel=preload imagesrcset='y 1x'>",
        ["asset /d/x", "variant /d/y"],
    ),
    (
        "<link rel=next href=x><link rel=canonical href=y><link rel=alternate href=z>",
        ["page /d/x", "page /d/y", "page /d/z"],
    ),
    ("<link rel=preconnect href=x><link rel='dns-prefetch' href=y><link href=z><link rel='' href=w>", []),
    ("<meta http-equiv=refresh content='5; url=x'>", ["page /d/x"]),
    ("<meta http-equiv=Refresh content=' 0.5 , URL = \"x\" y'>", ["page /d/x"]),
    (
        "<meta http-equiv=refresh content='0;x'><meta http-equiv=refresh content='.5 y'>",
        ["page /d/x", "page /d/y"],
    ),
    (
        "<meta http-equiv=refresh content=5><meta http-equiv=refresh content=x>",
        [],
    ),
    ("<meta http-equiv=refresh content=5x>", []),
    ("<meta property=og:image content=x>", []),
]


@pytest.mark.parametrize(("text", "expected"), PLACES)
def test_where_links_stand(text: str, expected: list[str]) -> None:
    assert shown(found(text)) == expected


SRCSETS = [
    ("x", ["x"]),
    (" , x ,", ["x"]),
    ("x 1x, y 2x", ["x", "y"]),
    ("x,y 1x", ["x,y"]),
    ("x, y", ["x", "y"]),
    ("x 1x,y 2x", ["x", "y"]),
    ("x (a,b) 1x, y", ["x", "y"]),
    ("x (a, y", ["x"]),
    ("data:,a 1x, /c,d/e.png?w=1,2 100w 20h", ["data:,a", "/c,d/e.png?w=1,2"]),
    (",,,", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "expected"), SRCSETS)
def test_srcset(text: str, expected: list[str]) -> None:
    assert list(markup.candidates(text)) == expected


STYLES = [
    ("a { b: url(x) url( 'y' ) URL(\"z\") }", ["x", "y", "z"]),
    ("@import 'x'; @import \"y\" screen; @import url(z); @IMPORT/**/ /**/'w';", ["x", "y", "z", "w"]),
    ("/* url(x) @import 'y' */ url(z) /* url(", ["z"]),
    ("a { content: 'url(x)' \"@import 'y'\" }", []),
    ("a { content: '\\'url(x)' }", []),
    ("url(a\\26 b\\)c)", ["a&b)c"]),
    ("url('a\\\nb\\0\\110000\\d800')", ["ab\ufffd\ufffd\ufffd"]),
    ("url(a b) url(a'b) url(c(d) url(e)", ["e"]),
    ("url(a b", []),
    ("myurl(x) my-url(y)", []),
    ("url('x\n') url(y)", []),
    ("url(x", ["x"]),
    ("url('x", ["x"]),
    ("@import 'x", ["x"]),
    ("url()", []),
    ("@font-face{src:url(x.eot?#iefix)format('eot'),url(y)}", ["x.eot?#iefix", "y"]),
]


@pytest.mark.parametrize(("text", "expected"), STYLES)
def test_references_of_a_style_sheet(text: str, expected: list[str]) -> None:
    assert list(styles.references(text)) == expected


def test_a_style_sheet() -> None:
    body = b"@import 'a.css'; b { c: url(../d.png) url(data:,x) url(#e) url('') url(../d.png) }"
    assert shown(links.css(body, "http://h.test/s/t.css", "text/css")) == ["asset /s/a.css", "asset /d.png"]


def test_anchors_title_and_robots() -> None:
    page = found(
        "<title> A\n &amp; &eacute;<b> </title><svg><title>no</title></svg><title>no</title>"
        "<meta name=ROBOTS content='noindex, NoFollow'>"
        "<p id=a><p class=c id='b'><p class='c' id=\"d&amp;\"><a name=e href=x><a name=f id=f><p name=g>"
        "<p id=''><p id=a>"
        '<template><p id=h></template><svg><path id=i /></svg><p class="x" id="j">'
    )
    assert page.title == "A & é<b>"
    assert page.anchors == ["a", "b", "d&", "e", "f", "i", "j"]
    assert page.nofollow
    assert not found("<meta name=robots content='noindex, follow'><meta name=x content=nofollow>").nofollow
    assert found("<meta name=robots content=none>").nofollow
    assert found("<p>").title == ""
    assert found("<svg><title>no</title></svg>").title == ""
    assert len(found("<title>" + "x &amp; " * 1000).title) == links.TITLE


def test_xhtml_closes_elements_by_a_slash() -> None:
    text = "<script src='x'/><title/><textarea/><![CDATA[<a href='y'>]]><a href='z'/>"
    assert shown(found(text, "application/xhtml+xml")) == ["asset /d/x", "page /d/z"]
    assert shown(found(text, "text/html")) == ["asset /d/x"]


def test_what_is_beyond_the_most_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MOST", 10)
    page = found("".join(f"<a href={number}>" for number in range(25)))
    assert (len(page.links), page.cut) == (10, 15)
    assert found("<a href=x>" * 25).cut == 0


ENCODINGS = [
    ("é".encode(), None, "é"),
    (b"\xe9", None, "é"),
    (b"\xe9", "text/html; charset=utf-8", "\ufffd"),
    (b"\xe9", "text/html; charset=iso-8859-1", "é"),
    (b"\x80", "text/html; charset=us-ascii", "€"),
    (b"\xe9", "text/html;charset='windows-1251'", "й"),
    (b"<meta charset=utf-8>\xe9", 'text/html; charset="koi8-r"', "И"),
    (b"\xef\xbb\xbf\xc3\xa9", "text/html; charset=koi8-r", "é"),
    ("\ufeffé".encode("utf-16-le"), "text/html; charset=utf-8", "é"),
    ("\ufeffé".encode("utf-16-be"), None, "é"),
    ("é".encode("utf-16-le"), "text/html; charset=utf-16", "é"),
    (b"\xe9", "text/html; charset=nonsense", "é"),
    (b"\xe9", "text/html; charset=\0\xff", "é"),
    (b"\xe9", "text/html; charset=utf-7", "é"),
    (b"\xe9", "text/html; charset=unicode_escape", "é"),
    (b"<meta charset=koi8-r>\xe9", "text/html; charset=nonsense", "И"),
    (b"<META CharSet='KOI8-R'>\xe9", None, "И"),
    (b"<meta charset=' koi8-r '>\xe9", None, "И"),
    (b"<meta charset=utf-16>\xc3\xa9", None, "é"),
    (b"<meta charset=x-user-defined>\xe9", None, "é"),
    (b"<meta http-equiv=content-type content='text/html; charset=koi8-r'>\xe9", None, "И"),
    (b"<meta http-equiv=x content='text/html; charset=koi8-r'>\xe9", None, "é"),
    (b"<meta charset=nonsense><meta charset=koi8-r>\xe9", None, "И"),
    (b"<!-- <meta charset=koi8-r> -->\xe9", None, "é"),
    (b"<a title='<meta charset=koi8-r>'>\xe9", None, "é"),
    (b" " * 1000 + b"<meta charset=koi8-r>\xe9", None, "И"),
    (b" " * 1010 + b"<meta charset=koi8-r>\xe9", None, "é"),
    (b"<?xml version='1.0' encoding='koi8-r'?>\xe9", None, "И"),
    (b"<meta charset=shift_jis>\x83\x65", None, "テ"),
    (b"<meta charset=gb2312>\x81\x30\x81\x30", None, "\x80"),
    (b"<meta charset=iso-2022-kr>x", None, ""),
]


@pytest.mark.parametrize(("body", "content_type", "end"), ENCODINGS)
def test_the_encoding_is_told_as_browsers_tell_it(body: bytes, content_type: str | None, end: str) -> None:
    text, _ = charset.html(body, content_type)
    assert text.endswith(end)
    assert len(text) <= len(body)


# Bytes that only the encoding which browsers take for the label reads so.
LABELS = [
    ("latin1", b"\x80", "\u20ac"),
    ("ISO-8859-9", b"\x80\xfe", "\u20ac\u015f"),
    ("tis-620", b"\x80\xa1", "\u20ac\u0e01"),
    ("dos-874", b"\xa1", "\u0e01"),
    ("x-cp1251", b"\xe9", "\u0439"),
    ("l2", b"\xec", "\u011b"),
    ("logical", b"\xf9", "\u05e9"),
    ("iso-8859-6-e", b"\xd3", "\u0633"),
    ("sun_eu_greek", b"\xe3", "\u03b3"),
    ("csisolatin9", b"\xa4", "\u20ac"),
    ("koi", b"\xf0", "\u041f"),
    ("koi8-ru", b"\xa4", "\u0454"),
    ("866", b"\x8f", "\u041f"),
    ("mac", b"\xb6", "\u2202"),
    ("x-mac-ukrainian", b"\x8f", "\u041f"),
    ("gb_2312-80", b"\xba\xba\x95\x32\x82\x36", "\u6c49\U00020000"),
    ("gbk", b"\x95\x32\x82\x36", "\U00020000"),
    ("x-x-big5", b"\x88\x56", "\u0100"),
    ("big5", b"\xba\x7e\x88\x56", "\u6f22\u0100"),
    ("x-euc-jp", b"\xa5\xc6", "\u30c6"),
    ("csiso2022jp", b"\x1b$B%F\x1b(B", "\u30c6"),
    ("shift_jis", b"\x87\x40", "\u2460"),
    ("x-sjis", b"\x87\x40", "\u2460"),
    ("windows-31j", b"\x83\x65", "\u30c6"),
    ("korean", b"\x8c\x63", "\ub620"),
    ("ksc_5601", b"\xc7\xd1", "\ud55c"),
    ("unicode11utf8", b"\xc3\xa9", "\xe9"),
]


@pytest.mark.parametrize(("label", "body", "expected"), LABELS)
def test_labels_mean_what_browsers_take_them_for(label: str, body: bytes, expected: str) -> None:
    assert charset.html(body, f"text/html; charset={label}")[0] == expected
    assert charset.html(b"<meta charset=" + label.encode() + b">" + body, None)[0].endswith(">" + expected)


def test_every_encoding_is_known_to_python() -> None:
    for codec in set(charset.READ.values()) - {charset.NOTHING}:
        assert "a".encode(codec).decode(codec) == "a"


@pytest.mark.parametrize(
    "label", ["", "utf-7", "utf-32", "rot13", "punycode", "mbcs", "idna", "a\0b", "é", "../x", "x" * 9999]
)
def test_what_is_no_label(label: str) -> None:
    assert charset.lookup(label) is None


QUERIES = [
    ("windows-1251", "/й?й=й#й", "page /%D0%B9?%E9=%E9#й"),
    ("iso-8859-1", "?é\u20ac漢", "page /d/p.html?%E9%80%26%2328450%3B"),
    ("shift_jis", "?テ", "page /d/p.html?%83e"),
    ("utf-8", "?é", "page /d/p.html?%C3%A9"),
    ("utf-16", "?é", "page /d/p.html?%C3%A9"),
    ("gbk", "?汉=%20&x", "page /d/p.html?%BA%BA=%20&x"),
    ("windows-1252", "/é", "page /%C3%A9"),
]


@pytest.mark.parametrize(("label", "reference", "expected"), QUERIES)
def test_a_query_is_sent_in_the_encoding_of_the_document(label: str, reference: str, expected: str) -> None:
    written = "".join(f"&#{ord(one)};" if ord(one) > 127 else one for one in reference)
    text = f"<meta charset={label}><a href='{written}'>"
    assert shown(found(text, None)) == [expected]


def test_a_style_sheet_says_its_encoding() -> None:
    assert charset.css(b'@charset "koi8-r";\xe9', None)[0].endswith("И")
    assert charset.css(b'@charset "koi8-r";\xe9', "text/css; charset=windows-1252")[0].endswith("é")
    assert charset.css(b"\xe9", None)[0] == "\ufffd"
    assert charset.css(b'@charset "utf-16";x', None)[0].endswith("x")


PIECES = [
    *(
        "<a href=x1>",
        '<a href="x2" class="c">',
        '<a class="c" href="x3#f">',
        "<a href='x4'>",
        "</a>",
        "<p id=i1>",
    ),
    *(
        '<p id="i2">',
        '<div class="a" id="i3">',
        "<a name=n1>",
        "<!--",
        "-->",
        "--!>",
        "<!-->",
        "->",
        "<script>",
    ),
    *("</script>", "</script ", "<style>", "</style>", "<title>", "</title>", "<textarea>", "</textarea>"),
    *(
        "<template>",
        "</template>",
        "<div",
        "</div",
        '"',
        "'",
        ">",
        "=",
        "/",
        "<",
        "!",
        "?",
        " ",
        "\n",
        "a",
        "&amp;",
    ),
    *(
        "<noscript>",
        "</noscript>",
        "<iframe>",
        "</iframe>",
        "<IMG SRC=x5>",
        "<a href=x7/>",
        "<b>",
        "<table>",
        "<tr><td>",
    ),
    *(
        "</table>",
        "<p>",
        "</p>",
        "<A HREF=X8 href=x9>",
        "id=i4",
        "href=x10",
        "\x0b",
        "é",
        "<xmp>",
        "</xmp>",
        "<plaintext>",
    ),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
@example(["<script>", "<!--", "<script>", "</script>", "<a href=x1>", "-->", "</script>", "<a href='x4'>"])
@example(
    ["<template>", "<textarea>", "</template>", "</textarea>", "<a href=x1>", "</template>", "<p id=i1>"]
)
def test_soup_is_read_as_lexbor_reads_it(pieces: list[str]) -> None:
    text = "".join(pieces)
    tree = LexborHTMLParser(text)
    references = [node.attributes["href"] or "" for node in tree.css("a[href]")]
    page = found(text)
    assert {link.url for link in page.links if link.kind == "page"} == {
        urls.join(BASE, one) for one in references
    }
    named = [node.attributes["id"] for node in tree.css("[id]")] + [
        node.attributes["name"] for node in tree.css("a[name]")
    ]
    assert set(page.anchors) == set(filter(None, named))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([one.encode() for one in PIECES])
        | st.binary(max_size=8)
        | st.sampled_from(
            [
                b"<meta charset=",
                b"<base href=",
                b"url(",
                b"@import",
                b"<svg>",
                b"\\",
                b"&#",
                b"srcset=",
                b"style=",
                b"http://",
            ]
        ),
        max_size=30,
    ),
    st.sampled_from(
        [
            None,
            "",
            "text/html",
            "x; charset=utf-16",
            "x; charset=iso-2022-jp",
            "x; charset=big5",
            "application/xhtml+xml",
        ]
    )
    | st.text(max_size=30),
)
def test_nothing_raises_and_every_link_is_a_wire_url(pieces: list[bytes], content_type: str | None) -> None:
    body = b"".join(pieces)
    for page in (links.html(body, BASE, content_type), links.css(body, BASE, content_type)):
        for link in page.links:
            assert urls.wire(link.url) == link.url
            assert link.kind in {"page", "asset", "form"}
        assert all(page.anchors)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        [BASE, "http://h.test/", "https://h.test:8/a/b/c/?x/y", "http://h.test//a//b", "http://h.test/a/?"]
    ),
    st.lists(
        st.sampled_from(
            ["..", ".", "/", "a", "b.c", "-", "_", "?", "=", "&", "../", "%2e", "~", "#f", ":", "é", " "]
        ),
        max_size=8,
    ),
)
@example("http://h.test/a/?", ["../", "../", "../", "a", "?", "b"])
@example("http://h.test//a//b", ["../", "../", "a"])
def test_a_plain_reference_is_joined_as_any_other(base: str, pieces: list[str]) -> None:
    reference = "".join(pieces).strip()
    try:
        expected = [urls.join(base, reference)]
    except Fault:
        expected = []
    assert [link.url for link in found(f'<a href="{reference}">', base=base).links] == expected
    assert [link.url for link in found(f"<a href='{reference}' id=x>", base=base).links] == expected


def many(text: str) -> str:
    return text * (MEGABYTE // len(text))


HURTING = {
    "nested": many("<div>"),
    "links": "<a href=x>" * 200_000,
    "other links": "".join(f"<a href={number}>" for number in range(90_000)),
    "formatting": "".join(f"<b x={number}>" for number in range(90_000)) + "</b>" * 90_000,
    "attribute": f'<a href="{many("x")}">',
    "attributes": f"<a {''.join(f'a{number} ' for number in range(150_000))}>",
    "open tag": many("<a "),
    "open quote": many('<a href="'),
    "blanks": "<a " + many(" "),
    "equals": "<a " + many("= "),
    "less": many("<"),
    "end tags": many("</"),
    "comments": many("<!--"),
    "dashes": "<!--" + many("-"),
    "bangs": "<!--" + many("--!"),
    "instructions": many("<?"),
    "scripts": "<script>" + many("<!--<script>"),
    "titles": many("<title>"),
    "svg": many("<svg>"),
    "cdata": "<svg>" + many("<![CDATA["),
    "templates": many("<template>"),
    "ids": "".join(f"<p id={number}>" for number in range(300_000)),
    "dull": "<p" + many(' class="x"'),
    "srcset commas": f'<img srcset="{many(",")}">',
    "srcset parentheses": f'<img srcset="{many("a (")}">',
    "srcset": f'<img srcset="{many("a, ")}">',
    "style": f'<p style="{many("url(")}">',
    "style strings": "<style>" + many('url("x '),
    "style escapes": "<style>" + many("\\"),
    "style blanks": "<style>url(" + many(" "),
    "imports": "<style>" + many("@import "),
    "import comments": "<style>@import" + many("/**/"),
    "style comments": "<style>" + many("/*/"),
    "refresh": f'<meta http-equiv=refresh content="1;url{many(" ")}x">',
    "numbers": f'<a href="&#{many("1")}"><title>&#{many("1")}',
    "references": f'<a href="{many("&amp")}">',
    "dots": f'<a href="{many("../")}">',
    "broken": "".join(f"<a href='http://[{number}'>" for number in range(40_000)),
    "foreign": "".join(f"<a href=/é{number}>" for number in range(70_000)),
}


@pytest.mark.parametrize("name", HURTING)
def test_no_page_takes_long(name: str) -> None:
    body = HURTING[name].encode()
    start = time.process_time()
    links.html(body, BASE, "text/html")
    links.css(body.removeprefix(b"<style>"), BASE, "text/css")
    assert time.process_time() - start < 3


def read(body: bytes, content_type: str | None, **facts: object) -> object:
    one = reading.reader(Request(url=BASE, wire=BASE), Options())
    for start in range(0, len(body), 7):
        one.feed(body[start : start + 7])
    result = Result(status=200, content_type=content_type, found={"text": b""})
    for name, value in facts.items():
        setattr(result, name, value)
    one.done(result)
    assert result.found is not None
    assert result.found["text"] == b""
    return result.found.get("links")


def test_the_reader_reads_pages_and_style_sheets() -> None:
    page = [links.Link("http://h.test/d/x", "", "page")]
    image = [links.Link("http://h.test/d/x", "", "asset")]
    body = b"<a href=x>"
    for kind in ("text/html", "Text/HTML ; charset=x", "application/xhtml+xml", None, ""):
        assert read(body, kind) == links.Found(page, [], "", False), kind
    assert read(b"url(x)", "text/css") == links.Found(image, [], "", False)
    assert read(b" \n<!DOCTYPE html><a href=x>", None) == links.Found(page, [], "", False)
    for kind in ("text/plain", "image/svg+xml", "application/json"):
        assert read(body, kind) is None
    assert read(b"x " + body, None) is None
    assert read(body, "text/html", status=301) is None
    assert read(body, "text/html", status=404) is None
    assert read(body, "text/html", error="truncated_encoding") is None
