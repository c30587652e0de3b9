"""Which encoding a text is in, as browsers tell it: by byte order mark, header, its own word, or a guess."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from fetcher import markup

PRESCAN: Final = 1024  # bytes in which a document may name its encoding (WHATWG HTML 13.2.3.2)
MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
GUESS: Final = "cp1252"  # what is not UTF-8 and does not say what it is
NOTHING: Final = "replacement"  # encodings that browsers refuse to read, as they hide markup (Encoding 14.1)
W: Final = markup.W
LABEL: Final = re.compile(r"[a-z0-9][a-z0-9_:.-]{0,39}").fullmatch
PARAMETER: Final = re.compile(rf"""charset[{W}]*=[{W}]*(?:"([^"]*)"|'([^']*)'|([^{W};"']+))""", re.IGNORECASE)
XML: Final = re.compile(r"""<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]*)""")
FOREIGN: Final = re.compile(r"[^\x00-\x7f]+")
SAFE: Final = "!$%&()*+,/:;=?@[\\]^`{|}"  # with letters and digits: what a query keeps as it is
CSS: Final = re.compile(rb'@charset "([^"\n]{1,40})";')
MARKUP: Final = re.compile(
    rf"""{markup.COMMENT.pattern} | <[!/?][^>]*+
    | <(?P<name>[a-zA-Z][^{W}/>]*+)(?P<attributes>{markup.ATTRIBUTES})[{W}/]*+(?P<end>>?)""",
    re.VERBOSE,
)

# The labels of the WHATWG Encoding Standard (4.2) that Python does not know.
LABELS: Final = {
    label: codec
    for codec, labels in {
        "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
        "utf-16-le": "unicode ucs-2 iso-10646-ucs-2 csunicode unicodefeff",
        "utf-16-be": "unicodefffe",
        "cp874": "dos-874 windows-874 iso885911",
        "cp1250": "x-cp1250",
        "cp1251": "x-cp1251",
        "cp1252": "x-cp1252 iso88591 x-user-defined",
        "cp1253": "x-cp1253",
        "cp1254": "x-cp1254 iso88599",
        "cp1255": "x-cp1255",
        "cp1256": "x-cp1256",
        "cp1257": "x-cp1257",
        "cp1258": "x-cp1258",
        "iso8859-2": "iso88592",
        "iso8859-3": "iso88593",
        "iso8859-4": "iso88594",
        "iso8859-5": "iso88595",
        "iso8859-6": "iso88596 csiso88596e csiso88596i iso-8859-6-e iso-8859-6-i",
        "iso8859-7": "iso88597 sun_eu_greek",
        "iso8859-8": "iso88598 csiso88598e csiso88598i iso-8859-8-e iso-8859-8-i logical visual",
        "iso8859-10": "iso885910",
        "iso8859-13": "iso885913",
        "iso8859-14": "iso885914",
        "iso8859-15": "iso885915 csisolatin9",
        "koi8-r": "koi koi8",
        "koi8-u": "koi8-ru",
        "mac-roman": "csmacintosh mac x-mac-roman",
        "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
        "gb18030": "csgb2312 gb_2312 gb_2312-80 x-gbk",
        "big5hkscs": "cn-big5 x-x-big5",
        "euc_jp": "cseucpkdfmtjapanese x-euc-jp",
        "cp932": "windows-31j x-sjis",
        "cp949": "cseuckr csksc56011987 ksc_5601 windows-949",
        NOTHING: "replacement csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr",
    }.items()
    for label in labels.split()
}
# Python's names of encodings, and by which each is read: old standards by the code page that extends them.
READ: Final = {
    **{codec: codec for codec in LABELS.values()},
    **dict.fromkeys(("ascii", "iso8859-1"), "cp1252"),
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "utf-16": "utf-16-le",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    **{name: name for name in ("iso8859-16", "cp866", "iso2022_jp")},
}


def html(body: bytes, content_type: str | None) -> tuple[str, str]:
    """The text of an HTML document, and its encoding by Python's name."""
    return _text(body, _marked(body) or _named(content_type) or _declared(body))


def css(body: bytes, content_type: str | None) -> tuple[str, str]:
    """The text of a style sheet (CSS Syntax 3.2), and its encoding by Python's name."""
    declared = CSS.match(body)
    said = _of_ascii(lookup(declared[1].decode("latin-1"))) if declared else None
    return _text(body, _marked(body) or _named(content_type) or said or "utf-8")


@lru_cache(256)
def lookup(label: str) -> str | None:
    """Python's name of the encoding that browsers take for this label; None if they know none."""
    label = label.strip("\t\n\f\r ").lower()
    if label in LABELS:
        return LABELS[label]
    try:
        return READ.get(codecs.lookup(label).name) if LABEL(label) else None
    except LookupError:
        return None


def query(url: str, codec: str) -> str:
    """A URL as a document in this encoding means it: the query is sent in it (URL standard, 4.4)."""
    if codec == "utf-8" or url.isascii():
        return url
    path, mark, query = url.partition("?")
    return (
        path + mark + FOREIGN.sub(lambda match: quote(match[0].encode(codec, "fetcher.query"), SAFE), query)
    )


def _missing(error: UnicodeError) -> tuple[bytes, int]:
    """What an encoding does not have becomes a percent-encoded `&#NNN;` (URL standard, 1.3)."""
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return b"".join(b"%%26%%23%d%%3B" % ord(one) for one in missing), error.end


codecs.register_error("fetcher.query", _missing)


def _text(body: bytes, codec: str | None) -> tuple[str, str]:
    """None: UTF-8 if it is that, else the guess. Line ends become line feeds, as in all of HTML and CSS."""
    if codec == NOTHING:
        return "", "utf-8"
    try:
        text, codec = body.decode(codec or "utf-8"), codec or "utf-8"
    except UnicodeDecodeError:
        codec = codec or GUESS
        text = body.decode(codec, "replace")
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text, "utf-8" if codec.startswith("utf-16") else codec


def _marked(body: bytes) -> str | None:
    return next((codec for mark, codec in MARKS if body.startswith(mark)), None)


def _named(content_type: str | None) -> str | None:
    match = PARAMETER.search(content_type or "")
    return lookup(match[match.lastindex or 0]) if match else None


def _declared(body: bytes) -> str | None:
    """What a <meta> says among the first bytes, or the XML declaration."""
    head = body[:PRESCAN].decode("latin-1")
    for match in MARKUP.finditer(head):
        if match["name"] is None:
            continue
        if not match["end"]:
            break
        if match["name"].lower() == "meta" and (codec := _of_meta(markup.attributes(match["attributes"]))):
            return codec
    said = XML.match(head)
    return _of_ascii(lookup(said[1])) if said else None


def _of_meta(attributes: dict[str, str]) -> str | None:
    if "charset" in attributes:
        label = attributes["charset"]
    elif attributes.get("http-equiv", "").lower() == "content-type":
        match = PARAMETER.search(attributes.get("content", ""))
        label = match[match.lastindex or 0] if match else ""
    else:
        return None
    return _of_ascii(lookup(label))


def _of_ascii(codec: str | None) -> str | None:
    """Who could read the declaration as ASCII is not reading UTF-16 (WHATWG HTML 13.2.3.2)."""
    return "utf-8" if codec and codec.startswith("utf-16") else codec
