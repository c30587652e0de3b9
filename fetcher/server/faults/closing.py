"""Connections that end where they should not, or go on where they should end."""

from __future__ import annotations

from typing import Final

from fetcher.server.faults import End, right, wrong
from fetcher.server.raw import BODY, CHUNKED, HEAD, LAST, chunks, head, response

_WRONG: Final = response(b"this is the body of nobody's page")
_NO_BODY: Final = head(status="204 No Content")
_UNCHANGED: Final = head("Content-Length: 33", status="304 Not Modified")
_HEAD: Final = {"method": "HEAD"}

FAULTS: Final = [
    wrong("at-once", "An end of file instead of an answer.", (), "no_response"),
    wrong("reset-at-once", "A reset instead of an answer.", (End.RESET,), "no_response"),
    wrong("in-line", "An end of file inside the status line.", (HEAD[:9],), "no_response"),
    wrong("reset-in-line", "A reset inside the status line.", (HEAD[:9], 0.05, End.RESET), "no_response"),
    wrong("reset-in-head", "A reset inside the head.", (HEAD + b"X: y\r\n", 0.05, End.RESET), "reset"),
    wrong("reset-in-body", "A reset inside the body.", (response()[:-9], 0.05, End.RESET), "reset", 200),
    right("silently", "An end of file after the answer, unannounced.", (response(), End.CLOSE)),
    right("later", "The same 2 ms later: the next request is on its way.", (response(), 0.002, End.CLOSE)),
    right("reset-after", "A reset after the answer.", (response(), 0.05, End.RESET)),
    right("announced", "Says `Connection: close`, and does so.", (response(BODY, "Connection: close"),)),
    right("not-closing", "Says `Connection: close`, and does not.", response(BODY, "Connection: close")),
    right(
        "1.0-kept",
        "HTTP/1.0 that keeps the connection.",
        response(BODY, "Connection: keep-alive", version="1.0"),
    ),
    right("1.0-not-closing", "HTTP/1.0 that does not close.", response(version="1.0")),
    right("surplus", "A second answer behind the first.", response() + _WRONG),
    right("surplus-bytes", "Some bytes behind the answer.", response() + b"\r\n\r\nx"),
    right("surplus-crlf", "One CRLF too many.", response() + b"\r\n"),
    right("surplus-chunked", "A second answer behind the last chunk.", CHUNKED + chunks() + LAST + _WRONG),
    right("surplus-large", "A second answer of 1 MB.", response() + response(bytes(1_000_000))),
    right(
        "long-body",
        "A body that is longer than its length.",
        head("Content-Length: 4000") + BODY + b"and more",
    ),
    right("204-body", "A 204 with a body.", _NO_BODY + BODY, b"", 204),
    right("204-surplus", "A 204 with an answer behind it.", _NO_BODY + _WRONG, b"", 204),
    right(
        "204-length",
        "A 204 that says how long its body is.",
        head("Content-Length: 9", status="204 No"),
        b"",
        204,
    ),
    right("304-body", "A 304 with the body that it need not send.", _UNCHANGED + _WRONG[-33:], b"", 304),
    right("304-length", "A 304 with the length of what it does not send.", _UNCHANGED, b"", 304),
    right(
        "head-length", "A length in the answer to HEAD.", head("Content-Length: 4000"), b"", settings=_HEAD
    ),
    right("head-chunked", "Chunked in the answer to HEAD.", CHUNKED, b"", settings=_HEAD),
    right("head-body", "A body in the answer to HEAD.", response() + _WRONG, b"", settings=_HEAD),
]
