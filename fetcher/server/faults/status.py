"""First lines that are no status line, and odd ones that are."""

from __future__ import annotations

from typing import Final

from fetcher.server.faults import right, wrong
from fetcher.server.raw import HEAD, response

_BAD: Final = {
    "words": ("Words, not HTTP.", b"Don't be afraid\r\n"),
    "page": ("A page without a head, as HTTP/0.9 had it.", b"<!doctype html>\n<title>Hello</title>\n"),
    "ssh": ("The greeting of an SSH server.", b"SSH-2.0-OpenSSH_9.2\r\n"),
    "shoutcast": ("ICY, as radio stations say.", b"ICY 200 OK\r\n\r\n"),
    "blank-line": ("An empty line before a good answer.", b"\r\n" + response()),
    "lower-case": ("http/1.1 in lower case.", b"http" + response()[4:]),
    "version-0.9": ("HTTP/0.9.", response(version="0.9")),
    "version-1.2": ("HTTP/1.2.", response(version="1.2")),
    "version-1.10": ("HTTP/1.10.", response(version="1.10")),
    "version-2": ("HTTP/2.0 in text.", response(version="2.0")),
    "version-long": ("A version of 100 digits.", response(version="1." + "1" * 100)),
    "no-code": ("A version and nothing else.", b"HTTP/1.1\r\n\r\n"),
    "one-digit": ("A code of one digit.", response(status="2 OK")),
    "two-digits": ("A code of two digits.", response(status="20 OK")),
    "four-digits": ("A code of four digits.", response(status="2000 OK")),
    "hundred-digits": ("A code of 100 digits.", response(status="2" * 100 + " OK")),
    "negative": ("A negative code.", response(status="-200 OK")),
    "zero": ("The code 000.", response(status="000 OK")),
    "below-100": ("The code 099.", response(status="099 OK")),
    "letters": ("Letters for a code.", response(status="two OK")),
    "two-blanks": ("Two blanks before the code.", response(status=" 200 OK")),
    "no-blank": ("No blank behind the code.", response(status="200OK")),
    "nul": ("A NUL in the reason.", response(status="200 a\0b")),
    "lone-cr": ("A CR in the reason.", response(status="200 a\rb")),
}
_ODD: Final = {299: "A code that no RFC knows.", 600: "A code above all classes.", 999: "The largest code."}

FAULTS: Final = [
    *(wrong(name, says, raw, "bad_status_line") for name, (says, raw) in _BAD.items()),
    *(right(f"{n}", says, response(status=f"{n} Odd"), status=n) for n, says in _ODD.items()),
    right("no-reason", "No reason behind the code.", response(status="200")),
    right("latin-1", "A reason in Latin-1.", response(status="200 \xfcber \xff")),
    right("1.0", "HTTP/1.0, a length, and an end of file.", (response(version="1.0"),)),
    wrong("line-only", "A status line and an end of file.", (HEAD,), "truncated"),
]
