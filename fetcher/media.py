"""What kind of file it is that a server sent: a page, a script, an image ... by its content type."""

from __future__ import annotations

from posixpath import splitext
from typing import Final

TYPES: Final = ("html", "css", "script", "image", "font", "media", "data", "document", "other")
_TEXTUAL: Final = frozenset({"html", "css", "script", "data"})
# RFC 9239 (scripts), RFC 8081 (fonts), and what servers said before them.
_EXACT: Final = {
    **dict.fromkeys(("text/html", "application/xhtml+xml"), "html"),
    "text/css": "css",
    **dict.fromkeys(("application/wasm", "application/x-javascript"), "script"),
    **dict.fromkeys(("application/vnd.ms-fontobject", "application/x-font-ttf"), "font"),
    **dict.fromkeys(("application/font-woff", "application/font-woff2", "application/font-sfnt"), "font"),
    **dict.fromkeys(("application/ogg", "application/vnd.apple.mpegurl", "application/dash+xml"), "media"),
    **dict.fromkeys(("text/csv", "text/tab-separated-values", "application/x-ndjson"), "data"),
    **dict.fromkeys(
        ("application/json", "text/json", "application/xml", "text/xml", "application/yaml"), "data"
    ),
    **dict.fromkeys(("application/pdf", "application/postscript", "application/epub+zip"), "document"),
    **dict.fromkeys(("application/rtf", "application/msword", "text/plain", "text/markdown"), "document"),
}
_MAIN: Final = {"image": "image", "font": "font", "audio": "media", "video": "media"}
_BEGINS: Final = (
    *(("application/vnd.openxmlformats", "document"), ("application/vnd.oasis", "document")),
    *(("application/vnd.ms-", "document"), ("text/", "document")),
)
_ENDS: Final = (("javascript", "script"), ("ecmascript", "script"), ("+json", "data"), ("+xml", "data"))
_SUFFIXES: Final = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".css": "css",
    **dict.fromkeys((".js", ".mjs", ".wasm"), "script"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif", ".ico", ".bmp"), "image"),
    **dict.fromkeys((".woff", ".woff2", ".ttf", ".otf", ".eot"), "font"),
    **dict.fromkeys((".mp3", ".mp4", ".webm", ".ogg", ".wav", ".m4a", ".mov", ".flac", ".m3u8"), "media"),
    **dict.fromkeys((".json", ".xml", ".csv", ".tsv", ".jsonl", ".yaml", ".rss", ".atom", ".map"), "data"),
    **dict.fromkeys((".pdf", ".txt", ".md", ".doc", ".docx", ".xlsx", ".pptx", ".odt", ".epub"), "document"),
}
_UNSAID: Final = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/unknown"})


def kind_of(content_type: str | None, url: str = "") -> str:
    """One of TYPES. The URL's suffix is asked only where the server did not say what it sent."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind in _UNSAID:
        path = url.partition("?")[0].partition("#")[0]
        return _SUFFIXES.get(splitext(path)[1].lower(), "other")
    if kind in _EXACT:
        return _EXACT[kind]
    main, _, _ = kind.partition("/")
    if main not in _MAIN and (ends := next((name for end, name in _ENDS if kind.endswith(end)), "")):
        return ends
    return _MAIN.get(main) or next((name for start, name in _BEGINS if kind.startswith(start)), "other")


def is_text(content_type: str | None, url: str = "") -> bool:
    """Whether a content coding would make it much smaller: all that is written in letters, SVG too."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    text = kind.startswith("text/") or kind.endswith(("+xml", "+json"))
    return text or (kind_of(content_type, url) in _TEXTUAL and kind != "application/wasm")
