"""What every source promises: the same URLs out of every format, one item each, nothing raised for a line."""

from __future__ import annotations

import codecs
import csv
import io
import json
import random
import re
import sys
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import fetcher.sources as folder
from fetcher import menu
from fetcher.errors import UsageError
from fetcher.sources import Bad, Item, Reading, Skip

NAMES = menu.names(folder)
LINED = ["csv", "jsonl", "sitemap", "text"]  # what a pipe can bring piece by piece
every_source = pytest.mark.parametrize("name", NAMES)
URLS = [
    "http://example.org/",
    "https://user:secret@example.org:8443/a%20b?x=1&y=2#top",
    "http://[2001:db8::1]:8080/",
    "http://bücher.example/straße?ö=ü",
    "http://例え.jp/パス?q=😀",
    "http://example.org/comma,semi;colon|bar?q=a,b;c",
    "http://example.org/\"quoted\"<angle>'apostrophe'",
    "example.org/no-scheme",
    "http://example.org/\u00a0",
]


def write_text(urls: Iterable[str]) -> bytes:
    return "".join(f"{url}\n" for url in urls).encode()


def write_csv(urls: Iterable[str]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["n", "url", "title"])
    writer.writerows([number, url, 'a "title",\nin two lines'] for number, url in enumerate(urls))
    return out.getvalue().encode()


def write_jsonl(urls: Iterable[str]) -> bytes:
    return "".join(json.dumps({"n": number, "url": url}) + "\n" for number, url in enumerate(urls)).encode()


def write_sitemap(urls: Iterable[str]) -> bytes:
    body = "".join(f"<url>\n <loc>{escape(url)}</loc>\n</url>\n" for url in urls)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas">'
    return f"{head}\n{body}</urlset>\n".encode()


def write_parquet(urls: Iterable[str]) -> bytes:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    parquet.write_table(arrow.table({"n": list(range(len(list(urls)))), "url": list(urls)}), out)
    return out.getvalue()


WRITE: dict[str, Callable[[list[str]], bytes]] = {
    name.removeprefix("write_"): write for name, write in list(globals().items()) if name.startswith("write_")
}


def reading(name: str, data: bytes, **options: str) -> list[Item]:
    stream = io.BufferedReader(io.BytesIO(data))
    return list(import_module(f"fetcher.sources.{name}").read(stream, Reading(**options)))


@every_source
def test_the_same_urls_come_out_of_every_format(name: str) -> None:
    assert reading(name, WRITE[name](URLS)) == URLS


@every_source
def test_blanks_are_skipped_and_counted(name: str) -> None:
    items = reading(name, WRITE[name](["http://a/", "", "   ", "\thttp://b/ "]))
    assert items == ["http://a/", Skip("blank"), Skip("blank"), "http://b/"]


def test_every_suffix_belongs_to_one_source() -> None:
    suffixes = [suffix for name in NAMES for suffix in import_module(f"fetcher.sources.{name}").SUFFIXES]
    assert sorted(suffixes) == sorted(set(suffixes))
    assert all(re.fullmatch(r"\.[a-z]+", suffix) for suffix in suffixes)
    assert {".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xml"} <= set(suffixes)


@every_source
def test_an_empty_input_has_nothing(name: str) -> None:
    if name == "parquet":
        with pytest.raises(UsageError, match="no whole Parquet file"):
            reading(name, b"")
    else:
        assert reading(name, b"") == []
    assert reading(name, WRITE[name]([])) == []


@every_source
def test_a_cut_input_gives_what_was_whole(name: str) -> None:
    data = WRITE[name](URLS)
    for size in range(0, len(data), 7):
        try:
            items = reading(name, data[:size])
        except UsageError:
            assert name == "parquet" or size < 200  # the head was cut
            continue
        whole = items[:-1]
        assert whole == URLS[: len(whole)]


@every_source
def test_bytes_that_are_no_unicode_are_never_sent_otherwise(name: str) -> None:
    data = WRITE[name](["http://a/", "http://b/caf__", "http://c/"])
    items = reading(name, data.replace(b"caf__", b"caf\xe9!"))
    assert items[0] == "http://a/"
    assert isinstance(items[1], Bad)
    assert items[2:] == ["http://c/"]


@every_source
def test_a_url_beyond_the_limit_is_bad(name: str) -> None:
    items = reading(name, WRITE[name](["http://a/", "http://b/" + "x" * 100_000, "http://c/"]))
    assert [items[0], *items[2:]] == ["http://a/", "http://c/"]
    assert isinstance(items[1], Bad)
    assert items[1].text.startswith("http://b/xxx")
    assert len(items[1].text) == 200
    assert re.search(r"100,009.*limit is 65,536", items[1].why)


@every_source
def test_memory_does_not_grow_with_the_list(name: str) -> None:
    count = 200_000 if name in {"text", "parquet"} else 50_000  # tracemalloc is slow
    data = WRITE[name]([f"http://host{number % 999}.example/{number}" for number in range(count)])
    source = import_module(f"fetcher.sources.{name}")
    deque(source.read(io.BytesIO(WRITE[name](["http://a/"])), Reading()), 0)  # imports
    tracemalloc.start()
    try:
        assert sum(1 for _ in source.read(io.BufferedReader(io.BytesIO(data)), Reading())) == count
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000  # `data` is shared and not counted; 50,000 items kept would take 4.5 MB


@pytest.mark.parametrize("name", LINED)
@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300))
@example(data=b"\xff\xfea\x00\n")
@example(data=b'url\n"')
@example(data=b"\xef\xbb\xbf")
@example(data=b"<urlset><url><loc>&#0;</loc></url><url><loc>x</loc>")
def test_random_bytes_raise_nothing_but_usage_error(name: str, data: bytes) -> None:
    try:
        items = reading(name, data)
    except UsageError:
        return
    for item in items:
        assert isinstance(item, str | Skip | Bad)
        (item if isinstance(item, str) else item[0]).encode()  # can be written down


@pytest.mark.parametrize("name", LINED)
def test_damaged_files_raise_nothing_but_usage_error(name: str) -> None:
    dice = random.Random(1)
    whole = WRITE[name](URLS)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            items = reading(name, bytes(data))
        except UsageError:
            continue
        assert all(isinstance(item, str | Skip | Bad) for item in items)


@pytest.mark.parametrize("name", LINED)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_it_does_not_matter_how_the_bytes_come(name: str, end: str) -> None:
    from fetcher.sources._bytes import joined

    source = import_module(f"fetcher.sources.{name}")
    text = WRITE[name](URLS).decode().replace("\n", end)
    if name == "sitemap":
        text = text.replace("&amp;", "&").replace("example.org/comma,semi", "<![CDATA[a>b&c]]>/comma,semi", 1)
    for data in (text.encode(), text.encode("utf-16")):
        whole = reading(name, data)
        assert len(whole) == len(URLS)
        for size in (1, 2, 3, 7, 100):
            parts = [data[at : at + size] for at in range(0, len(data), size)]
            assert list(source.read(joined(parts), Reading())) == whole


LINES = st.lists(st.sampled_from([b"a", b"#", b" ", b"\n", b"\r", b"\r\n", b"x" * 40_000]), max_size=30)


@settings(max_examples=300, deadline=None)
@given(parts=LINES)
@example(parts=[b"x" * 40_000, b"x" * 25_538 + b"\r", b"\n", b"a"])  # CRLF on the edge of a block
@example(parts=[b"x" * 65_536, b"\r\n", b"a"])
@example(parts=[b"x" * 65_537, b"\r\n", b"a"])
def test_text_has_one_item_for_each_line(parts: list[bytes]) -> None:
    data = b"".join(parts)
    lines = re.split(rb"\r\n|\n|\r", data)
    if not lines[-1]:
        lines.pop()
    items = reading("text", data)
    assert len(items) == len(lines)
    for item, line in zip(items, lines, strict=True):
        if len(line) > 65_536:
            assert item == Bad(line[:200].decode(), f"a line of {len(line):,} bytes; the limit is 65,536")
        elif not line.strip():
            assert item == Skip("blank")
        elif line.strip().startswith(b"#"):
            assert item == Skip("comment")
        else:
            assert item == line.strip().decode()


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", LINED)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_marks_and_line_ends(name: str, coding: str, end: str) -> None:
    data = WRITE[name](URLS).decode().replace("\n", end).encode(coding)
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(coding, b"")
    assert reading(name, mark + data) == URLS


def test_half_a_character_of_utf16_is_bad() -> None:
    items = reading("text", "http://a/\nhttp://b/".encode("utf-16")[:-1])
    assert items[0] == "http://a/"
    assert isinstance(items[1], Bad)


def test_a_line_of_100_mb_is_not_kept() -> None:
    def parts() -> Iterator[bytes]:
        yield b"http://a/\n"
        for _ in range(1600):
            yield b"y" * 65_536
        yield b"\nhttp://b/\n"

    from fetcher.sources._bytes import joined

    tracemalloc.start()
    try:
        items = list(import_module("fetcher.sources.text").read(joined(parts()), Reading()))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    bad = Bad("y" * 200, "a line of 104,857,600 bytes; the limit is 65,536")
    assert items == ["http://a/", bad, "http://b/"]


def test_text_control_characters_are_left_to_the_url_parser() -> None:
    data = b"http://a/\0b\n\xef\xbb\xbfhttp://c/\x0cd\nhttp://e/\xe2\x80\xa8\n"
    assert reading("text", data) == ["http://a/\0b", "http://c/\x0cd", "http://e/\u2028"]


# CSV


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_csv_delimiter_is_what_the_first_row_shows(delimiter: str) -> None:
    rows = [["Title", "URL"], ["one", "http://a/"], ["two", ""]]
    data = "\n".join(delimiter.join(row) for row in rows).encode()
    assert reading("csv", data) == ["http://a/", Skip("blank")]


def test_csv_of_one_column_is_not_cut_at_a_comma() -> None:
    data = b'url\nhttp://a/?x=1,2;3\t4\n\n"http://b/,"\n'
    assert reading("csv", data) == ["http://a/?x=1,2;3\t4", Skip("blank"), "http://b/,"]


def test_csv_rows_that_do_not_fit() -> None:
    data = b"\nn,url,x\n1\n,,\n2,http://a/\n3,http://b/,x,,\n4,http://c/?a,b,x\n5,http://d/\0,x\n"
    data += b"6,http://e/,x"
    items = reading("csv", data)
    assert items[0] == Skip("blank")
    assert items[1] == Bad("1", "a row of 1 cells; the URL would be in cell 2")
    assert items[2:5] == [Skip("blank"), "http://a/", "http://b/"]
    assert isinstance(items[5], Bad)
    assert items[5].text == "http://c/?a"
    assert "in quotes" in items[5].why
    assert items[6:] == ["http://d/\0", "http://e/"]


def test_csv_other_columns_may_be_in_any_coding() -> None:
    assert reading("csv", b"url,title\nhttp://a/,caf\xe9\n") == ["http://a/"]


def test_csv_an_open_quote_does_not_glue_urls_together() -> None:
    items = reading("csv", b'n,url\n1,"http://a/\n2,http://b/\n')
    assert [type(item) for item in items] == [Bad]


def test_csv_a_cell_or_line_that_is_too_long_is_one_bad_row() -> None:
    data = b"n,url\n1," + b"x" * 200_000 + b"\n2,http://a/\n3," + b"y" * (1 << 21) + b"\n4,http://b/\n"
    items = reading("csv", data)
    assert [item for item in items if isinstance(item, str)] == ["http://a/", "http://b/"]
    assert [item.why for item in items if isinstance(item, Bad)] == [
        "200,000 characters; the limit is 65,536",
        "a line of 2,097,154 bytes; the limit is 1,048,576",
    ]


@every_source
def test_a_missing_column_names_those_that_are_there(name: str) -> None:
    if name in {"csv", "parquet"}:
        with pytest.raises(UsageError, match=r"no column 'link'; say --column NAME with one of: n, url"):
            reading(name, WRITE[name](URLS), column="link")
        assert reading(name, WRITE[name](URLS), column="URL") == URLS
    else:
        assert reading(name, WRITE[name](URLS), column="link") == URLS


def test_csv_without_names_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"put `url` above it, or use .txt"):
        reading("csv", b"http://a/\nhttp://b/\n")


# JSON Lines


def test_jsonl_fields_strings_and_mistakes() -> None:
    data = rb"""
    {"page": {"url": "http://a/"}, "page.b": "http://b/"}
    "http://c/"
    {"page": 3}
    {"page": {"url": null}}
    {"page": {"url": 7}}
    {"pages": {}}
    {"page": {"url": "http://x/\ud800"}}
    {"page": {"url": "http://x/\ny"}}
    {"page": tru
    NaN
    """
    data += b"[" * 100_000 + b"\n" + b"9" * 5000
    items = reading("jsonl", data, field="page.url")
    blank = Skip("blank")
    assert items[:3] == [blank, "http://a/", "http://c/"]
    assert items[4] == blank
    assert [item.why for item in items if isinstance(item, Bad)][:7] == [
        "no field 'page.url': there is nothing inside of a number",
        "a number where a URL should be",
        "no field 'page'; --field NAME may say one of: pages",
        "not UTF-8",
        "a line break inside",
        "not JSON: Expecting value",
        "a number where a URL should be",
    ]
    assert len([item for item in items if isinstance(item, Bad)]) == 9
    assert reading("jsonl", data.splitlines()[1], field="page.b") == ["http://b/"]


# Sitemaps


def test_sitemap_index_rss_and_atom() -> None:
    index = b"<s:sitemapindex><s:sitemap><s:loc>http://a/1.xml</s:loc></s:sitemap></s:sitemapindex>"
    assert reading("sitemap", index) == ["http://a/1.xml"]
    rss = b"""<rss><channel><link>http://home/</link><atom:link href="http://self/"/>
        <item><title>x &amp; y</title><link><![CDATA[http://a/?x&y=1]]></link>
        <atom:link href="http://no/"/></item>
        <item><link>http://b/?x&y=1&copy=2</link></item></channel></rss>"""
    assert reading("sitemap", rss) == ["http://a/?x&y=1", "http://b/?x&y=1&copy=2"]
    atom = b"""<feed xmlns="http://www.w3.org/2005/Atom"><link href="http://home/"/><entry>
        <link rel="alternate" href="http://a/"/><link rel="edit" href="http://no/"/></entry>
        <entry><link href='http://b/'/></entry></feed>"""
    assert reading("sitemap", atom) == ["http://a/", "http://b/"]
    image = b"<urlset><url><loc>http://a/</loc><i:image><i:loc>http://i/</i:loc></i:image></url></urlset>"
    assert reading("sitemap", image) == ["http://a/"]


def test_sitemap_goes_on_after_what_is_broken() -> None:
    data = b"""<?xml version="1.0" encoding="iso-8859-1"?><x:urlset><x:url><x:loc>http://a/</x:loc></x:url>
        <x:url><x:loc>http://b/<b</x:loc></x:url><x:url><x:loc>http://c/\xe9</x:loc></x:url>
        <x:url><x:loc>http://d/</x:lok></x:url><x:url><x:loc>http://e/</x:loc></x:url></x:urlset>"""
    assert reading("sitemap", data) == [
        "http://a/",
        Bad("http://b/", "broken XML: not well-formed (invalid token)"),
        "http://c/é",
        Bad("http://d/", "broken XML: mismatched tag"),
        "http://e/",
    ]
    cut = reading("sitemap", data[: data.index(b"<b</")])
    assert cut == ["http://a/", Bad("http://b/", "broken XML: it ends too early")]


def test_sitemap_an_unclosed_cdata_or_tag_takes_no_memory() -> None:
    for opening in (b"<![CDATA[", b"<a b='"):
        data = b"<urlset><url><loc>http://a/</loc></url>" + opening + b"x" * (4 << 20)
        items = reading("sitemap", data)
        assert items == ["http://a/", Bad("", "broken XML: 1,048,576 bytes without the end of a tag")]


def test_sitemap_a_nest_is_no_sitemap() -> None:
    items = reading("sitemap", b"<urlset>" + b"<url>" * 100_000)
    assert all(isinstance(item, Bad) for item in items)
    assert items[-1] == Bad("", "broken XML: in 1,000 places; what follows was not read")
    assert len(items) == 1001


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            b"<!DOCTYPE x [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><urlset><url><loc>&b;</loc></url></urlset>",
            "entity",
        ),
        (b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><urlset>&a;</urlset>", "entity"),
        (b"<html><body></body></html>", "its first element is <html>"),
        (b"just words\n", "no sitemap"),
        (b"<?xml version='1.0' encoding='shift-jis'?><urlset/>", "no sitemap"),
        (b"<?xml version='1.0' encoding='nonsense'?><urlset/>", "no sitemap"),
    ],
)
def test_sitemap_refuses_what_is_none(data: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        reading("sitemap", data)


# Parquet


def test_parquet_kinds_of_columns() -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    bad = b"http://b/\xe9"
    columns = {
        "text": arrow.array(["http://a/", None]),
        "words": arrow.array(["http://a/", None]).dictionary_encode(),
        "bytes": arrow.array([b"http://a/", bad]),
        "lies": arrow.Array.from_buffers(arrow.string(), 2, arrow.array([b"http://a/", bad]).buffers()),
        "number": arrow.array([1, 2]),
    }
    out = io.BytesIO()
    parquet.write_table(arrow.table(columns), out)
    for name in ("text", "words"):
        assert reading("parquet", out.getvalue(), column=name) == ["http://a/", Skip("blank")]
    for name in ("bytes", "lies"):
        items = reading("parquet", out.getvalue(), column=name)
        assert items == ["http://a/", Bad("http://b/\\xe9", "not UTF-8")]
    with pytest.raises(UsageError, match="column 'number' holds int64, not text"):
        reading("parquet", out.getvalue(), column="number")


def test_parquet_without_pyarrow_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"needs pyarrow, .* pip install '\.\[parquet\]'"):
        reading("parquet", b"PAR1")
