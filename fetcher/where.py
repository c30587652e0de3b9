"""Which records, in words: `error=dns_temporary or status in (429,503)`, parsed here and never executed.

    one     := FIELD OP VALUE | FIELD [not] in (VALUE, ...) | not one | ( any )
    all     := one [and one]...
    any     := all [or all]...
    OP      := = != < <= > >=

FIELD is a column of the record. VALUE is a number, true, false, null, or text; text with blanks, commas or
parentheses stands in quotes. Null equals null only, and is neither less nor more than anything.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from fetcher.errors import KINDS, UsageError
from fetcher.model import COLUMNS, MORE

Record = Mapping[str, Any]
Where = Callable[[Record], bool]

NUMBERS: Final = frozenset(
    (
        *("row", "status", "size", "wire_size", "content_length", "elapsed", "dns", "connect", "tls", "ttfb"),
        *("attempts", "depth"),
    )
)
NESTED: Final = ("redirects", "headers")
FIELDS: Final = (*COLUMNS, *MORE)
DEEP: Final = 50  # parentheses inside each other
OPS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_WORD: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)").match
_OP: Final = re.compile(r"\s*(!=|<=|>=|==|=|<|>)").match
_MARK: Final = re.compile(r"\s*([(),])").match
_VALUE: Final = re.compile(r"""\s*("[^"]*"|'[^']*'|[^\s(),"']+)""").match


def parse(text: str) -> Where:
    """What the expression says of a record. Raises UsageError, in one line, for what it cannot mean."""
    parser = _Parser(text)
    found = parser.any(0)
    if rest := text[parser.at :].strip():
        raise UsageError(f"--where: {_short(rest)!r} is left over: join conditions with `and` or `or`")
    return found


class _Parser:
    """Reads from left to right; `at` is how far it has come."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def any(self, depth: int) -> Where:
        parts = [self._all(depth)]
        while self._keyword("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)

    def _all(self, depth: int) -> Where:
        parts = [self._one(depth)]
        while self._keyword("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)

    def _one(self, depth: int) -> Where:
        if depth > DEEP:
            raise UsageError(f"--where: more than {DEEP} parentheses or `not` inside each other")
        if self._keyword("not"):
            inner = self._one(depth + 1)
            return lambda record: not inner(record)
        if self._take(_MARK, "("):
            inner = self.any(depth + 1)
            self._need(")")
            return inner
        return self._condition()

    def _condition(self) -> Where:
        name = self._field()
        negated = self._keyword("not")
        if negated or (self._peek(_WORD) or "").lower() == "in":
            if not self._keyword("in"):
                raise UsageError(f"--where: {name} not ...: write `{name} not in (...)` or `not {name}=...`")
            values = self._list(name)
            return lambda record: (record.get(name) in values) is not negated
        op = self._take(_OP)
        if op is None:
            raise UsageError(
                f"--where: no comparison behind {name}: write {name}=VALUE, or one of {_OPS}, in"
            )
        value = self._value(name)
        if op in ("=", "==", "!="):
            same = op != "!="
            return lambda record: (record.get(name) == value) is same
        if value is None or isinstance(value, bool):
            raise UsageError(
                f"--where: {name} {op} {str(value).lower()}: it can be compared by = and != only"
            )
        compared = OPS[op]
        return lambda record: (there := record.get(name)) is not None and compared(there, value)

    def _field(self) -> str:
        word = self._peek(_WORD)
        if word is None or word.lower() in ("and", "or", "in"):
            rest = _short(self.text[self.at :].strip())
            where = f"before {rest!r}" if rest else "at the end"
            raise UsageError(
                f"--where: a condition is missing {where}: write FIELD=VALUE, such as status=503"
            )
        self._take(_WORD)
        name = word.lower()
        if name not in FIELDS:
            close = get_close_matches(name, FIELDS, 1)
            hint = f"did you mean {close[0]}?" if close else f"use one of: {' '.join(FIELDS)}"
            raise UsageError(f"--where: there is no field {word}: {hint}")
        if name in NESTED:
            raise UsageError(f"--where: {name} holds more than one value: compare another field")
        return name

    def _list(self, name: str) -> list[Any]:
        self._need("(")
        values = [self._value(name)]
        while self._take(_MARK, ","):
            values.append(self._value(name))
        self._need(")")
        return values

    def _value(self, name: str) -> Any:
        """The value as that field has it."""
        text = self._take(_VALUE)
        if text is None:
            raise UsageError(
                f'--where: no value for {name}: write {name}=VALUE, `null` for none, "" for empty'
            )
        if text[0] in "\"'":
            text = text[1:-1]
        elif text.lower() == "null":
            return None
        if name in NUMBERS:
            return _number(name, text)
        if name == "ok":
            if text.lower() not in ("true", "false"):
                raise UsageError(f"--where: ok is true or false, not {_short(text)}")
            return text.lower() == "true"
        if name == "error" and text not in KINDS:
            close = get_close_matches(text, KINDS, 1)
            hint = f"did you mean {close[0]}?" if close else "`null` is none; README lists them"
            raise UsageError(f"--where: there is no error {_short(text)}: {hint}")
        return text

    def _need(self, mark: str) -> None:
        if not self._take(_MARK, mark):
            rest = _short(self.text[self.at :].strip())
            raise UsageError(f"--where: `{mark}` is missing {f'before {rest!r}' if rest else 'at the end'}")

    def _keyword(self, word: str) -> bool:
        return (self._peek(_WORD) or "").lower() == word and self._take(_WORD) is not None

    def _peek(self, match: Callable[[str, int], re.Match[str] | None]) -> str | None:
        found = match(self.text, self.at)
        return found[1] if found else None

    def _take(self, match: Callable[[str, int], re.Match[str] | None], only: str = "") -> str | None:
        found = match(self.text, self.at)
        if found is None or (only and found[1] != only):
            return None
        self.at = found.end()
        return found[1]


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--where: {name} is a number, and {_short(text)} is none") from None


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


_OPS: Final = " ".join(op for op in OPS if op != "==")
