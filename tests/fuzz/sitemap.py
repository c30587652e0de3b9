"""A sitemap or a feed, plain or gzipped: items, or one UsageError; as a reader of a crawl it never raises."""

from __future__ import annotations

import gzip
import io
from typing import BinaryIO

from fetcher.errors import UsageError
from fetcher.readers import sitemap as reader
from fetcher.sources import Bad, Item, Reading, sitemap
from tests.fuzz._checks import cuts, is_item, is_told, shape, streams

URLSET = b"""<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>http://a/?b&amp;c</loc><lastmod>2020</lastmod></url>\n<url><loc><![CDATA[http://a/?b&c]]></loc></url>
<url><loc> http://a/?b&c=d&#38;e </loc></url></urlset>"""
RSS = b"""<rss version="2.0"><channel><link>http://no/</link><item><title>x &lt; y</title><link>http://a/</link></item>
<item><link>http://b/</link><guid>x</guid></item></channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><link href="http://no/"/><entry><link href="http://a/"/>
<link rel="edit" href="http://no/"/></entry></feed>"""
SEEDS = [
    *(URLSET, RSS, ATOM, gzip.compress(URLSET, mtime=0), URLSET.decode().encode("utf-16")),
    b"<x:sitemapindex xmlns:x='y'><x:sitemap><x:loc>http://a/s.xml</x:loc></x:sitemap></x:sitemapindex>",
    b"<?xml version='1.0' encoding='iso-8859-1'?><urlset><url><loc>http://\xe4/</loc></url><url><loc>b</url></urlset>",
    b'<!DOCTYPE a [<!ENTITY b "c">]><urlset><url><loc>&b;</loc></url></urlset>',
    b"http://a/\nhttp://b/\n",
    b"<urlset>" + b"<url><loc>http://a/</loc></url><url><loc>&</loc>" * 20,
]
WORDS = [
    b"<url>",
    b"</url>",
    b"<loc>",
    b"</loc>",
    b"<urlset>",
    b"<item>",
    b"<link>",
    b"</link>",
    b"<entry>",
    b"<!--",
]
WORDS += [
    b"<![CDATA[",
    b"]]>",
    b"&",
    b"&amp;",
    b"&#x0;",
    b"&#1114112;",
    b"&x;",
    b"-->",
    b"<?xml encoding='utf-7'?>",
    b">",
]
WORDS += [
    b"<!DOCTYPE a [",
    b"<!ENTITY b 'c'>",
    b"encoding='UTF-16'",
    b"x:",
    b"\0",
    b"\xff\xfe",
    b"<a>" * 40,
    b"<",
    b"\xe4",
]


def target(data: bytes) -> object:
    whole = found(io.BytesIO(data))
    for stream in streams(data):
        cut = found(stream)
        if not any(isinstance(one, Bad) for one in (*whole, *cut)):  # where to go on may depend on the pieces
            assert cut == whole
    places, is_index, broken, was_cut = reader.read(data)
    assert len(places) <= reader.MOST
    assert all(map(is_item, places))
    for parts in cuts(data):
        again = reader.listed(iter(parts))
        assert broken or again.broken or again == (places, is_index, broken, was_cut)
    return shape(whole), is_index, min(broken, 4), was_cut


def found(stream: BinaryIO) -> list[Item]:
    items: list[Item] = []
    try:
        for one in sitemap.read(stream, Reading()):
            assert is_item(one)
            items.append(one)
    except UsageError as error:
        items.append(Bad("", str(error) if is_told(error) else ""))
    assert not items or is_item(items[-1])
    return items
