"""The login in the text of a URL: what it says, and the text without it, fit to be shown."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

import ada_url

from fetcher import urls
from fetcher.errors import Fault

STORE: Final = re.compile(r"(?i)\b((?!https?:)[a-z][a-z0-9+.-]*://)\S*@")


def userinfo(text: str) -> str:
    """The "user:password" in the text of a URL, percent-decoded; empty if there is none."""
    if "@" not in text:
        return ""
    try:
        url = ada_url.URL(urls.schemed(text.strip(urls.BLANKS)))
    except (Fault, ValueError):
        return ""
    if not url.username and not url.password:
        return ""
    return ":".join(unquote(part, errors="surrogateescape") for part in (url.username, url.password))


def masked(words: str) -> str:
    """A message, logins of stores in it (`sftp://me:secret@host`) as ***; those of http URLs `mask` does."""
    return STORE.sub(r"\1***@", words)


def mask(text: str) -> str:
    """The text as given, its userinfo replaced by `***@`; of what is no URL, all before the last @.

    Userinfo is what stands after `://` or leading slashes, or has a colon: `joe@example.org` hides nothing,
    and `mailto:joe@example.org` is no URL that is asked.
    """
    if "@" not in text:
        return text
    blanks = len(text) - len(text.lstrip(urls.BLANKS))
    start = text.find("://") + 3
    if start == 2 or not urls.SCHEME(text[: start - 3].strip(urls.BLANKS)):
        is_http = text.strip(urls.BLANKS).lower().startswith(("http:", "https:"))
        start = text.find(":") + 1 if is_http else blanks
    while text[start : start + 1] in ("/", "\\"):
        start += 1
    end = len(text)
    try:
        urls.wire(text)
        end = min((at for mark in "/?#\\" if (at := text.find(mark, start)) >= 0), default=end)
    except Fault:
        pass
    at = text.rfind("@", start, end)
    is_login = start > blanks or "://" in text or (":" in text[:at] and not urls.is_other(text[blanks:]))
    if at < 0 or not is_login:
        return text
    return f"{text[:start]}***{text[at:]}"
