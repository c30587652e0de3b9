"""A page or a style sheet in any coding: links that can be asked as they are, in linear time.

The first byte chooses what the answer calls it.
"""

from __future__ import annotations

from fetcher import charset, links, urls

TYPES = [
    *("text/html", "text/html; charset=utf-8", "text/html; charset=shift_jis", "text/html; charset=utf-16"),
    *("application/xhtml+xml", "text/css", "text/css; charset=iso-2022-jp", "text/html; charset=big5"),
]
KINDS = {"page", "asset", "variant", "form"}
BASE = "http://example.org/a/b?c"
PAGE = b"""<!DOCTYPE html><html><head><meta charset=utf-8><title>a &amp; b</title><base href="/base/">
<link rel="stylesheet icon" href=a.css><meta http-equiv=refresh content="0; url='next'"><style>
@import "b.css"; p { background: url( 'c.png' ) }</style><script src=a.js><!-- <script>
</script> --></script></head>
<body background=x><a class="k" href="p#frag" id=one>a</a><a href="mailto:x@y">m</a><img
srcset="a 1x, b,c 2x"><svg><use xlink:href="#i"/><a href="s"/></svg><![CDATA[x]]><!-- <a href=no> -->
<template><a href=no></template><form action="f?q=1"><input type=image src=i formaction=g></form>
<iframe src="//h/i"><a href=no></iframe>
<p style="background:url(d.png)" name=two><textarea><a href=no></textarea><plaintext><a href=no>"""
CSS = rb"""@charset "iso-8859-1"; /* url(no) */ @import url("a.css"); @import 'b.css' x; a{b:url(c\64 .png)}
"url(no)" 'it\'s' src: url( "d" ), url(e f), url(data:,x) url("unterminated"""
SEEDS = [
    *(b"\0" + PAGE, b"\1" + PAGE, b"\4" + PAGE, b"\5" + CSS, b"\6" + CSS),
    b"\2" + "<a href='ページ?あ'>ア</a>".encode("shift_jis"),
    b"\3" + "<a href=é#é>".encode("utf-16-le"),
    b"\0\xff\xfe" + "<a href=é?é>".encode("utf-16-le"),
    b"\0<?xml version='1.0' encoding='koi8-r'?><a href=\xc1?\xc1>",
]
WORDS = [
    b"<a href=",
    b'"',
    b"'",
    b">",
    b"<!--",
    b"-->",
    b"--!>",
    b"</script",
    b"<script>",
    b"<style>",
    b"</style>",
]
WORDS += [
    b"<svg>",
    b"</svg>",
    b"<template>",
    b"</template>",
    b"<![CDATA[",
    b"]]>",
    b"url(",
    b")",
    b"/*",
    b"*/",
    b"\\",
]
WORDS += [
    b"@import ",
    b"srcset=",
    b"<img ",
    b"&amp;",
    b"&#x",
    b"&#99999999999;",
    b"&notit;",
    b"#",
    b":~:",
    b"%ff",
]
WORDS += [
    b"<base href=",
    b"<meta charset=",
    b"http-equiv=refresh content=",
    b"0;url=",
    b"<title>",
    b"<plaintext>",
]
WORDS += [
    b"javascript:",
    b"//",
    b"http://",
    b"http://[",
    b"xn--",
    b"\0",
    b"\r",
    b"<",
    b"/",
    b"=",
    b"<p id=",
    b" ",
    b"<!",
]


def target(data: bytes) -> object:
    said, body = TYPES[data[0] % len(TYPES) if data else 0], data[1:]
    found = (links.css if "css" in said else links.html)(body, BASE, said)
    for link in found.links[:2000]:
        assert link.kind in KINDS
        assert "#" not in link.url
        assert urls.wire(link.url) == link.url
    assert len(set(found.links)) == len(found.links) <= links.MOST
    assert len(set(found.anchors)) == len(found.anchors)
    assert len(found.title) <= links.TITLE
    assert len(found.odd) <= links.ODD
    assert found.cut >= 0
    for shown, why in found.odd:
        assert why in ("scheme", "invalid")
        assert len(shown) <= links.SHOWN
    charset.lookup(body[:50].decode("latin-1"))
    kinds = frozenset(link.kind for link in found.links)
    return (
        said[:8],
        kinds,
        min(len(found.links), 12),
        min(len(found.anchors), 4),
        bool(found.title),
        len(found.odd) > 2,
    )
